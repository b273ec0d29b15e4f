"""The actions that change a packet, each made into a step: a function of the `Frame` that it changes.

A step changes the bytes by `dpif.packet.edit` and, just as the kernel does (net/openvswitch/actions.c), either
the same fields of the key, or, where headers come and go, it declares the key stale. What can be worked out from
the action alone is worked out when the step is made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from errno import EINVAL
from functools import partial

from dpif._typing import Any, Final, NamedTuple
from dpif.odp.actions import AddMpls, PopMpls, PushEth, PushMpls, PushVlan, Set, SetMasked
from dpif.odp.constants import VLAN_CFI, KeyAttr, TunnelKeyAttr
from dpif.odp.kernel.match_tunnel import tunnel_bits
from dpif.odp.kernel.places import PLACES
from dpif.odp.kernel.swkey import FIELDS, MAC_PROTO_ETHERNET, TUNNEL_CRIT_OPT, bits, get, put
from dpif.odp.model.layers import Mpls
from dpif.odp.model.tunnel import Tunnel
from dpif.packet import edit
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, ETH_P_TEB
from dpif.packet.layout import Layout
from dpif.userspace.engine.frame import Frame
from dpif.userspace.engine.processor import ActionError, Step

_L3_TUNNEL: Final = 1
"""``OVS_MPLS_L3_TUNNEL_FLAG_MASK``: the label goes between the Ethernet header and the network header."""
_GENEVE_CRITICAL: Final = 0x80
"""Of a geneve option's type."""
_VLAN_BITS: Final = bits("eth.vlan.tpid", "eth.vlan.tci")
_TAG: Final = struct.Struct("!HH")
_PUSH_MPLS: Final = struct.Struct("!IH2x")
_TTL_OFFSETS: Final[Mapping[int, int]] = {ETH_P_IP: 8, ETH_P_IPV6: 7}


class _Header(NamedTuple):
    """How a header's attribute is set.

    ``change`` is the function of `dpif.packet.edit`, ``arguments`` maps the fields of the attribute's structure
    that can be set to its arguments, ``fields`` are those fields in the flat key.
    """

    change: Callable[..., None]
    arguments: Mapping[str, str]
    fields: tuple[str, ...]


def _set_ethernet(packet: bytearray, layout: Layout, **fields: edit.Bits) -> None:
    edit.set_ethernet(packet, **fields)


_ENDS: Final = {"src": "src", "dst": "dst"}
_PORTS: Final = ("tp.src", "tp.dst")
_ENDS_OF_FLOWS: Final = bits("ipv4.addr.src", "ipv4.addr.dst", "ipv6.addr.src", "ipv6.addr.dst", *_PORTS)
_HEADERS: Final[Mapping[int, _Header]] = {
    KeyAttr.ETHERNET: _Header(_set_ethernet, _ENDS, ("eth.src", "eth.dst")),
    KeyAttr.IPV4: _Header(
        edit.set_ipv4, {**_ENDS, "tos": "tos", "ttl": "ttl"}, ("ipv4.addr.src", "ipv4.addr.dst", "ip.tos", "ip.ttl")
    ),
    KeyAttr.IPV6: _Header(
        edit.set_ipv6,
        {**_ENDS, "label": "label", "tclass": "traffic_class", "hlimit": "hop_limit"},
        ("ipv6.addr.src", "ipv6.addr.dst", "ipv6.label", "ip.tos", "ip.ttl"),
    ),
    KeyAttr.TCP: _Header(edit.set_tcp, _ENDS, _PORTS),
    KeyAttr.UDP: _Header(edit.set_udp, _ENDS, _PORTS),
    KeyAttr.SCTP: _Header(edit.set_sctp, _ENDS, _PORTS),
}
_MARKS: Final = frozenset({KeyAttr.PRIORITY, KeyAttr.SKB_MARK})


def make_set(action: Set | SetMasked) -> Step:
    """Make the step of a set action.

    Of the attributes that `dpif.odp.kernel.check_set` lets through ``ct_mark`` and ``ct_label`` are left: the kernel
    takes an action that sets them, and cannot carry it out.
    """
    ((number, value),) = action.key.kept()
    if number == KeyAttr.TUNNEL:
        return _make_set_tunnel(value)
    mask_nest = action.mask if isinstance(action, SetMasked) else action.key.full_mask()
    mask = mask_nest.get_kept(number)
    if number in _HEADERS:
        return _make_set_header(_HEADERS[number], number, value, mask)
    if number in _MARKS:
        return _make_set_mark(number, value, mask)
    if number == KeyAttr.MPLS:
        return _make_set_mpls(value[0], mask[0])
    return _fail


def _fail(frame: Frame) -> None:
    raise ActionError(EINVAL)


def _make_set_header(header: _Header, number: int, value: Any, mask: Any) -> Step:
    raw = {field.name: (value.raw[field.index], mask.raw[field.index]) for field in value.FIELDS}
    change = partial(header.change, **{argument: raw[name] for name, argument in header.arguments.items()})
    chosen = PLACES[number].flat(mask) & bits(*header.fields)
    keep, new = ~chosen, PLACES[number].flat(value) & chosen
    ends = chosen & _ENDS_OF_FLOWS
    has_ports = header.fields == _PORTS

    def set_header(frame: Frame) -> None:
        change(frame.writable(), frame.layout)
        is_other_flow = frame.key & ends != new & ends
        if is_other_flow:
            frame.tracked = None
        if is_other_flow or has_ports:
            frame.hash = 0
        frame.key = frame.key & keep | new

    return set_header


def _make_set_tunnel(value: Tunnel) -> Step:
    """What a packet is sent with is apart from what it came with, which stays in its key."""
    tunnel = tunnel_bits(value)
    if _has_critical_option(value):
        tunnel |= put(0, "tun.flags", TUNNEL_CRIT_OPT)

    def set_tunnel(frame: Frame) -> None:
        frame.tunnel = tunnel

    return set_tunnel


def _has_critical_option(value: Tunnel) -> bool:
    """Tell whether there is a geneve option that who does not know it must not pass over."""
    number = TunnelKeyAttr.GENEVE_OPTS
    kept = value.get_kept(number)
    options = b"" if kept is None else Tunnel.type_of(number).encode(kept)
    at = 0
    while at < len(options):
        if options[at + 2] & _GENEVE_CRITICAL:
            return True
        at += 4 + 4 * (options[at + 3] & 0x1F)
    return False


def _make_set_mark(number: int, value: int, mask: int) -> Step:
    chosen = PLACES[number].flat(mask)
    keep, new = ~chosen, PLACES[number].flat(value) & chosen

    def set_mark(frame: Frame) -> None:
        frame.key = frame.key & keep | new

    return set_mark


def _make_set_mpls(value: Mpls, mask: Mpls) -> Step:
    entry, chosen = int.from_bytes(value.to_bytes()), int.from_bytes(mask.to_bytes())
    shift = FIELDS["mpls.lse0"].shift
    keep, new = ~(chosen << shift), (entry & chosen) << shift

    def set_mpls(frame: Frame) -> None:
        edit.set_mpls(frame.writable(), frame.layout, (entry, chosen))
        frame.key = frame.key & keep | new

    return set_mpls


def make_push_vlan(action: PushVlan) -> Step:
    """Make the step that pushes a VLAN tag. The bit that says "there is a tag" in a key is not sent."""
    tpid, tci = _TAG.unpack(action.payload())
    new = put(put(0, "eth.vlan.tpid", tpid), "eth.vlan.tci", tci)

    def push_vlan(frame: Frame) -> None:
        if frame.has_vlan:
            frame.stale = True
        else:
            frame.key = frame.key & ~_VLAN_BITS | new
        edit.push_vlan(frame.writable(), tci & ~VLAN_CFI, tpid)
        frame.moved()

    return push_vlan


def pop_vlan(frame: Frame) -> None:
    """Take the outermost VLAN tag off."""
    edit.pop_vlan(frame.writable())
    frame.moved()
    if frame.has_vlan:
        frame.stale = True
    else:
        frame.key &= ~_VLAN_BITS


def make_push_mpls(action: PushMpls) -> Step:
    """Make the step that pushes an MPLS label stack entry."""
    entry, ethertype = _PUSH_MPLS.unpack(action.payload())

    def push_mpls(frame: Frame) -> None:
        edit.push_mpls(frame.writable(), frame.layout, entry, ethertype)
        _change_ethertype(frame, ethertype)

    return push_mpls


def make_add_mpls(action: AddMpls) -> Step:
    """Make the step that pushes an MPLS entry, before the Ethernet header unless ``tun_flags`` says otherwise."""
    entry, ethertype = _PUSH_MPLS.unpack(action.payload())
    is_behind_ethernet = bool(action.tun_flags & _L3_TUNNEL)

    def add_mpls(frame: Frame) -> None:
        if is_behind_ethernet:
            edit.push_mpls(frame.writable(), frame.layout, entry, ethertype)
        else:
            frame.writable()[:0] = entry.to_bytes(4)
            frame.key = put(frame.key, "mac_proto", 0)
            frame.is_ethernet = False
        _change_ethertype(frame, ethertype)

    return add_mpls


def make_pop_mpls(action: PopMpls) -> Step:
    """Make the step that takes an MPLS label stack entry off; what it was on may be an Ethernet header."""
    ethertype = action.eth_type

    def pop_mpls(frame: Frame) -> None:
        edit.pop_mpls(frame.writable(), frame.layout, ethertype)
        if ethertype == ETH_P_TEB:
            frame.key = put(frame.key, "mac_proto", MAC_PROTO_ETHERNET)
            frame.is_ethernet = True
        _change_ethertype(frame, ethertype)

    return pop_mpls


def _change_ethertype(frame: Frame, ethertype: int) -> None:
    """Take note of a new network header; without an Ethernet header only the key tells its type."""
    if not frame.is_ethernet:
        frame.key = put(frame.key, "eth.type", ethertype)
    frame.stale = True
    frame.moved()


def make_push_eth(action: PushEth) -> Step:
    """Make the step that gives a packet an Ethernet header."""
    src, dst = action.src, action.dst

    def push_eth(frame: Frame) -> None:
        edit.push_ethernet(frame.writable(), src, dst, get(frame.key, "eth.type"))
        frame.key = put(frame.key, "mac_proto", MAC_PROTO_ETHERNET)
        frame.is_ethernet = frame.stale = True
        frame.moved()

    return push_eth


def pop_eth(frame: Frame) -> None:
    """Take the Ethernet header off."""
    edit.pop_ethernet(frame.writable())
    frame.key = put(frame.key, "mac_proto", 0)
    frame.is_ethernet = False
    frame.stale = True
    frame.moved()


def dec_ttl(frame: Frame) -> bool:
    """Take one off the TTL or hop limit; False when there is none left to take."""
    layout, packet = frame.layout, frame.writable()
    if not edit.dec_ttl(packet, layout):
        return False
    at = _TTL_OFFSETS.get(layout.ethertype)
    if at is not None:
        frame.key = put(frame.key, "ip.ttl", packet[layout.l3 + at])
    return True
