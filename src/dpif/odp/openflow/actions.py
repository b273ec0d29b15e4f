"""The actions of an OpenFlow flow in a datapath's syntax.

A datapath carries out what ``ovs-vswitchd`` made of all tables together: what leads from one table to another, or
lets the switch decide, has no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

from dpif.odp.filter.openflow_fields import FIELDS
from dpif.odp.kernel.protocols import NETWORK, TRANSPORT
from dpif.odp.kernel.typed import name_of
from dpif.odp.openflow.items import Item, NoCounterpart, items_of, number_of
from dpif.odp.openflow.match import Translated, port_of
from dpif.packet.addresses import Mac

_ONE_TABLE = "a datapath has one table, in which a flow says all that is done"
_NOTHING_LIKE = """
    group learn conjunction bundle bundle_load multipath move note fin_timeout exit stack push pop
    write_metadata encap decap dec_mpls_ttl dec_nsh_ttl check_pkt_larger delete_field output_reg
"""
_NONE: dict[str, str] = {
    "NORMAL": "NORMAL leaves it to the switch; 'dpif switch' is one that learns",
    "FLOOD": "FLOOD is a list of ports there, as in 2,3",
    "ALL": "ALL is a list of ports there, as in 2,3",
    "CONTROLLER": "CONTROLLER is userspace(pid=…), of who listens, as 'dpif upcalls' does",
    "TABLE": _ONE_TABLE,
    "controller": "controller(...) is userspace(pid=…), of who listens, as 'dpif upcalls' does",
    **dict.fromkeys(("resubmit", "goto_table", "write_actions", "clear_actions", "apply_actions"), _ONE_TABLE),
    **dict.fromkeys(_NOTHING_LIKE.split(), ""),
}
_SET_FIELDS = {
    "mod_dl_src": "eth_src",
    "mod_dl_dst": "eth_dst",
    "mod_nw_src": "ip_src",
    "mod_nw_dst": "ip_dst",
    "mod_nw_tos": "nw_tos",
    "mod_nw_ecn": "nw_ecn",
    "mod_nw_ttl": "nw_ttl",
    "mod_tp_src": "tp_src",
    "mod_tp_dst": "tp_dst",
    "set_tunnel": "tun_id",
    "set_tunnel64": "tun_id",
    "mod_vlan_vid": "vlan_vid",
    "set_vlan_vid": "vlan_vid",
    "mod_vlan_pcp": "vlan_pcp",
    "set_vlan_pcp": "vlan_pcp",
    "set_mpls_label": "mpls_label",
    "set_mpls_tc": "mpls_tc",
    "set_mpls_ttl": "mpls_ttl",
}
_REGISTER = re.compile(r"(?:NXM_OF|NXM_NX|OXM_OF)_(\w++)(?:\[([^]]*+)\])?", re.IGNORECASE)
_REWRITTEN = {"vlan_tci": "vlan_vid", "ct_label": "ct_label"}
_BITS_OF = {"nw_tos": 0xFC, "ip_dscp": 0xFC, "nw_ecn": 0x03}
_CT_MARKS = {"ct_mark": "mark", "ct_label": "label"}


class _Actions:
    """What is known of the flow, and the actions so far; ``tag`` and ``tunnel`` are gathered for one action each."""

    def __init__(self, flow: Translated) -> None:
        self.flow = flow
        self.done: list[str] = []
        self.tag: dict[str, str] = {}
        self.tunnel: dict[str, str] = {}


def translate_actions(text: str, flow: Translated) -> str | None:
    """Return the actions of a text in either syntax; None for a text of another kind. Raise `NoCounterpart`."""
    actions = _Actions(flow)
    for item in items_of(text):
        if not _take(actions, item):
            return None
    _end_of_sets(actions)
    return ",".join(actions.done) or "drop"


def _take(actions: _Actions, item: Item) -> bool:
    """Take one action; return False for one of neither syntax."""
    name, value = item.name, item.value if item.value is not None else item.arguments
    if name in _SET_FIELDS and value:
        _set_field(actions, _SET_FIELDS[name], value)
        return True
    if name in ("set_field", "load") and value:
        amount, _, target = value.partition("->")
        _set_field(actions, _field_named(target), amount)
        return True
    if name == "push_vlan" and item.value is not None:
        actions.tag.setdefault("vid", "0")
        return True
    _end_of_sets(actions)
    if name in _TAKERS and (item.arguments is None or name in _WITH_ARGUMENTS):
        actions.done.extend(_TAKERS[name](actions, value or ""))
        return True
    if name in _NONE or name.upper() in _NONE:
        raise NoCounterpart(_NONE.get(name, _NONE.get(name.upper(), "")) or f"there is nothing like {name}")
    if not name and not item.text.isdecimal():
        return False
    actions.done.append(port_of(item.text) if item.is_bare and name.upper() == "LOCAL" else item.text)
    return True


def _field_named(target: str) -> str:
    """Return OpenFlow's name of a field that is set, from a name or a register's; raise `NoCounterpart`."""
    found = _REGISTER.fullmatch(target.strip())
    name = found[1].lower() if found else target.strip()
    if found and found[2]:
        raise NoCounterpart(f"a part of {target} cannot be set so")
    name = _REWRITTEN.get(name, name)
    if name not in FIELDS:
        raise NoCounterpart(f"{name} is no field of a datapath's flow")
    return name


def _set_field(actions: _Actions, name: str, value: str) -> None:
    field = FIELDS[name]
    place, _, member = _place_of(actions.flow, field.places.split(), name).partition(".")
    if place == "vlan":
        _end_of_tunnel(actions)
        number = number_of(value.partition("/")[0], name)
        actions.tag["pcp" if name.endswith("pcp") else "vid"] = str(number & 0xFFF)
        return
    if place == "tunnel":
        actions.tunnel[member] = value
        return
    _end_of_sets(actions)
    shown = _shown(name, place, member, value)
    actions.done.append(f"set({place}({member}={shown}))" if member else f"set({place}({shown}))")


def _place_of(flow: Translated, places: list[str], name: str) -> str:
    """Return the place of a field in packets of the flow; raise `NoCounterpart`."""
    headers = [*NETWORK.get(flow.eth_type, ()), *TRANSPORT.get((flow.eth_type, flow.proto), ())]
    there = {name_of(number) for number in headers}
    if len(places) > 1 or places[0].partition(".")[0] in {name_of(n) for ns in NETWORK.values() for n in ns}:
        places = [place for place in places if place.partition(".")[0] in there]
    if not places:
        raise NoCounterpart(f"to set {name} the flow must match its protocol")
    return places[0]


def _shown(name: str, place: str, member: str, value: str) -> str:
    """Return a value as a datapath's syntax has it: ``load`` gives addresses as numbers."""
    if name in _BITS_OF:
        shift = FIELDS[name].shift
        return f"{number_of(value, name) << shift:#x}/{_BITS_OF[name]:#x}"
    if value.lower().startswith("0x") or value.isdecimal():
        number = int(value, 0)
        if place == "eth":
            return str(Mac(number & (1 << 48) - 1))
        if place == "ipv4" and member in ("src", "dst"):
            return str(IPv4Address(number & 0xFFFFFFFF))
    return value


def _end_of_sets(actions: _Actions) -> None:
    if actions.tag:
        tag = {"vid": "0", "pcp": "0"} | actions.tag
        actions.tag.clear()
        if actions.flow.is_tagged and "pop_vlan" not in actions.done:
            actions.done.append("pop_vlan")
        actions.done.append(f"push_vlan(vid={tag['vid']},pcp={tag['pcp']})")
    _end_of_tunnel(actions)


def _end_of_tunnel(actions: _Actions) -> None:
    if not actions.tunnel:
        return
    tunnel = dict(actions.tunnel)
    actions.tunnel.clear()
    if "dst" not in tunnel and "ipv6_dst" not in tunnel:
        raise NoCounterpart("a datapath's tunnel has its destination in the flow: set(tunnel(dst=192.0.2.1,ttl=64))")
    flags = "df|key" if "tun_id" in tunnel else "df"
    text = ",".join(f"{name}={value}" for name, value in ({"ttl": "64"} | tunnel).items())
    actions.done.append(f"set(tunnel({text},flags({flags})))")


# Actions of their own


def _output(actions: _Actions, value: str) -> list[str]:
    port = next((one.value or one.text for one in items_of(value) if one.name != "max_len"), value)
    if port.upper() in _NONE:
        raise NoCounterpart(_NONE[port.upper()])
    if port.upper() == "IN_PORT":
        return _to_in_port(actions, "")
    if _REGISTER.fullmatch(port) or re.match(r"reg\d", port):
        raise NoCounterpart(f"{port} is no field of a datapath's flow")
    return [port_of(port.strip('"'))]


def _to_in_port(actions: _Actions, value: str) -> list[str]:
    if actions.flow.in_port is None:
        raise NoCounterpart("IN_PORT is the port that the flow must match then")
    return [actions.flow.in_port]


def _dec_ttl(actions: _Actions, value: str) -> list[str]:
    return [f"dec_ttl({value})" if value.startswith("le_1") else "dec_ttl(le_1(drop))"]


def _ct(actions: _Actions, value: str) -> list[str]:
    """Return ``ct`` and, for its table, the look-up that follows it."""
    parts: list[str] = []
    behind: list[str] = []
    for one in items_of(value):
        match one.name:
            case "table":
                behind = [f"recirc({number_of(one.value or '', 'a table'):#x})"]
            case "force":
                parts = ["force_commit" if part == "commit" else part for part in parts]
            case "alg":
                parts.append(f"helper={one.value}")
            case "exec":
                parts += [_of_connection(inner) for inner in items_of(one.arguments or "")]
            case "zone" if not (one.value or "").isdecimal():
                parts.append(f"zone={number_of(one.value or '', 'a zone')}")
            case _:
                parts.append(one.text)
    return [f"ct({','.join(parts)})" if parts else "ct", *behind]


def _of_connection(item: Item) -> str:
    amount, _, target = (item.value or item.arguments or "").partition("->")
    name = _field_named(target)
    if name not in _CT_MARKS:
        raise NoCounterpart(f"ct(...) sets mark and label alone, not {name}")
    return f"{_CT_MARKS[name]}={amount}"


def _clone(actions: _Actions, value: str) -> list[str]:
    inner = translate_actions(value, actions.flow)
    return [f"clone({inner})"]


def _enqueue(actions: _Actions, value: str) -> list[str]:
    port, _, queue = value.replace(",", ":").partition(":")
    return [*_set_queue(actions, queue), port_of(port)]


def _set_queue(actions: _Actions, value: str) -> list[str]:
    return [f"set(skb_priority({(1 << 16) + number_of(value, 'a queue') + 1:#x}))"]


def _push_mpls(actions: _Actions, value: str) -> list[str]:
    if "label" in value:
        return [f"push_mpls({value})"]
    return [f"push_mpls(label=0,tc=0,ttl=64,bos=1,eth_type={value})"]


_TAKERS: dict[str, Callable[[_Actions, str], list[str]]] = {
    "output": _output,
    "drop": lambda actions, value: [],
    "strip_vlan": lambda actions, value: ["pop_vlan"],
    "IN_PORT": _to_in_port,
    "in_port": _to_in_port,
    "dec_ttl": _dec_ttl,
    "ct": _ct,
    "clone": _clone,
    "meter": lambda actions, value: [f"meter({value})"],
    "enqueue": _enqueue,
    "set_queue": _set_queue,
    "push_mpls": _push_mpls,
    "pop_mpls": lambda actions, value: [f"pop_mpls({value if '=' in value else f'eth_type={value}'})"],
}
_WITH_ARGUMENTS = frozenset({"output", "dec_ttl", "ct", "clone", "meter", "enqueue", "push_mpls", "pop_mpls"})
"""Those that may have them in parentheses."""


def is_openflow_alone(text: str) -> bool:
    """Tell whether something in a list of actions is of OpenFlow's syntax, and not of a datapath's."""
    return any(_is_openflow(item) for item in items_of(text))


def _is_openflow(item: Item) -> bool:
    name = item.name
    if name in _SET_FIELDS or name in _NONE or name.upper() in _NONE or name in ("set_field", "load", "strip_vlan"):
        return True
    if name in ("output", "enqueue", "set_queue") or (item.is_bare and name.upper() in ("IN_PORT", "LOCAL")):
        return True
    if name in ("dec_ttl", "push_vlan", "push_mpls", "pop_mpls", "meter") and item.arguments is None:
        return name == "dec_ttl" or item.value is not None
    if name == "ct":
        return any(one.name in ("table", "alg", "exec", "force") for one in items_of(item.arguments or ""))
    return name == "clone" and is_openflow_alone(item.arguments or "")
