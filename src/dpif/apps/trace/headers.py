"""The actions that change headers, on what is known of a packet."""

from __future__ import annotations

from dpif.apps.trace.connections import ends_of, ends_set
from dpif.apps.trace.packet import Packet
from dpif.odp.actions import Action, AddMpls, PopMpls, PushEth, PushMpls, PushVlan, Set, SetMasked
from dpif.odp.constants import VLAN_CFI, KeyAttr
from dpif.odp.kernel.places import PLACES
from dpif.odp.kernel.swkey import (
    AF_INET,
    FIELDS,
    MAC_PROTO_ETHERNET,
    MAC_PROTO_NONE,
    METADATA,
    TUNNEL,
    bits,
    get,
    put,
)
from dpif.packet.constants import ETH_P_IP, MPLS_ETHERTYPES

_VLAN = bits("eth.vlan.tpid", "eth.vlan.tci")
_CVLAN = bits("eth.cvlan.tpid", "eth.cvlan.tci")
_BETWEEN = FIELDS["eth.vlan.tci"].shift - FIELDS["eth.cvlan.tci"].shift
_INSIDE = bits(*(name for name in FIELDS if name.startswith(("ip", "mpls.", "nsh.", "tp."))))
_NEVER_SET = bits("ip.proto", "ip.frag")
_LSE_BITS = 32


def set_(packet: Packet, action: Set | SetMasked, who: str) -> Packet:
    """A header's fields or a mark; a tunnel is where the packet will be sent, and no part of its key."""
    ((number, kept),) = action.key.kept()
    if number == KeyAttr.TUNNEL:
        return packet._replace(tunnel=kept)
    place = PLACES.get(number)
    if place is None:
        return other_header(packet, action, who)
    mask_key = action.mask if isinstance(action, SetMasked) else action.key.full_mask()
    mask = place.flat(mask_key.get_kept(number)) & ~_NEVER_SET
    after = packet.set(place.flat(kept) & mask, mask, who)
    ends = ends_of(packet)
    is_other = (packet.value ^ after.value) & ends or (packet.known ^ after.known) & ends
    return ends_set(after) if is_other else after


def push_vlan(packet: Packet, action: PushVlan, who: str) -> Packet:
    """A tag that is there becomes the inner one."""
    tag = packet.value & _VLAN, packet.known & _VLAN
    packet = packet.set(tag[0] >> _BETWEEN, _CVLAN, who)._replace(known=packet.known & ~_CVLAN | tag[1] >> _BETWEEN)
    tci = put(0, "eth.vlan.tci", action.pcp << 13 | VLAN_CFI | action.vid)
    return packet.set(tci | put(0, "eth.vlan.tpid", action.tpid), _VLAN, who)


def pop_vlan(packet: Packet, action: Action, who: str) -> Packet:
    """The inner tag, if any, becomes the outer one."""
    value, known = (packet.value & _CVLAN) << _BETWEEN, (packet.known & _CVLAN) << _BETWEEN
    packet = packet.forget(_VLAN, who).learn(value & known, known)
    return packet.set(0, _CVLAN, who)


def push_mpls(packet: Packet, action: PushMpls | AddMpls, who: str) -> Packet:
    """What was the network header is not looked at any more."""
    label = int.from_bytes(action.payload()[:4], "big")
    packet = packet.forget(_INSIDE, who)
    packet = packet.set(put(0, "eth.type", action.eth_type), bits("eth.type"), who)
    return packet.set(put(0, "mpls.lse0", label), bits("mpls.lse0"), who)


def pop_mpls(packet: Packet, action: PopMpls, who: str) -> Packet:
    """What is within is not known but for further labels."""
    stack = get(packet.value, "mpls.lse") << _LSE_BITS, get(packet.known, "mpls.lse") << _LSE_BITS
    packet = packet.forget(_INSIDE, who).learn(0, bits("ip.frag"))
    packet = packet.set(put(0, "eth.type", action.eth_type), bits("eth.type"), who)
    if action.eth_type not in MPLS_ETHERTYPES:
        return packet
    return packet.learn(put(0, "mpls.lse", stack[0]), put(0, "mpls.lse", stack[1]))


def push_eth(packet: Packet, action: PushEth, who: str) -> Packet:
    """The packet gets an Ethernet header."""
    ends = put(0, "eth.src", int(action.src)) | put(0, "eth.dst", int(action.dst))
    packet = packet.set(ends, bits("eth.src", "eth.dst"), who)
    return packet.set(put(0, "mac_proto", MAC_PROTO_ETHERNET), bits("mac_proto"), who)


def pop_eth(packet: Packet, action: Action, who: str) -> Packet:
    """The packet starts with its network header then."""
    return packet.set(put(0, "mac_proto", MAC_PROTO_NONE), bits("mac_proto"), who)


def other_header(packet: Packet, action: Action, who: str) -> Packet:
    """NSH comes or goes, or changes: headers are not followed through it."""
    return packet.forget(_INSIDE | bits("eth.type", "eth.src", "eth.dst", "mac_proto"), who)


def inner(packet: Packet, port: int, who: str) -> Packet:
    """Return the packet that a tunnel's port takes out of this one: of it no more is known than where it was."""
    outer = packet
    kept = packet.known & METADATA & ~TUNNEL
    packet = packet._replace(value=packet.value & kept, known=kept)
    packet = packet.set(put(0, "phy.in_port", port), bits("phy.in_port"), who)
    packet = packet.learn(0, bits("ip.frag", "eth.vlan.tci", "eth.cvlan.tci"))
    packet = packet.forget(bits("mac_proto"), who)
    if outer.field("eth.type") == ETH_P_IP:
        for end in ("src", "dst"):
            address = outer.field(f"ipv4.addr.{end}")
            if address is not None:
                packet = packet.set(put(0, f"tun.ipv4.{end}", address), bits(f"tun.ipv4.{end}"), who)
        packet = packet.set(put(0, "tun_proto", AF_INET), bits("tun_proto"), who)
    return packet
