"""The bits of transport headers in the flat key. A header that does not fit leaves its fields zero.

Each function takes the packet and where the header starts, and returns the bits of ``tp``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

from dpif.odp.kernel.swkey import FIELDS
from dpif.packet.constants import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP

_TCP = Struct("!IxxxxxxxxH")
_TP_SRC = FIELDS["tp.src"].shift
_TP_DST = FIELDS["tp.dst"].shift  # the source is just above it
_TP_FLAGS = FIELDS["tp.flags"].shift


def _tcp(packet: bytes, at: int) -> int:
    if len(packet) < at + 20:
        return 0
    ports, word = _TCP.unpack_from(packet, at)
    size = word >> 12 << 2  # the data offset counts words of 4 bytes
    if size < 20 or len(packet) < at + size:
        return 0
    bits: int = ports << _TP_DST | (word & 0xFFF) << _TP_FLAGS
    return bits


def _udp(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at : at + 4], "big") << _TP_DST if len(packet) >= at + 8 else 0


def _sctp(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at : at + 4], "big") << _TP_DST if len(packet) >= at + 12 else 0


def _icmp(packet: bytes, at: int) -> int:
    """ICMP and ICMPv6: type and code stand where ports do."""
    return packet[at] << _TP_SRC | packet[at + 1] << _TP_DST if len(packet) >= at + 8 else 0


TRANSPORT4_BITS: Mapping[int, Callable[[bytes, int], int]] = {
    IPPROTO_TCP: _tcp,
    IPPROTO_UDP: _udp,
    IPPROTO_SCTP: _sctp,
    IPPROTO_ICMP: _icmp,
}
TRANSPORT6_BITS: Mapping[int, Callable[[bytes, int], int]] = {
    IPPROTO_TCP: _tcp,
    IPPROTO_UDP: _udp,
    IPPROTO_SCTP: _sctp,
    IPPROTO_ICMPV6: _icmp,
}
