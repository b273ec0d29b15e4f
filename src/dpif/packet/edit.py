"""Changing packets in place: what a datapath's actions do to headers.

Every function works on a ``bytearray`` and, where it needs to know the headers' places, on its `Layout`. What
moves bytes (`push_vlan`, `pop_mpls`, ...) makes the layout stale: locate again. What sets fields keeps it.

A field to set is given as a pair (value, mask): the bits under the mask are replaced, the others kept; a field not
named is kept whole. Both are ints, or bytes for addresses. Checksums follow incrementally, so that a wrong one
stays wrong. The rules are those of Linux (net/openvswitch/actions.c), so that a packet leaves this datapath bit
for bit as it would leave the kernel's.

A packet that is too short for the change, or has no such header, raises `DecodeError` and is left as it was.
"""

from __future__ import annotations

from dpif._typing import TypeAlias
from dpif.errors import DecodeError
from dpif.packet.checksum import checksum, crc32c, pseudo_header_sum, update
from dpif.packet.constants import (
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_UC,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    MPLS_ETHERTYPES,
    VLAN_ETHERTYPES,
)
from dpif.packet.layout import Fragment, Layout

__all__ = [
    "KEEP",
    "Bits",
    "complete_checksum",
    "complete_checksum_at",
    "complete_sctp",
    "dec_ttl",
    "pop_ethernet",
    "pop_mpls",
    "pop_vlan",
    "push_ethernet",
    "push_mpls",
    "push_vlan",
    "set_ethernet",
    "set_ipv4",
    "set_ipv6",
    "set_mpls",
    "set_sctp",
    "set_tcp",
    "set_udp",
]

Bits: TypeAlias = tuple[int | bytes, int | bytes]
"""A value and the mask of the bits to take from it."""

KEEP: Bits = (0, 0)
"""No bit changes."""

_ETHERNET_SIZE = 14
_VLAN_SIZE = 4
_MPLS_SIZE = 4

# Transport header -> its least size, and the offset of its checksum, which covers the addresses too.
_WITH_PSEUDO_HEADER = {
    ETH_P_IP: {IPPROTO_TCP: (20, 16), IPPROTO_UDP: (8, 6)},
    ETH_P_IPV6: {IPPROTO_TCP: (20, 16), IPPROTO_UDP: (8, 6), IPPROTO_ICMPV6: (8, 2)},
}


def _require(packet: bytearray, end: int, what: str) -> None:
    if len(packet) < end:
        raise DecodeError(f"the packet is too short for {what}", offset=len(packet))


def _number(value: int | bytes) -> int:
    return value if isinstance(value, int) else int.from_bytes(value)


def _get(packet: bytearray, offset: int, size: int) -> int:
    return int.from_bytes(packet[offset : offset + size])


def _put(packet: bytearray, offset: int, size: int, number: int) -> None:
    packet[offset : offset + size] = number.to_bytes(size)


def _mix(old: int, bits: Bits) -> int:
    """Return `old` with the bits under the mask replaced."""
    value, mask = _number(bits[0]), _number(bits[1])
    return old & ~mask | value & mask


def _set(packet: bytearray, offset: int, size: int, bits: Bits) -> tuple[int, int]:
    """Set a field; return what it was and what it is."""
    old = _get(packet, offset, size)
    new = _mix(old, bits)
    _put(packet, offset, size, new)
    return old, new


# --- Link layer -----------------------------------------------------------------------------------------------


def set_ethernet(packet: bytearray, *, src: Bits = KEEP, dst: Bits = KEEP) -> None:
    """Set Ethernet addresses."""
    _require(packet, _ETHERNET_SIZE, "an Ethernet header")
    _set(packet, 0, 6, dst)
    _set(packet, 6, 6, src)


def push_ethernet(packet: bytearray, src: bytes, dst: bytes, ethertype: int) -> None:
    """Put an Ethernet header before a packet that has none."""
    packet[:0] = dst + src + ethertype.to_bytes(2)


def pop_ethernet(packet: bytearray) -> None:
    """Take the Ethernet header away."""
    _require(packet, _ETHERNET_SIZE, "an Ethernet header")
    del packet[:_ETHERNET_SIZE]


def push_vlan(packet: bytearray, tci: int, tpid: int = ETH_P_8021Q) -> None:
    """Put a VLAN tag outermost. `tci` goes out as it is: its bit 0x1000 is DEI here."""
    _require(packet, _ETHERNET_SIZE, "an Ethernet header")
    packet[12:12] = tpid.to_bytes(2) + tci.to_bytes(2)


def pop_vlan(packet: bytearray) -> None:
    """Take the outermost VLAN tag away; a packet without one is left alone."""
    if len(packet) >= _ETHERNET_SIZE + _VLAN_SIZE and _get(packet, 12, 2) in VLAN_ETHERTYPES:
        del packet[12:16]


def push_mpls(packet: bytearray, layout: Layout, entry: int, ethertype: int = ETH_P_MPLS_UC) -> None:
    """Put an MPLS label stack entry before the network header, and make `ethertype` the packet's."""
    _require(packet, layout.l3, "a network header")
    packet[layout.l3 : layout.l3] = entry.to_bytes(_MPLS_SIZE)
    if layout.l3 >= _ETHERNET_SIZE:
        _put(packet, 12, 2, ethertype)


def pop_mpls(packet: bytearray, layout: Layout, ethertype: int) -> None:
    """Take the outermost label stack entry away; what is then next is `ethertype`. Without MPLS nothing happens."""
    if layout.ethertype not in MPLS_ETHERTYPES:
        return
    _require(packet, layout.l3 + _MPLS_SIZE, "an MPLS label")
    del packet[layout.l3 : layout.l3 + _MPLS_SIZE]
    if layout.l3 >= _ETHERNET_SIZE:
        _put(packet, layout.l3 - 2, 2, ethertype)


def set_mpls(packet: bytearray, layout: Layout, entry: Bits) -> None:
    """Set the outermost MPLS label stack entry."""
    if layout.ethertype not in MPLS_ETHERTYPES:
        raise DecodeError("the packet is not MPLS", offset=layout.l3)
    _require(packet, layout.l3 + _MPLS_SIZE, "an MPLS label")
    _set(packet, layout.l3, _MPLS_SIZE, entry)


# --- Network layer --------------------------------------------------------------------------------------------


def _require_network(packet: bytearray, layout: Layout, ethertype: int, size: int, what: str) -> int:
    """Return the network header's offset."""
    if layout.ethertype != ethertype:
        raise DecodeError(f"the packet is not {what}", offset=layout.l3)
    _require(packet, layout.l3 + size, f"an {what} header")
    return layout.l3


def set_ipv4(
    packet: bytearray,
    layout: Layout,
    *,
    src: Bits = KEEP,
    dst: Bits = KEEP,
    tos: Bits = KEEP,
    ttl: Bits = KEEP,
) -> None:
    """Set fields of the IPv4 header; its checksum and that of TCP and UDP follow."""
    l3 = _require_network(packet, layout, ETH_P_IP, 20, "IPv4")
    for offset, size, bits in ((12, 4, src), (16, 4, dst), (1, 1, tos), (8, 1, ttl)):
        if not bits[1]:
            continue
        old, new = _set(packet, l3 + offset, size, bits)
        if size == 4:
            _follow_address(packet, layout, old, new, 32)
        elif not offset & 1:
            old, new = old << 8, new << 8
        _follow(packet, l3 + 10, old, new, 8 * max(size, 2))


def set_ipv6(
    packet: bytearray,
    layout: Layout,
    *,
    src: Bits = KEEP,
    dst: Bits = KEEP,
    label: Bits = KEEP,
    traffic_class: Bits = KEEP,
    hop_limit: Bits = KEEP,
) -> None:
    """Set fields of the IPv6 header; the checksums of TCP, UDP and ICMPv6 follow.

    They do not follow the destination when a routing header has segments left: they are over the last one.
    """
    l3 = _require_network(packet, layout, ETH_P_IPV6, 40, "IPv6")
    old, new = _set(packet, l3 + 8, 16, src)
    _follow_address(packet, layout, old, new, 128)
    old, new = _set(packet, l3 + 24, 16, dst)
    if not layout.routed:
        _follow_address(packet, layout, old, new, 128)
    first = _get(packet, l3, 4)
    first = first & 0xF00FFFFF | (_mix(first >> 20 & 0xFF, traffic_class) & 0xFF) << 20
    first = first & 0xFFF00000 | _mix(first & 0xFFFFF, label) & 0xFFFFF
    _put(packet, l3, 4, first)
    _set(packet, l3 + 7, 1, hop_limit)


def dec_ttl(packet: bytearray, layout: Layout) -> bool:
    """Decrement the TTL or hop limit. False, and no change, when it is 1 or less already; True without IP."""
    if layout.ethertype == ETH_P_IP:
        ttl = _require_network(packet, layout, ETH_P_IP, 20, "IPv4") + 8
        if packet[ttl] <= 1:
            return False
        set_ipv4(packet, layout, ttl=(packet[ttl] - 1, 0xFF))
    elif layout.ethertype == ETH_P_IPV6:
        hop_limit = _require_network(packet, layout, ETH_P_IPV6, 40, "IPv6") + 7
        if packet[hop_limit] <= 1:
            return False
        packet[hop_limit] -= 1
    return True


# --- Transport layer ------------------------------------------------------------------------------------------


def _follow(packet: bytearray, check: int, old: int, new: int, bits: int) -> None:
    """Update the checksum at offset `check` for a field that was `old` and is `new`."""
    if old != new:
        _put(packet, check, 2, update(_get(packet, check, 2), old, new, bits))


def _follow_udp(packet: bytearray, check: int, old: int, new: int, bits: int) -> None:
    """Update a UDP checksum: 0 means that there is none, so that a sum of 0 is sent as 0xffff (RFC 768)."""
    if _get(packet, check, 2):
        _follow(packet, check, old, new, bits)
        if not _get(packet, check, 2):
            _put(packet, check, 2, 0xFFFF)


def _follow_address(packet: bytearray, layout: Layout, old: int, new: int, bits: int) -> None:
    """Update the transport checksum for an address in the pseudo header."""
    size, check = _WITH_PSEUDO_HEADER[layout.ethertype].get(layout.protocol, (0, 0))
    if not layout.l4 or not size or len(packet) < layout.l4 + size or old == new:
        return
    follow = _follow_udp if layout.protocol == IPPROTO_UDP else _follow
    follow(packet, layout.l4 + check, old, new, bits)


def _require_transport(packet: bytearray, layout: Layout, protocol: int, size: int, what: str) -> int:
    """Return the transport header's offset."""
    if not layout.l4 or layout.protocol != protocol:
        raise DecodeError(f"the packet has no {what} header", offset=layout.l3)
    _require(packet, layout.l4 + size, f"a {what} header")
    return layout.l4


def set_tcp(packet: bytearray, layout: Layout, *, src: Bits = KEEP, dst: Bits = KEEP) -> None:
    """Set TCP ports; the checksum follows."""
    l4 = _require_transport(packet, layout, IPPROTO_TCP, 20, "TCP")
    for offset, bits in ((l4, src), (l4 + 2, dst)):
        old, new = _set(packet, offset, 2, bits)
        _follow(packet, l4 + 16, old, new, 16)


def set_udp(packet: bytearray, layout: Layout, *, src: Bits = KEEP, dst: Bits = KEEP) -> None:
    """Set UDP ports; the checksum follows, where there is one."""
    l4 = _require_transport(packet, layout, IPPROTO_UDP, 8, "UDP")
    for offset, bits in ((l4, src), (l4 + 2, dst)):
        old, new = _set(packet, offset, 2, bits)
        _follow_udp(packet, l4 + 6, old, new, 16)


def set_sctp(packet: bytearray, layout: Layout, *, src: Bits = KEEP, dst: Bits = KEEP) -> None:
    """Set SCTP ports; the CRC follows, and an error in it is carried through."""
    l4 = _require_transport(packet, layout, IPPROTO_SCTP, 12, "SCTP")
    carried, right = _get_crc(packet, l4), _sctp_crc(packet, l4, len(packet))
    _set(packet, l4, 2, src)
    _set(packet, l4 + 2, 2, dst)
    _put_crc(packet, l4, carried ^ right ^ _sctp_crc(packet, l4, len(packet)))


def _get_crc(packet: bytearray, l4: int) -> int:
    return int.from_bytes(packet[l4 + 8 : l4 + 12], "little")


def _put_crc(packet: bytearray, l4: int, crc: int) -> None:
    packet[l4 + 8 : l4 + 12] = crc.to_bytes(4, "little")


def _sctp_crc(packet: bytearray, l4: int, end: int | None) -> int:
    """Return the CRC of an SCTP packet, its own field taken as zero (RFC 9260 section 6.8)."""
    return crc32c(packet[l4 : l4 + 8] + bytes(4) + packet[l4 + 12 : end])


# --- Whole checksums ------------------------------------------------------------------------------------------


def complete_checksum(packet: bytearray, layout: Layout) -> bool:
    """Compute the transport checksum anew; return whether there is one to compute.

    For packets whose sender left it to the device: what an AF_PACKET socket reads from a veth device with
    ``TP_STATUS_CSUMNOTREADY`` holds but the sum of the pseudo header. TCP, UDP, ICMP, ICMPv6 and SCTP; a fragment
    has none, and one with routing segments left is not computed, since its sum is over another address.
    """
    l4, protocol, end = layout.l4, layout.protocol, layout.end
    if not l4 or layout.fragment != Fragment.NONE or layout.routed:
        return False
    if protocol == IPPROTO_SCTP:
        return complete_sctp(packet, l4, end)
    if layout.ethertype == ETH_P_IP and protocol == IPPROTO_ICMP and end >= l4 + 8:
        _put(packet, l4 + 2, 2, 0)
        return complete_checksum_at(packet, l4, 2, end)
    size, check = _WITH_PSEUDO_HEADER[layout.ethertype].get(protocol, (0, 0))
    if not size or end < l4 + size:
        return False
    source, width = (layout.l3 + 12, 4) if layout.ethertype == ETH_P_IP else (layout.l3 + 8, 16)
    middle, after = source + width, source + 2 * width
    addresses = bytes(packet[source:middle]), bytes(packet[middle:after])
    _put(packet, l4 + check, 2, pseudo_header_sum(*addresses, protocol, end - l4))
    return complete_checksum_at(packet, l4, check, end)


def complete_sctp(packet: bytearray, l4: int, end: int | None = None) -> bool:
    """Compute the CRC of an SCTP packet up to `end` anew; return whether it is there."""
    if (len(packet) if end is None else end) < l4 + 12:
        return False
    _put_crc(packet, l4, _sctp_crc(packet, l4, end))
    return True


def complete_checksum_at(packet: bytearray, start: int, offset: int, end: int | None = None) -> bool:
    """Complete the checksum at ``start + offset``, which holds the sum of the pseudo header, over the rest.

    `start` and `offset` are those of ``struct virtio_net_hdr``, which says exactly what is left to do also inside
    a tunnel. A sum of 0 is written 0xffff as UDP needs, and means the same elsewhere. False when `offset` is
    outside of the packet.
    """
    field = start + offset
    if len(packet) < field + 2:
        return False
    _put(packet, field, 2, checksum(packet[start:end]) or 0xFFFF)
    return True
