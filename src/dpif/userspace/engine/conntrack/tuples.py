"""What names a connection in one direction (`Tuple`, ``struct nf_conntrack_tuple``), read from packets."""

from __future__ import annotations

from dpif._typing import Final, NamedTuple
from dpif.packet.checksum import Buffer
from dpif.packet.constants import (
    ETH_P_IP,
    ETH_P_IPV6,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
)
from dpif.packet.layout import Fragment, Layout, locate

WITH_PORTS: Final = frozenset({IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP})
ICMP_HEADER_SIZE: Final = 8
_PORTS_SIZE: Final = 4
_QUERIES: Final = {IPPROTO_ICMP: ((8, 0), (13, 14), (15, 16), (17, 18)), IPPROTO_ICMPV6: ((128, 129), (139, 140))}
_ANSWERS: Final = {
    protocol: {**dict(pairs), **{answer: query for query, answer in pairs}} for protocol, pairs in _QUERIES.items()
}
QUERY_TYPES: Final = {protocol: frozenset(query for query, _ in pairs) for protocol, pairs in _QUERIES.items()}
"""ICMP types that begin a connection."""
_ADDRESSES: Final = {ETH_P_IP: (12, 4), ETH_P_IPV6: (8, 16)}


class Tuple(NamedTuple):
    """One direction of a connection; addresses and ports are numbers.

    For ICMP ``src_port`` is the identifier and ``dst_port`` is type and code in one number.
    """

    ethertype: int
    src: int
    dst: int
    protocol: int
    src_port: int = 0
    dst_port: int = 0

    def inverse(self) -> Tuple | None:
        """Return the tuple of the answers; None for an ICMP message that has none."""
        if self.protocol not in _ANSWERS:
            return self._replace(src=self.dst, dst=self.src, src_port=self.dst_port, dst_port=self.src_port)
        answer = _ANSWERS[self.protocol].get(self.dst_port >> 8)
        if answer is None:
            return None
        return self._replace(src=self.dst, dst=self.src, dst_port=answer << 8 | self.dst_port & 0xFF)


def read_tuple(packet: Buffer, layout: Layout) -> Tuple | None:
    """Return the tuple of a packet; None when it has none: not IP, a fragment, or cut short."""
    if layout.ethertype not in _ADDRESSES or not layout.l4 or layout.fragment != Fragment.NONE:
        return None
    offset, size = _ADDRESSES[layout.ethertype]
    at = layout.l3 + offset
    src, dst = (int.from_bytes(packet[start : start + size]) for start in (at, at + size))
    protocol, l4 = layout.protocol, layout.l4
    if protocol not in WITH_PORTS and protocol not in _ANSWERS:
        return Tuple(layout.ethertype, src, dst, protocol)
    if len(packet) < l4 + (_PORTS_SIZE if protocol in WITH_PORTS else ICMP_HEADER_SIZE):
        return None
    first, second, third = (int.from_bytes(packet[start : start + 2]) for start in (l4, l4 + 2, l4 + 4))
    ports = (first, second) if protocol in WITH_PORTS else (third, first)
    return Tuple(layout.ethertype, src, dst, protocol, *ports)


class Inner(NamedTuple):
    """The packet that an ICMP error quotes: where it starts, and the outline of what there is of it."""

    start: int
    layout: Layout
    names: Tuple


def read_inner(packet: Buffer, layout: Layout) -> Inner | None:
    """Return what the ICMP error in `packet` is about, None when it does not tell."""
    start = layout.l4 + ICMP_HEADER_SIZE
    quoted = packet[start : layout.end]
    inner = locate(quoted, layout.ethertype)
    names = read_tuple(quoted, inner)
    return None if names is None else Inner(start, inner, names)
