"""Matches as bits, read leniently, and bits as text.

A dump leaves out what a datapath would insist on, so the kernel's rules for matches are not asked here: each
attribute puts its bits where they belong, and what is left out matches anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import Any
from dpif.odp.constants import KeyAttr, TunnelKeyAttr
from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.match_tunnel import Role, read_tunnel
from dpif.odp.kernel.places import CVLAN_PLACE, PLACES, VLAN_PLACE
from dpif.odp.kernel.swkey import FIELDS, MAC_PROTO_ETHERNET, MAC_PROTO_NONE, bits, get, put
from dpif.odp.model.key import FlowKey, FlowMask, format_key
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import ETH_P_802_2, ETH_P_IPV6, IPPROTO_ICMP, IPPROTO_ICMPV6

_TAG_PLACES = (("eth.vlan", VLAN_PLACE), ("eth.cvlan", CVLAN_PLACE))
_TCI = bits("eth.vlan.tci", "eth.cvlan.tci")
_IN_PORT = bits("phy.in_port")
_ADDRESSED = frozenset({KeyAttr.IN_PORT, KeyAttr.RECIRC_ID})


def flatten(key: FlowKey, mask: FlowKey) -> tuple[int, int]:
    """Return the value of a match, masked, and its mask. VLAN tags are always told: without any there is none."""
    value, matched = _packet_type(key)
    inner, inner_mask = _without(key), _without(mask)
    for name, place in _TAG_PLACES:
        tci = inner.get_kept(KeyAttr.VLAN)
        if tci is None or inner.encap is None:
            break
        value |= place.flat(tci) | put(0, f"{name}.tpid", inner.eth_type or 0)
        matched = matched & ~place.bits | put(0, f"{name}.tpid", 0xFFFF)
        tci_mask = inner_mask.get_kept(KeyAttr.VLAN)
        matched |= 0 if tci_mask is None else place.flat(tci_mask)
        outside = {number: kept for number, kept in inner.kept() if number not in _TAG}
        outside_mask = {number: kept for number, kept in inner_mask.kept() if number not in _TAG}
        inner_mask = FlowMask.of_kept({**outside_mask, **dict((inner_mask.encap or FlowMask()).kept())})
        inner = FlowKey.of_kept({**outside, **dict(inner.encap.kept())})
    for number, kept in inner.kept():
        value, matched = _add(value, matched, number, kept, inner_mask.get_kept(number))
    return value & matched, matched


_TAG = frozenset({KeyAttr.VLAN, KeyAttr.ETHERTYPE, KeyAttr.ENCAP})


def _packet_type(key: FlowKey) -> tuple[int, int]:
    """Return the bits that say whether there is an Ethernet header; only ``packet_type`` tells it for certain."""
    packet_type = key.packet_type
    if packet_type is None:
        return 0, _TCI
    proto = MAC_PROTO_NONE if packet_type.ns else MAC_PROTO_ETHERNET
    return put(0, "mac_proto", proto), _TCI | bits("mac_proto")


def _without(key: FlowKey) -> FlowKey:
    return key.replace(packet_type=None) if key.get_kept(KeyAttr.PACKET_TYPE) is not None else key


def _add(value: int, matched: int, number: int, kept: Any, mask: Any) -> tuple[int, int]:
    if mask is None and number != KeyAttr.RECIRC_ID:
        return value, matched
    if number == KeyAttr.TUNNEL:
        return _add_tunnel(value, matched, kept, mask)
    place = PLACES.get(number)
    if place is None:
        return value, matched
    if number == KeyAttr.ETHERTYPE and not kept:
        kept = ETH_P_802_2
    return value | place.flat(kept), matched | (place.bits if number in _ADDRESSED else place.flat(mask))


def _add_tunnel(value: int, matched: int, kept: Tunnel, mask: Tunnel) -> tuple[int, int]:
    value = read_tunnel(value, _with_ttl(kept), Role.KEY, 0)
    return value, read_tunnel(matched, _with_ttl(mask), Role.MASK, value)


def _with_ttl(tunnel: Tunnel) -> Tunnel:
    """A tunnel needs a TTL, which the text leaves out where it is not matched."""
    if tunnel.get_kept(TunnelKeyAttr.TTL) is not None:
        return tunnel
    return Tunnel.of_kept({**dict(tunnel.kept()), TunnelKeyAttr.TTL: 0})


def show(value: int, mask: int, names: Mapping[int, str] | None = None) -> str:
    """Return the text of those bits of a key that are set in `mask`, in the words of ``dump-flows``."""
    if not get(mask, "mac_proto"):
        value = put(value, "mac_proto", MAC_PROTO_ETHERNET)
    mask = _narrowed(value, mask)
    key = to_key(value)
    told = {number: kept for number, kept in mask_to_key(value, mask).kept() if _is_told(number, kept, mask)}
    shown = {number: kept for number, kept in key.kept() if number in told}
    return format_key(FlowKey.of_kept(shown), FlowMask.of_kept(told), port_names=names) if shown else ""


def _narrowed(value: int, mask: int) -> int:
    """Return the mask with no more bits than the text has: ICMP's types stand in wider fields, and so do labels."""
    mask = (
        put(mask, "ipv6.label", get(mask, "ipv6.label") & 0xFFFFF) if get(value, "eth.type") == ETH_P_IPV6 else mask
    )
    if get(value, "ip.proto") in (IPPROTO_ICMP, IPPROTO_ICMPV6):
        for name in ("tp.src", "tp.dst"):
            mask = put(mask, name, get(mask, name) & 0xFF)
    return mask


def _is_told(number: int, kept: Any, mask: int) -> bool:
    if number in (KeyAttr.ENCAP, KeyAttr.TUNNEL, KeyAttr.NSH):
        return bool(kept) and bool(mask & _NESTED[KeyAttr(number)])
    if number == KeyAttr.IN_PORT:
        return bool(mask & _IN_PORT)
    return any(FlowKey.type_of(number).encode(kept))


_NESTED = {
    KeyAttr.ENCAP: bits("eth.vlan.tpid", "eth.type"),
    KeyAttr.TUNNEL: bits(*(name for name in FIELDS if name.startswith("tun"))),
    KeyAttr.NSH: bits(*(name for name in FIELDS if name.startswith("nsh."))),
}


def whole(mask: int) -> int:
    """Return the bits of all fields of which some are set, flags apart."""
    fields = mask & _FLAGS
    for name in FIELDS:
        field = bits(name)
        if field & mask & ~_FLAGS:
            fields |= field
    return fields


_FLAGS = bits("ct_state", "tp.flags", "tun.flags")
