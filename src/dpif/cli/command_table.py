"""The table of commands: everything that ``dpif`` can do, one entry each.

Order is that of the help. A handler is named by module and function and imported when its command is run. This
file knows no more than names and texts, so that reading the table costs nothing; `command` says what an entry is,
and those that run something are in `program_commands`.
"""

from __future__ import annotations

from dpif.cli.command import (
    ABOUT,
    CACHES,
    CONNECTIONS,
    DATAPATHS,
    FLOWS,
    IFACE,
    MANY,
    NAME,
    REFUSED,
    Command,
)
from dpif.cli.program_commands import PROGRAM_COMMANDS

__all__ = ["BY_NAME", "COMMANDS"]

_NO_DATAPATHS = "no datapaths; 'dpif add-dp dp0' makes one"
_ARP = '"in_port(1),eth(),eth_type(0x0806),arp()"'

_FLOW = """\
A flow is a list such as in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0); what it leaves out
matches anything. With ufid:UUID in front of it the flow gets that identifier. Actions are a list such as
1,2 or push_vlan(vid=5,pcp=0),3; drop drops. Ports are numbers, or names of ports. What dpif does not know is
written by number and bytes, as it is shown: key99(00 01), action99(07 00).

What packets of the type have must be there, at least empty: eth_type(0x0800) needs ipv4(), ipv4(proto=17) needs
udp(), ipv4(proto=6) needs tcp() and tcp_flags(0/0). The syntax is that of dump-flows, not that of ovs-ofctl; for many
flows at once there is add-flows."""

_FILTER = """\
A filter is made of fields, comparisons (== != < <= > >= in has), and, or, not and parentheses:
  filter='ipv4.dst in 10.0.0.0/8 and packets > 100'
  filter='in_port == 3 or eth_type == 0x0806'
  filter='tcp and not actions has ct'
  filter='output == 2 and used < 5'
  filter='ct_state has new or ct_state == -new+est+trk'
  filter='eth_type == arp and eth.dst in 01:00:00:00:00:00/01:00:00:00:00:00'
Fields are those of the flow, as in ipv4.dst, tunnel.tun_id or tunnel.geneve.class; with .mask behind them, their
masks; ufid, packets, bytes, used (seconds ago, or never), flags (TCP flags seen), and output (ports that it sends
to). A field alone asks whether the flow has it. A comparison with a field that the flow leaves open is false. With
has, flags must be set; 'actions has' takes an action, nat, or what goes to user space (slow_path, controller). A
value with a mask, and +new-est, is compared by == as it is shown, and by in with all packets that the flow takes.

The filters of ovs-dpctl work too, in the fields of OpenFlow: filter=tcp,tp_dst=80, filter=in_port=1,dl_vlan=5, or
filter=arp. They show the flows that agree in all that both look at; what a flow leaves open agrees with anything.
With pmd=N those of one packet processing thread, of which there are none in the datapaths of dpif.

--sort takes such fields, separated by commas, for an ascending order: --sort in_port,ipv4.dst. With - in front, or
:desc behind, it descends: --sort=-packets. Flows without the field come last. --limit N shows the first N flows.

--tree groups flows by the port that packets come in by, and puts below each flow those that recirc() in its actions
leads to, without what the flows above match already. A filter keeps the paths of the flows that it picks, --limit
counts flows at the top."""

_FILE = """\
Each line of the file has a flow and its actions; in front of them add, modify or delete may say what to do. A
line that fails is reported with its number, the others are carried out. '-' is standard input. Empty lines and
what follows a # are passed over."""

_MATCH = """\
Without anything all are deleted. mark=X[/M] and labels=Y[/N] match under a mask. A tuple is a list of ct_nw_src=A,
ct_nw_dst=A (IPv6: ct_ipv6_src, ct_ipv6_dst), ct_nw_proto=N, ct_tp_src=N, ct_tp_dst=N, or in place of ports icmp_id=N,
icmp_type=N, icmp_code=N; '' is any."""

_LIMITS = "A limit of 0 is none. The limits hold for all datapaths of the network namespace."

_COMPLETION = """\
Where to put it, for the shells that are started from then on:
  dpif completion bash > ~/.local/share/bash-completion/completions/dpif
  dpif completion zsh > ~/.zsh/_dpif      with fpath=(~/.zsh $fpath) before compinit in ~/.zshrc
  dpif completion fish > ~/.config/fish/completions/dpif.fish
For the shell at hand: source <(dpif completion bash), the same with zsh, dpif completion fish | source."""


def _refused(
    name: str, usage: str, least: int, most: int, what: str, example: str, *, writes: bool = False
) -> Command:
    summary = f"{what} (not supported)"
    return Command(
        name,
        usage,
        least,
        most,
        summary,
        "refusals:refuse",
        (f"dpif {name} {example}",),
        REFUSED,
        f"Only the datapath inside ovs-vswitchd has it: ovs-appctl dpctl/{name}. Here it always fails.",
        writes=writes,
        refused=True,
    )


COMMANDS = (
    Command(
        "add-dp",
        "dp [iface...]",
        1,
        MANY,
        "make a datapath, with interfaces as ports",
        "datapaths:add_dp",
        (
            "dpif add-dp dp0",
            "dpif add-dp dp0 v0 v1,port_no=7",
            "dpif add-dp netdev@br0",
            "dpif add-dp --features unaligned,vport-pids --ifindex 100 dp0",
        ),
        DATAPATHS,
        f"""\
{NAME}

Features are those of OVS_DP_F_*: unaligned (packets may come up unaligned), vport-pids (a port may have several
receivers of upcalls), tc-recirc-sharing, dispatch-upcall-per-cpu; or a number. 'show --json' tells them.

{IFACE}""",
        writes=True,
        options=("features", "ifindex", "play"),
    ),
    Command(
        "del-dp",
        "dp",
        1,
        1,
        "delete a datapath, its flows and its ports",
        "datapaths:del_dp",
        ("dpif del-dp dp0",),
        DATAPATHS,
        "Network devices that were its ports stay.",
        writes=True,
    ),
    Command(
        "add-if",
        "dp iface...",
        2,
        MANY,
        "add interfaces as ports",
        "ports:add_if",
        (
            "dpif add-if dp0 v0",
            "dpif add-if dp0 v0,port_no=7 int0,type=internal",
            "dpif add-if dp0 tun0,type=vxlan,dst_port=4790",
            "dpif add-if dp0 tun0,type=vport-geneve",
        ),
        DATAPATHS,
        IFACE,
        writes=True,
        options=("play",),
    ),
    Command(
        "del-if",
        "dp iface...",
        2,
        MANY,
        "remove ports, given by name or number",
        "ports:del_if",
        ("dpif del-if dp0 v0", "dpif del-if dp0 1 2"),
        DATAPATHS,
        "An iface of digits alone is a port number.",
        writes=True,
    ),
    Command(
        "set-if",
        "dp iface...",
        2,
        MANY,
        "check the settings of ports (none can be changed)",
        "ports:set_if",
        ("dpif set-if dp0 v0,port_no=1",),
        DATAPATHS,
        IFACE,
        writes=True,
    ),
    Command(
        "dump-dps",
        "",
        0,
        0,
        "list all datapaths",
        "datapaths:dump_dps",
        ("dpif dump-dps",),
        DATAPATHS,
        nothing=_NO_DATAPATHS,
    ),
    Command(
        "show",
        "[-s] [dp...]",
        0,
        MANY,
        "show datapaths and their ports",
        "show:show",
        ("dpif show", "dpif show -s dp0", "dpif show netdev@br0", "dpif show -s --output csv"),
        DATAPATHS,
        options=("statistics", "strict"),
        nothing=_NO_DATAPATHS,
    ),
    Command(
        "dump-flows",
        "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]",
        0,
        6,
        "list flows",
        "flow_listing:dump_flows",
        (
            "dpif dump-flows",
            "dpif dump-flows --names dp0",
            "dpif -m dump-flows dp0",
            "dpif dump-flows dp0 filter='tcp.dst == 80 and packets > 100'",
            "dpif dump-flows dp0 filter=tcp,tp_dst=80",
            "dpif dump-flows dp0 --sort=-packets --limit 10",
            "dpif dump-flows dp0 --tree --names",
            "dpif dump-flows dp0 --output csv",
        ),
        FLOWS,
        _FILTER,
        options=("more", "names", "no_names", "sort", "limit", "tree", "strict"),
        nothing="no flows",
    ),
    Command(
        "add-flow",
        "[dp] flow actions",
        2,
        3,
        "add a flow",
        "flows:add_flow",
        (f"dpif add-flow dp0 {_ARP} 2", f"dpif add-flow {_ARP} drop"),
        FLOWS,
        _FLOW,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "mod-flow",
        "[dp] flow [actions]",
        1,
        3,
        "change the actions of a flow, or reset its counters",
        "flows:mod_flow",
        (
            f"dpif mod-flow dp0 {_ARP} 3",
            f"dpif mod-flow --may-create dp0 {_ARP} 3",
            f"dpif mod-flow --clear dp0 {_ARP}",
        ),
        FLOWS,
        f"""\
Without actions the flow keeps those that it has; one with an identifier may then be named by that alone.

{_FLOW}""",
        writes=True,
        options=("statistics", "clear", "may_create"),
    ),
    Command(
        "get-flow",
        "[dp] ufid",
        1,
        2,
        "show the flow that has an identifier",
        "flows:get_flow",
        ("dpif get-flow dp0 ufid:00112233-4455-6677-8899-aabbccddeeff",),
        FLOWS,
        "dump-flows -m shows the identifiers of flows that have one.",
        options=("more", "names", "no_names"),
    ),
    Command(
        "del-flow",
        "[dp] flow",
        1,
        2,
        "delete a flow",
        "flows:del_flow",
        (f"dpif del-flow dp0 {_ARP}", "dpif del-flow dp0 ufid:00112233-4455-6677-8899-aabbccddeeff"),
        FLOWS,
        "The flow is found by the key that it was added with, masks left out; one with an identifier by that.",
        writes=True,
        options=("statistics",),
    ),
    Command(
        "add-flows",
        "[dp] file",
        1,
        2,
        "add the flows in a file",
        "flow_files:add_flows",
        ("dpif add-flows dp0 flows.txt", "dpif add-flows dp0 -"),
        FLOWS,
        _FILE,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "mod-flows",
        "[dp] file",
        1,
        2,
        "change the flows in a file",
        "flow_files:mod_flows",
        ("dpif mod-flows dp0 flows.txt",),
        FLOWS,
        _FILE,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "del-flows",
        "[dp] [file] [filter=..]",
        0,
        2,
        "delete all flows, those that a filter picks, or those in a file",
        "flow_files:del_flows",
        ("dpif del-flows dp0", "dpif del-flows dp0 filter='packets == 0'", "dpif del-flows dp0 flows.txt"),
        FLOWS,
        """\
Each line of the file has a flow without actions, else it is as those of add-flows. With filter= those flows go that
dump-flows lists with it ('dpif dump-flows --help' says how one is written), and it is said how many.""",
        writes=True,
        options=("statistics",),
    ),
    Command(
        "cache-get-size",
        "[dp]",
        0,
        1,
        "show the sizes of caches",
        "caches:get_size",
        ("dpif cache-get-size", "dpif cache-get-size dp0"),
        CACHES,
    ),
    Command(
        "cache-set-size",
        "dp cache size",
        3,
        3,
        "change the size of a cache",
        "caches:set_size",
        ("dpif cache-set-size dp0 masks-cache 512",),
        CACHES,
        "The size is rounded up to a power of two; 0 switches the cache off.",
        writes=True,
    ),
    Command(
        "dump-conntrack",
        "[-m] [-s] [dp] [zone=N]",
        0,
        4,
        "list connections",
        "conntrack:dump",
        (
            "dpif dump-conntrack",
            "dpif dump-conntrack -m -s dp0 zone=5",
            "dpif dump-conntrack --sort=-bytes --limit 10",
        ),
        CONNECTIONS,
        """\
--sort takes protocol, src, dst, sport, dport (of the packets that opened the connection), zone, mark, state, timeout,
packets, bytes (both ways together) and start, separated by commas: --sort zone,src. With - in front, or :desc behind,
it descends. --limit N shows the first N connections.""",
        options=("more", "statistics", "sort", "limit", "strict"),
        nothing="no connections",
    ),
    Command(
        "flush-conntrack",
        "[dp] [zone=N] [mark=X[/M]] [labels=Y[/N]] [ct-orig-tuple [ct-reply-tuple]]",
        0,
        6,
        "delete connections",
        "conntrack:flush",
        (
            "dpif flush-conntrack",
            "dpif flush-conntrack zone=5",
            "dpif flush-conntrack dp0 ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80",
            "dpif flush-conntrack '' ct_nw_dst=10.0.0.1",
        ),
        CONNECTIONS,
        _MATCH,
        writes=True,
    ),
    Command(
        "ct-stats-show",
        "[-m] [dp] [zone=N] [verbose]",
        0,
        3,
        "count connections by protocol",
        "conntrack:show_statistics",
        ("dpif ct-stats-show", "dpif ct-stats-show -m dp0 zone=5"),
        CONNECTIONS,
        "With -m or the word verbose those of TCP by state, too.",
        options=("more", "strict"),
    ),
    Command(
        "ct-bkts",
        "[dp] [gt=N]",
        0,
        2,
        "say that the kernel shows no buckets of its table",
        "refusals:show_buckets",
        ("dpif ct-bkts",),
        CONNECTIONS,
    ),
    Command(
        "ct-set-limits",
        "[dp] [default=L] [zone=N,limit=L]...",
        1,
        MANY,
        "limit the connections of zones",
        "ct_limits:set_limits",
        ("dpif ct-set-limits default=10000", "dpif ct-set-limits dp0 zone=1,limit=5 zone=2,limit=0"),
        CONNECTIONS,
        _LIMITS,
        writes=True,
    ),
    Command(
        "ct-del-limits",
        "[dp] [default] [zone=N1[,N2]...]",
        1,
        3,
        "remove limits of zones",
        "ct_limits:delete_limits",
        ("dpif ct-del-limits zone=1,2", "dpif ct-del-limits dp0 default"),
        CONNECTIONS,
        writes=True,
    ),
    Command(
        "ct-get-limits",
        "[dp] [zone=N1[,N2]...]",
        0,
        2,
        "show limits of zones",
        "ct_limits:get_limits",
        ("dpif ct-get-limits", "dpif ct-get-limits dp0 zone=1,2"),
        CONNECTIONS,
        _LIMITS,
    ),
    Command(
        "offload-stats-show",
        "[dp]",
        0,
        1,
        "show statistics of hardware offload, of which there are none",
        "refusals:show_offload",
        ("dpif offload-stats-show dp0",),
        CACHES,
    ),
    _refused("dump-conntrack-exp", "[dp] [zone=N]", 0, 2, "list expected connections", "dp0"),
    _refused("ct-set-maxconns", "[dp] maxconns", 1, 2, "limit all connections", "10000", writes=True),
    _refused("ct-get-maxconns", "[dp]", 0, 1, "show the limit of all connections", "dp0"),
    _refused("ct-get-nconns", "[dp]", 0, 1, "show the number of connections", "dp0"),
    _refused("ct-enable-tcp-seq-chk", "[dp]", 0, 1, "check TCP sequence numbers", "dp0", writes=True),
    _refused("ct-disable-tcp-seq-chk", "[dp]", 0, 1, "do not check TCP sequence numbers", "dp0", writes=True),
    _refused("ct-get-tcp-seq-chk", "[dp]", 0, 1, "show whether TCP sequence numbers are checked", "dp0"),
    _refused("ct-get-sweep-interval", "[dp]", 0, 1, "show how often old connections are looked for", "dp0"),
    _refused(
        "ct-set-sweep-interval", "[dp] ms", 1, 2, "set how often old connections are looked for", "30", writes=True
    ),
    _refused("ipf-set-enabled", "[dp] v4|v6", 1, 2, "put fragments together", "v4", writes=True),
    _refused("ipf-set-disabled", "[dp] v4|v6", 1, 2, "do not put fragments together", "v6", writes=True),
    _refused("ipf-set-min-frag", "[dp] v4|v6 minfragment", 2, 3, "set the smallest fragment", "v4 1200", writes=True),
    _refused("ipf-set-max-nfrags", "[dp] maxfrags", 1, 2, "limit the fragments that wait", "1000", writes=True),
    _refused("ipf-get-status", "[dp]", 0, 1, "show how fragments are put together", "dp0"),
    *PROGRAM_COMMANDS,
    Command(
        "parse-actions",
        "actions",
        1,
        MANY,
        "parse actions and print them again",
        "about:parse_actions",
        ('dpif parse-actions "push_vlan(vid=5,pcp=0),2"',),
        ABOUT,
    ),
    Command(
        "normalize-actions",
        "flow actions [name=port...]",
        2,
        MANY,
        "print actions grouped by the VLAN tags they leave",
        "normalize:normalize_actions",
        ('dpif normalize-actions "eth(),eth_type(0x1234)" "push_vlan(vid=9,pcp=0),2,pop_vlan,1"',),
        ABOUT,
    ),
    Command(
        "completion",
        "bash|zsh|fish",
        1,
        1,
        "print the completion of dpif for a shell",
        "about:completion",
        ("dpif completion bash", "dpif completion zsh", "dpif completion fish"),
        ABOUT,
        _COMPLETION,
        text_only=True,
    ),
    Command(
        "help",
        "[command...]",
        0,
        MANY,
        "show help, of all or of one command",
        "about:help_",
        ("dpif help", "dpif help add-flow"),
        ABOUT,
    ),
    Command(
        "list-commands",
        "",
        0,
        MANY,
        "list the commands with their arguments",
        "about:list_commands",
        ("dpif list-commands", "dpif list-commands --json"),
        ABOUT,
    ),
    Command(
        "version",
        "",
        0,
        0,
        "show the version, as --version does",
        "about:version",
        ("dpif version", "dpif version --json"),
        ABOUT,
    ),
)

BY_NAME = {command.name: command for command in COMMANDS}
