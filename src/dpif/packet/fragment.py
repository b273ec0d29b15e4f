"""Cutting an IP packet into fragments, as a router does whose next network is too narrow for it.

The rules are those of Linux: ``ip_do_fragment()`` in net/ipv4/ip_output.c and ``ip6_fragment()`` in
net/ipv6/ip6_output.c. How fragments are put together again is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from dpif.errors import DecodeError
from dpif.packet.checksum import checksum
from dpif.packet.constants import (
    ETH_P_IP,
    ETH_P_IPV6,
    IP_MF,
    IPPROTO_DSTOPTS,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_ROUTING,
)
from dpif.packet.layout import Layout, locate

__all__ = ["fragment"]

_IPV6_SIZE = 40
_IPV6_MIN_MTU = 1280
_FRAGMENT_HEADER_SIZE = 8
_LEAST = 8
"""Bytes that a fragment which is not the last carries at the very least."""


def fragment(packet: bytes, mtu: int, *, ident: int = 0, sizes: Sequence[int] = ()) -> Iterator[bytearray]:
    """Yield the fragments of `packet`, an Ethernet packet, whose IP packets have `mtu` bytes at most.

    What is before the network header, VLAN tags included, is before each of them. `ident` is the identification
    of IPv6 fragments; IPv4 has its own in its header. Of IPv6 no fragment needs to be smaller than 1280 bytes, so
    a smaller `mtu` counts as that. ``DF`` is cleared. `sizes` are how many bytes of the payload the fragments
    should carry each, which is done if they fit the packet and `mtu`. Raises `DecodeError` when `packet` is not IP,
    or its headers leave no room.
    """
    layout = locate(packet)
    if layout.ethertype == ETH_P_IP and layout.l4:
        return _fragment_ipv4(packet, layout, mtu, sizes)
    if layout.ethertype == ETH_P_IPV6 and len(packet) >= layout.l3 + _IPV6_SIZE:
        return _fragment_ipv6(packet, layout, max(mtu, _IPV6_MIN_MTU), ident, sizes)
    raise DecodeError("only IP packets are fragmented", offset=layout.l3)


def _fragment_ipv4(packet: bytes, layout: Layout, mtu: int, sizes: Sequence[int]) -> Iterator[bytearray]:
    l3, payload = layout.l3, packet[layout.l4 :]
    header = layout.l4 - l3
    for start, end in _cuts(len(payload), mtu - header, sizes):
        part = bytearray(packet[: layout.l4])
        more = IP_MF if end < len(payload) else 0
        part[l3 + 2 : l3 + 4] = (header + end - start).to_bytes(2)
        part[l3 + 6 : l3 + 8] = (more | start // 8).to_bytes(2)
        part[l3 + 10 : l3 + 12] = bytes(2)
        part[l3 + 10 : l3 + 12] = checksum(part[l3:]).to_bytes(2)
        yield part + payload[start:end]


def _fragment_ipv6(packet: bytes, layout: Layout, mtu: int, ident: int, sizes: Sequence[int]) -> Iterator[bytearray]:
    l3 = layout.l3
    next_at, cut_at = _unfragmentable(packet, l3)
    head, payload = packet[:cut_at], packet[cut_at:]
    room = mtu - (cut_at - l3) - _FRAGMENT_HEADER_SIZE
    for start, end in _cuts(len(payload), room, sizes):
        part = bytearray(head)
        part[next_at] = IPPROTO_FRAGMENT
        part += bytes((packet[next_at], 0)) + (start | (end < len(payload))).to_bytes(2) + ident.to_bytes(4)
        part += payload[start:end]
        part[l3 + 4 : l3 + 6] = (len(part) - l3 - _IPV6_SIZE).to_bytes(2)
        yield part


def _unfragmentable(packet: bytes, l3: int) -> tuple[int, int]:
    """Return where the number of the first header to be cut is, and that header (ip6_find_1stfragopt)."""
    next_at, at, is_routed = l3 + 6, l3 + _IPV6_SIZE, False
    while packet[next_at] in (IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS):
        if packet[next_at] == IPPROTO_DSTOPTS and is_routed:
            break
        is_routed |= packet[next_at] == IPPROTO_ROUTING
        if at + 2 > len(packet):
            raise DecodeError("an IPv6 extension header is cut short", offset=at)
        next_at, at = at, at + (packet[at + 1] + 1) * 8
    return next_at, at


def _cuts(length: int, room: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return the beginnings and ends of the parts of a payload of which each fragment carries up to `room` bytes."""
    if room < _LEAST:
        raise DecodeError(f"headers leave {room} bytes of a fragment, which needs {_LEAST}")
    fits = sum(sizes) == length and max(sizes, default=0) <= room and not any(size % 8 for size in sizes[:-1])
    if not (sizes and fits):
        full = room & ~7
        sizes = [full] * (0 if length <= room else -(-(length - room) // full))
        sizes.append(length - full * len(sizes))
    ends = list(accumulate(sizes))
    return zip([0, *ends], ends, strict=False)
