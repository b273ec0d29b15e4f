"""Connection tracking without its table: what is known of a packet behind ``ct(…)``, and what may not be.

Measured on Linux: a connection is ``+new`` until a reply was seen, committed or not; a packet looked up again in its
zone keeps its state; ``ct(nat)`` does nothing to a connection that is new; another zone is another connection.
"""

from __future__ import annotations

from dpif.apps.trace.packet import Connection, Packet
from dpif.odp.actions.ct import Ct
from dpif.odp.actions.nat import Nat
from dpif.odp.constants import CtState
from dpif.odp.kernel.swkey import CT_ORIG4, CT_ORIG6, bits, get, put
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6

_CT = bits("ct_state", "ct.mark", "ct.labels", "ct.orig_tp.src", "ct.orig_tp.dst", "ct_orig_proto")
_ZONE = bits("ct_zone")
_ENDS4 = bits("ipv4.addr.src", "ipv4.addr.dst", "tp.src", "tp.dst")
_ENDS6 = bits("ipv6.addr.src", "ipv6.addr.dst", "tp.src", "tp.dst")
_UNTRACKED_ICMPV6 = range(130, 138)
"""Multicast listeners and neighbours (RFC 4861): the kernel tracks no connection of them."""


def ct(packet: Packet, action: Ct, who: str) -> Packet:
    """Return the packet behind the action."""
    zone = action.zone or 0
    packet = _remember(packet)
    if not (packet.has("ct_state", CtState.TRACKED) and packet.field("ct_zone") == zone):
        packet = _look_up(packet, zone, who)
    if action.nat is not None:
        packet = _translate(packet, action.nat, zone, who)
    if (action.commit or action.force_commit) and not packet.has("ct_state", CtState.INVALID):
        for field, masked in (("ct.mark", action.mark), ("ct.labels", action.labels)):
            if masked is not None:
                packet = packet.set(put(0, field, masked.value), put(0, field, masked.mask), who)
    return _remember(packet)


def ct_clear(packet: Packet, who: str) -> Packet:
    """Return the packet that knows of no connection."""
    packet = _remember(packet)
    return packet.set(0, _CT | _ZONE, who)


def ends_set(packet: Packet) -> Packet:
    """Return the packet whose addresses or ports were set: it belongs to connections of which nothing is known."""
    return packet._replace(connections={}, untranslated=None)


def ends_of(packet: Packet) -> int:
    """Return the bits of addresses and ports."""
    return _ENDS6 if get(packet.value, "eth.type") == ETH_P_IPV6 else _ENDS4


def consistent(packet: Packet) -> Packet | None:
    """Return a packet with what its conntrack state implies; None where a connection is never in such a state."""
    state, known = get(packet.value, "ct_state"), get(packet.known, "ct_state")
    if state & CtState.NEW and state & CtState.ESTABLISHED:
        return None
    if state & CtState.INVALID and state & (CtState.NEW | CtState.ESTABLISHED | CtState.RELATED | CtState.REPLY_DIR):
        return None
    if known & CtState.TRACKED and not state & CtState.TRACKED and state:
        return None
    some = CtState.NEW | CtState.ESTABLISHED | CtState.RELATED | CtState.INVALID
    if state & CtState.TRACKED and known & some == some and not state & some:
        return None
    if state & CtState.NEW and packet.untranslated is not None:
        own = packet.untranslated
        if (own.value ^ packet.value) & own.known & packet.known:
            return None
        return packet.learn(own.value, own.known)._replace(untranslated=None)
    return packet


def _remember(packet: Packet) -> Packet:
    """Keep what is known of the connection that the packet is in now."""
    zone = packet.field("ct_zone")
    if zone is None or not packet.has("ct_state", CtState.TRACKED):
        return packet
    now = Connection(packet.value & _CT, packet.known & _CT)
    return packet._replace(connections={**packet.connections, zone: now})


def _look_up(packet: Packet, zone: int, who: str) -> Packet:
    was = None if zone in packet.translated else packet.connections.get(zone)  # another tuple, another connection
    packet = packet.set(put(0, "ct_zone", zone), _ZONE, who)
    if _is_untracked(packet):
        return packet.set(put(0, "ct_state", CtState.INVALID | CtState.TRACKED), _CT, who)
    packet = packet.forget(_CT & ~_shared(packet), who)
    if was is not None:
        return packet.set(was.value, was.known, who)
    return packet.set(put(0, "ct_state", CtState.TRACKED), put(0, "ct_state", CtState.TRACKED), who)


def _shared(packet: Packet) -> int:
    """The tuple's addresses share their bits with those of other protocols, of whose packets they stay."""
    return 0 if get(packet.value, "eth.type") in (ETH_P_IP, ETH_P_IPV6) else CT_ORIG4 | CT_ORIG6


def _is_untracked(packet: Packet) -> bool:
    eth_type = packet.field("eth.type")
    if eth_type not in (None, ETH_P_IP, ETH_P_IPV6):
        return True
    return (
        eth_type == ETH_P_IPV6
        and packet.field("ip.proto") == IPPROTO_ICMPV6
        and packet.field("tp.src") in _UNTRACKED_ICMPV6
    )


def _translate(packet: Packet, nat: Nat, zone: int, who: str) -> Packet:
    if packet.has("ct_state", CtState.INVALID):
        return packet
    is_new = packet.has("ct_state", CtState.NEW)
    if is_new and (nat.src or nat.dst):
        return _map(packet, nat, who)._replace(translated=packet.translated | {zone})
    if is_new or zone in packet.translated:
        return packet
    ends = ends_of(packet)
    own = Connection(packet.value & ends, packet.known & ends)
    unknown = put(0, "ct_state", CtState.SRC_NAT | CtState.DST_NAT)
    return packet.forget(ends | unknown, who)._replace(translated=packet.translated | {zone}, untranslated=own)


def _map(packet: Packet, nat: Nat, who: str) -> Packet:
    """Translate a new connection: what a range leaves open is not known."""
    end = "src" if nat.src else "dst"
    flag = CtState.SRC_NAT if nat.src else CtState.DST_NAT
    packet = packet.set(put(0, "ct_state", flag), put(0, "ct_state", flag), who)
    if nat.ip_min is not None:
        address = f"ipv{nat.ip_min.version}.addr.{end}"
        if nat.ip_max in (None, nat.ip_min):
            packet = packet.set(put(0, address, int(nat.ip_min)), bits(address), who)
        else:
            packet = packet.forget(bits(address), who)
    if nat.proto_min:
        port = f"tp.{end}"
        if nat.proto_max in (None, 0, nat.proto_min):
            packet = packet.set(put(0, port, nat.proto_min), bits(port), who)
        else:
            packet = packet.forget(bits(port), who)
    return packet
