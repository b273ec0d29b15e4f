"""The link layer of a packet, and the ways to ask for a packet's key."""

from __future__ import annotations

from struct import Struct

from dpif.odp.constants import ETH_P_802_3_MIN, VLAN_CFI, KeyAttr
from dpif.odp.extraction.ipv6 import is_nd
from dpif.odp.extraction.network import NETWORK_BITS
from dpif.odp.kernel.emit import to_key
from dpif.odp.kernel.match import metadata, tunnel_bits
from dpif.odp.kernel.rules import NEWEST, Features, RuleBroken
from dpif.odp.kernel.swkey import FIELDS, MAC_PROTO_ETHERNET, MAC_PROTO_NONE, METADATA, get
from dpif.odp.model.key import FlowKey
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import ETH_P_802_2, ETH_P_IP, ETH_P_IPV6, VLAN_ETHERTYPES

_U16 = Struct("!H")
_U16_U16 = Struct("!HH")
_LLC_SNAP = Struct("!2sx3sH")
_ETH_ADDRESSES = 12
_ETH_HLEN = 14
_VLAN_HLEN = 4
_SNAP = b"\xaa\xaa"

_ETH_SRC = FIELDS["eth.src"].shift  # the destination is just above it, as in a packet
_ETH_TYPE = FIELDS["eth.type"].shift
_VLAN_TCI = FIELDS["eth.vlan.tci"].shift  # the TPID is just above it
_CVLAN_TCI = FIELDS["eth.cvlan.tci"].shift
_MAC_PROTO = FIELDS["mac_proto"].shift


def extract(
    packet: bytes,
    in_port: int,
    *,
    eth_type: int | None = None,
    skb_priority: int = 0,
    skb_mark: int = 0,
    recirc_id: int = 0,
    dp_hash: int = 0,
    ct_state: int = 0,
    ct_zone: int = 0,
    ct_mark: int = 0,
    ct_labels: int = 0,
    tunnel: Tunnel | None = None,
    features: Features = NEWEST,
) -> FlowKey:
    """Return the key that an upcall for `packet` carries.

    `packet` starts with its Ethernet header, or, when `eth_type` is given, with the network header of that type.
    The other arguments are what a packet brings along outside its bytes. Raise `RuleBroken` where the kernel
    would drop the packet without an upcall.
    """
    flat = 0
    for name, value in (
        ("mac_proto", MAC_PROTO_ETHERNET if eth_type is None else MAC_PROTO_NONE),
        ("eth.type", eth_type or 0),
        ("phy.in_port", in_port),
        ("phy.priority", skb_priority),
        ("phy.skb_mark", skb_mark),
        ("recirc_id", recirc_id),
        ("ovs_flow_hash", dp_hash),
        ("ct_state", ct_state),
        ("ct_zone", ct_zone),
        ("ct.mark", ct_mark),
        ("ct.labels", ct_labels),
    ):
        shift, width = FIELDS[name]
        if value >> width:
            raise RuleBroken("out-of-range", f"{name} has {width} bits, too few for {value}")
        flat |= value << shift
    if tunnel is not None:
        flat |= tunnel_bits(tunnel)
    return to_key(extract_flat(packet, flat, features), features)


def extract_for(packet: bytes, key: FlowKey, features: Features = NEWEST) -> int:
    """Return the flat key of a packet that user space sends, with the metadata in `key`.

    The model is ovs_flow_key_extract_userspace: attributes of `key` that are not metadata are passed over. Raise
    `RuleBroken` when the metadata is not valid, or its conntrack tuple does not fit the packet.
    """
    flat = extract_flat(packet, metadata(key, features), features)
    eth_type = get(flat, "eth.type")
    if key.get_kept(KeyAttr.CT_ORIG_TUPLE_IPV4) is not None and eth_type != ETH_P_IP:
        raise RuleBroken("ct-tuple", "ct_tuple4(...) goes with IPv4 packets only; leave it out")
    if key.get_kept(KeyAttr.CT_ORIG_TUPLE_IPV6) is not None and (eth_type != ETH_P_IPV6 or is_nd(flat)):
        raise RuleBroken(
            "ct-tuple", "ct_tuple6(...) goes with IPv6 packets only, neighbour discovery apart; leave it out"
        )
    return flat


def extract_flat(packet: bytes, metadata: int, features: Features = NEWEST) -> int:
    """Return the flat key of `packet`: of `metadata` the bits that do not come from a packet, the rest read.

    ``mac_proto`` in `metadata` says whether the packet starts with an Ethernet header; if not, its ``eth.type``
    says what it starts with. Raise `RuleBroken` where the kernel refuses the packet.
    """
    flat = metadata & METADATA
    at = 0
    if metadata >> _MAC_PROTO & 0xFF == MAC_PROTO_ETHERNET:
        if len(packet) < _ETH_HLEN:
            raise RuleBroken(
                "short-packet", f"a packet of {len(packet)} bytes has no Ethernet header; pad it to {_ETH_HLEN}"
            )
        tags, at = _vlans(packet)
        eth_type, at = _ethertype(packet, at)
        flat |= int.from_bytes(packet[:_ETH_ADDRESSES], "big") << _ETH_SRC | tags
    else:
        eth_type = metadata >> _ETH_TYPE & 0xFFFF
        if eth_type in VLAN_ETHERTYPES:
            raise RuleBroken("vlan-without-ethernet", "a packet without an Ethernet header has no VLAN tag")
    flat |= eth_type << _ETH_TYPE
    network = NETWORK_BITS.get(eth_type)
    return flat | network(packet, at, metadata, features) if network else flat


def _vlans(packet: bytes) -> tuple[int, int]:
    """Return the bits of up to two VLAN tags, and where the EtherType behind them stands."""
    bits = 0
    at = _ETH_ADDRESSES
    for shift in (_VLAN_TCI, _CVLAN_TCI):
        if len(packet) < at + _VLAN_HLEN + _U16.size:
            break
        tpid, tci = _U16_U16.unpack_from(packet, at)
        if tpid not in VLAN_ETHERTYPES:
            break
        bits |= (tpid << 16 | tci | VLAN_CFI) << shift
        at += _VLAN_HLEN
    return bits, at


def _ethertype(packet: bytes, at: int) -> tuple[int, int]:
    """Return the EtherType at `at`, or the one in an LLC/SNAP header there, and where what it announces starts."""
    (eth_type,) = _U16.unpack_from(packet, at)
    at += _U16.size
    if eth_type >= ETH_P_802_3_MIN:
        return eth_type, at
    if len(packet) < at + _LLC_SNAP.size:
        return ETH_P_802_2, at
    saps, oui, eth_type = _LLC_SNAP.unpack_from(packet, at)
    if saps != _SNAP or any(oui) or eth_type < ETH_P_802_3_MIN:
        return ETH_P_802_2, at
    return eth_type, at + _LLC_SNAP.size
