"""Which packets can belong to a connection at all: those with sound transport headers and checksums."""

from __future__ import annotations

from dpif._typing import Final
from dpif.packet.checksum import Buffer, checksum, crc32c, pseudo_header_sum
from dpif.packet.constants import ETH_P_IP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.layout import Fragment, Layout
from dpif.userspace.engine.conntrack import sctp, tcp

_TCP_FLAGS_OFFSET: Final = 13
_LAST_ICMP_TYPE: Final = 18
_ICMP_ERRORS: Final = frozenset({3, 4, 5, 11, 12})
_FIRST_ICMPV6_INFORMATION: Final = 128
_UNTRACKED_ICMPV6: Final = frozenset({130, 131, 132, 133, 134, 135, 136, 137, 143})
"""Neighbour discovery and multicast listener messages, which belong to no connection."""


def is_sound(packet: Buffer, layout: Layout) -> bool:
    """Tell whether conntrack would look at this packet."""
    if not layout.l4 or layout.fragment != Fragment.NONE:
        return False
    segment = packet[layout.l4 : layout.end]
    check = _CHECKS.get(layout.protocol)
    return check is None or (check(segment) and _has_right_checksum(packet, layout, segment))


def is_icmp_error(packet: Buffer, layout: Layout) -> bool:
    """Tell whether a sound packet is an ICMP message about another packet."""
    if layout.protocol == IPPROTO_ICMP:
        return packet[layout.l4] in _ICMP_ERRORS
    return layout.protocol == IPPROTO_ICMPV6 and packet[layout.l4] < _FIRST_ICMPV6_INFORMATION


def _is_tcp(segment: Buffer) -> bool:
    if len(segment) < 20:
        return False
    size = (segment[12] >> 4) * 4
    return 20 <= size <= len(segment) and tcp.are_valid(segment[_TCP_FLAGS_OFFSET])


def _is_udp(segment: Buffer) -> bool:
    return len(segment) >= 8 and 8 <= segment[4] << 8 | segment[5] <= len(segment)


def _is_icmp(segment: Buffer) -> bool:
    return len(segment) >= 8 and segment[0] <= _LAST_ICMP_TYPE


def _is_icmpv6(segment: Buffer) -> bool:
    return len(segment) >= 8 and segment[0] not in _UNTRACKED_ICMPV6


def _is_sctp(segment: Buffer) -> bool:
    return len(segment) >= sctp.HEADER_SIZE


_CHECKS: Final = {
    IPPROTO_TCP: _is_tcp,
    IPPROTO_UDP: _is_udp,
    IPPROTO_ICMP: _is_icmp,
    IPPROTO_ICMPV6: _is_icmpv6,
    IPPROTO_SCTP: _is_sctp,
}


def _has_right_checksum(packet: Buffer, layout: Layout, segment: Buffer) -> bool:
    if layout.protocol == IPPROTO_UDP and not any(segment[6:8]):
        return True  # it has none
    if layout.protocol == IPPROTO_ICMP:
        return checksum(segment) == 0
    if layout.protocol == IPPROTO_SCTP:
        return int.from_bytes(segment[8:12], "little") == crc32c(bytes(segment[:8]) + bytes(4) + bytes(segment[12:]))
    source, size = (layout.l3 + 12, 4) if layout.ethertype == ETH_P_IP else (layout.l3 + 8, 16)
    middle = source + size
    addresses = bytes(packet[source:middle]), bytes(packet[middle : middle + size])
    return checksum(segment, pseudo_header_sum(*addresses, layout.protocol, len(segment))) == 0
