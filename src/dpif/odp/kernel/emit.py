"""From the flat key to attributes, in the order and with the quirks of the kernel.

The model is ovs_nla_put_key (net/openvswitch/flow_netlink.c) with what it calls. A mask is shown with the
attributes that its key has, so that both can be read side by side.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from dpif._typing import Any
from dpif.odp.constants import DP_MAX_PORTS, FragType, KeyAttr, NshKeyAttr, TunnelKeyAttr, VxlanExt
from dpif.odp.kernel.places import CVLAN_PLACE, PLACES, VLAN_PLACE, Place
from dpif.odp.kernel.protocols import ND_TYPES, NETWORK, TRANSPORT
from dpif.odp.kernel.rules import NEWEST, Features
from dpif.odp.kernel.swkey import (
    AF_INET,
    AF_INET6,
    FIELDS,
    MAC_PROTO_ETHERNET,
    NSH_MD_TYPE1,
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    TUNNEL_KEY,
    TUNNEL_OAM,
    TUNNEL_OPTIONS,
    get,
)
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.nsh import Nsh
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import ETH_P_802_2, ETH_P_IP, ETH_P_IPV6, ETH_P_NSH, IPPROTO_ICMPV6, VLAN_ETHERTYPES


def to_key(flat: int, features: Features = NEWEST) -> FlowKey:
    """Return the key as the kernel's attributes, in its order."""
    return FlowKey.of_kept(_attributes(flat, flat, False, features))


def mask_to_key(key: int, mask: int, features: Features = NEWEST) -> FlowMask:
    """Return `mask` as the kernel's attributes; which ones there are depends on the masked `key`."""
    return FlowMask.of_kept(_attributes(key, mask, True, features))


def to_tunnel(flat: int) -> Tunnel:
    """Return the tunnel fields of a flat key as the kernel's attributes, in its order."""
    return _tunnel(flat, flat)


def _attributes(key: int, output: int, is_mask: bool, features: Features) -> dict[int, Any]:
    """Return numbers and kept values; `key` decides which, `output` gives the values."""
    kept: dict[int, Any] = {}
    _take(kept, output, (KeyAttr.RECIRC_ID, KeyAttr.DP_HASH, KeyAttr.PRIORITY))
    if is_mask or get(key, "tun_proto"):
        kept[KeyAttr.TUNNEL] = _tunnel(key, output)
    _put_in_port(kept, key, output, is_mask)
    _take(kept, output, (KeyAttr.SKB_MARK,))
    _put_conntrack(kept, key, output, features)
    eth_type = get(key, "eth.type")
    if get(key, "mac_proto") != MAC_PROTO_ETHERNET:
        _take(kept, output, (KeyAttr.ETHERTYPE,))
        _put_network(kept, key, output, is_mask)
        return kept
    _take(kept, output, (KeyAttr.ETHERNET,))
    inner: dict[int, Any] | None = kept
    for tag, place in (("eth.vlan", VLAN_PLACE), ("eth.cvlan", CVLAN_PLACE)):
        present = get(key, f"{tag}.tci")
        if inner is not None and (present or eth_type in VLAN_ETHERTYPES):
            inner = _put_vlan(inner, output, tag, place, is_mask, bool(present))
        else:
            break
    if inner is not None:
        _put_ethertype(inner, eth_type, key, output, is_mask)
    return kept


def _take(kept: dict[int, Any], flat: int, numbers: Iterable[int]) -> None:
    for number in numbers:
        kept[number] = PLACES[number].kept(flat)


def _put_in_port(kept: dict[int, Any], key: int, output: int, is_mask: bool) -> None:
    """A key without a port has no attribute; a mask of 16 bits is shown with the upper 16 set as well."""
    port = get(output, "phy.in_port")
    if get(key, "phy.in_port") != DP_MAX_PORTS or (is_mask and port == 0xFFFF):
        kept[KeyAttr.IN_PORT] = port | 0xFFFF0000 if is_mask else port


def _put_conntrack(kept: dict[int, Any], key: int, output: int, features: Features) -> None:
    _take(kept, output, (KeyAttr.CT_STATE,))
    if features.ct_zones:
        _take(kept, output, (KeyAttr.CT_ZONE,))
    _take(kept, output, (KeyAttr.CT_MARK, KeyAttr.CT_LABELS))
    if get(key, "ct_orig_proto"):
        eth_type = get(key, "eth.type")
        if eth_type == ETH_P_IP:
            _take(kept, output, (KeyAttr.CT_ORIG_TUPLE_IPV4,))
        elif eth_type == ETH_P_IPV6:
            _take(kept, output, (KeyAttr.CT_ORIG_TUPLE_IPV6,))


def _put_vlan(
    kept: dict[int, Any], output: int, tag: str, place: Place, is_mask: bool, present: bool
) -> dict[int, Any] | None:
    """Put a tag; return the attributes inside it, None when it is cut off and has none."""
    kept[KeyAttr.ETHERTYPE] = 0xFFFF if is_mask else get(output, f"{tag}.tpid")
    kept[KeyAttr.VLAN] = place.kept(output)
    inner: dict[int, Any] = {}
    kept[KeyAttr.ENCAP] = FlowKey.of_kept(inner)
    return inner if present else None


def _put_ethertype(kept: dict[int, Any], eth_type: int, key: int, output: int, is_mask: bool) -> None:
    """Put the EtherType and what it announces. An 802.2 frame has none in its key, yet one in its mask."""
    if eth_type == ETH_P_802_2:
        if is_mask and get(output, "eth.type"):
            _take(kept, output, (KeyAttr.ETHERTYPE,))
        return
    _take(kept, output, (KeyAttr.ETHERTYPE,))
    if eth_type not in VLAN_ETHERTYPES:
        _put_network(kept, key, output, is_mask)


def _put_network(kept: dict[int, Any], key: int, output: int, is_mask: bool) -> None:
    eth_type = get(key, "eth.type")
    if eth_type == ETH_P_NSH:
        kept[KeyAttr.NSH] = _nsh(output, is_mask)
        return
    _take(kept, output, NETWORK.get(eth_type, ()))
    if eth_type == ETH_P_IPV6:
        _take(kept, output, (KeyAttr.IPV6_EXTHDRS,))
    if get(key, "ip.frag") == FragType.LATER:
        return
    proto = get(key, "ip.proto")
    _take(kept, output, TRANSPORT.get((eth_type, proto), ()))
    if eth_type == ETH_P_IPV6 and proto == IPPROTO_ICMPV6 and get(key, "tp.src") in ND_TYPES:
        _take(kept, output, (KeyAttr.ND,))


_NSH_BASE = struct.Struct("!BBBBI")


def _nsh(output: int, is_mask: bool) -> Nsh:
    """Return the NSH nest; metadata of type 2 has no attribute."""
    mdtype = get(output, "nsh.mdtype")
    base = _NSH_BASE.pack(
        get(output, "nsh.flags"), get(output, "nsh.ttl"), mdtype, get(output, "nsh.np"), get(output, "nsh.path_hdr")
    )
    payloads = {NshKeyAttr.BASE: base}
    if is_mask or mdtype == NSH_MD_TYPE1:
        payloads[NshKeyAttr.MD1] = get(output, "nsh.context").to_bytes(16, "big")
    return Nsh.of_kept({number: Nsh.type_of(number).decode(data) for number, data in payloads.items()})


_TUNNEL_ADDRESSES: Mapping[int, tuple[tuple[int, str], ...]] = {
    AF_INET: ((TunnelKeyAttr.IPV4_SRC, "tun.ipv4.src"), (TunnelKeyAttr.IPV4_DST, "tun.ipv4.dst")),
    AF_INET6: ((TunnelKeyAttr.IPV6_SRC, "tun.ipv6.src"), (TunnelKeyAttr.IPV6_DST, "tun.ipv6.dst")),
}


def _tunnel(key: int, output: int) -> Tunnel:
    """Return the TUNNEL nest; `key` says of which family and how long its options are."""
    kept: dict[int, Any] = {}
    flags = get(output, "tun.flags")
    if flags & TUNNEL_KEY:
        kept[TunnelKeyAttr.ID] = get(output, "tun.id")
    for number, name in _TUNNEL_ADDRESSES.get(get(key, "tun_proto"), ()):
        address = get(output, name)
        if address:
            kept[number] = address.to_bytes(16, "big") if FIELDS[name].width == 128 else address
    _put_nonzero(kept, output, TunnelKeyAttr.TOS, "tun.tos")
    kept[TunnelKeyAttr.TTL] = get(output, "tun.ttl")
    _put_flag(kept, flags & TUNNEL_DONT_FRAGMENT, TunnelKeyAttr.DONT_FRAGMENT)
    _put_flag(kept, flags & TUNNEL_CSUM, TunnelKeyAttr.CSUM)
    _put_nonzero(kept, output, TunnelKeyAttr.TP_SRC, "tun.tp_src")
    _put_nonzero(kept, output, TunnelKeyAttr.TP_DST, "tun.tp_dst")
    _put_flag(kept, flags & TUNNEL_OAM, TunnelKeyAttr.OAM)
    length = get(key, "tun_opts_len")
    for flag, number in TUNNEL_OPTIONS:
        if length and flags & flag:
            kept[number] = Tunnel.type_of(number).decode(_options(output, length, number))
    return Tunnel.of_kept(kept)


def _put_nonzero(kept: dict[int, Any], output: int, number: int, name: str) -> None:
    value = get(output, name)
    if value:
        kept[number] = value


def _put_flag(kept: dict[int, Any], is_set: int, number: int) -> None:
    if is_set:
        kept[number] = True


_GBP = struct.Struct("=HH4s")


def _options(output: int, length: int, number: int) -> bytes:
    """Return the last `length` bytes of the options, as an attribute where they are VXLAN's."""
    data = (get(output, "tun_opts") & (1 << 8 * length) - 1).to_bytes(length, "big")
    if number == TunnelKeyAttr.VXLAN_OPTS:
        return _GBP.pack(_GBP.size, VxlanExt.GBP, data[:4])
    return data
