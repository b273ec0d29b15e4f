"""Commands and options of other tools of Open vSwitch, which hands type here: whose they are."""

from __future__ import annotations

_OFCTL = "it is one of ovs-ofctl, which speaks OpenFlow"
_VSCTL = "it is one of ovs-vsctl, which configures bridges"
_APPCTL = "it is one of ovs-appctl, which asks ovs-vswitchd"
_COMMANDS = {
    _OFCTL: """add-group add-groups add-meter add-tlv-map bundle ct-flush del-groups del-meter del-meters diff-flows
        dump-aggregate dump-desc dump-group-features dump-group-stats dump-groups dump-ipfix-bridge dump-meters
        dump-ports dump-ports-desc dump-table-features dump-tables dump-tlv-map get-frags insert-buckets
        meter-features meter-stats mod-group mod-meter mod-port mod-table monitor ofp-parse packet-out probe
        queue-get-config queue-stats remove-buckets replace-flows set-frags snoop""",
    _VSCTL: """add-br add-bond add-port br-exists br-get-external-id br-set-external-id br-to-parent br-to-vlan
        clear del-br del-controller del-port emer-reset get-controller get-fail-mode iface-to-br init list list-br
        list-ifaces list-ports port-to-br set set-controller set-fail-mode""",
    _APPCTL: """bond/show bridge/dump-flows coverage/show dpif/dump-flows dpif/show fdb/flush fdb/show mdb/show
        memory/show ofproto/list ofproto/trace tnl/arp/show tnl/neigh/show ovs/route/show upcall/show vlog/list
        vlog/set""",
}
_OPTIONS = {
    _OFCTL: """-O --protocols -F --flow-format --strict --bundle --rsort --no-stats --stats -P --packet-in-format
        --unixctl""",
    _VSCTL: "--db --no-wait --may-exist --if-exists --dry-run --oneline --retry",
}


def owner_of_command(name: str) -> str:
    """Return whose command it is, in parentheses, if it is one of another tool."""
    return _owner(name, _COMMANDS)


def owner_of_option(flag: str) -> str:
    """Return whose option it is, likewise."""
    return _owner(flag, _OPTIONS)


def _owner(word: str, tools: dict[str, str]) -> str:
    return next((f" ({tool})" for tool, words in tools.items() if word in words.split()), "")
