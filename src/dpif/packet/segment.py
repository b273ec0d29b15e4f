"""Cutting a large TCP or UDP packet into those that a network carries, as a network card does (TSO, USO).

Linux hands such packets around uncut as long as it can (GSO), and so does what reads them from a virtual device.
The rules are the kernel's ``tcp_gso_segment()`` and ``__udp_gso_segment()``.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif.errors import DecodeError
from dpif.packet.checksum import checksum
from dpif.packet.constants import ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.edit import complete_checksum
from dpif.packet.layout import Layout, locate

__all__ = ["segment"]

_FIN_PSH = 0x09
_CWR = 0x80


def segment(packet: bytes, size: int) -> Iterator[bytearray]:
    """Yield the packets that carry `size` bytes each of the payload of `packet`, the last one what is left.

    Their lengths, IPv4 identifications, TCP sequence numbers and flags, and checksums are right. Raises
    `DecodeError` when `packet` is neither TCP nor UDP over IP, or is a fragment.
    """
    layout = locate(packet)
    headers = _headers_size(packet, layout)
    if size < 1:
        raise DecodeError("a segment carries at least one byte")
    starts = range(headers, max(layout.end, headers + 1), size)
    for number, start in enumerate(starts):
        part = bytearray(packet[:headers] + packet[start : min(start + size, layout.end)])
        _fit_network(part, layout, number)
        if layout.protocol == IPPROTO_TCP:
            _fit_tcp(part, layout.l4, start - headers, number == 0, number == len(starts) - 1)
        else:
            part[layout.l4 + 4 : layout.l4 + 6] = (len(part) - layout.l4).to_bytes(2)
        complete_checksum(part, locate(part))
        yield part


def _headers_size(packet: bytes, layout: Layout) -> int:
    """Return the bytes of all headers before the payload."""
    sizes = {IPPROTO_TCP: 20, IPPROTO_UDP: 8}
    size = sizes.get(layout.protocol)
    if not layout.l4 or layout.fragment or size is None or len(packet) < layout.l4 + size:
        raise DecodeError("the packet is not whole TCP or UDP over IP", offset=layout.l3)
    if layout.protocol == IPPROTO_TCP:
        size = max(size, (packet[layout.l4 + 12] >> 4) * 4)
    return min(layout.l4 + size, len(packet))


def _fit_network(part: bytearray, layout: Layout, number: int) -> None:
    l3 = layout.l3
    if layout.ethertype == ETH_P_IP:
        identification = int.from_bytes(part[l3 + 4 : l3 + 6]) + number
        part[l3 + 2 : l3 + 4] = (len(part) - l3).to_bytes(2)
        part[l3 + 4 : l3 + 6] = (identification & 0xFFFF).to_bytes(2)
        part[l3 + 10 : l3 + 12] = bytes(2)
        part[l3 + 10 : l3 + 12] = checksum(part[l3 : layout.l4]).to_bytes(2)
    else:
        part[l3 + 4 : l3 + 6] = (len(part) - l3 - 40).to_bytes(2)


def _fit_tcp(part: bytearray, l4: int, sent: int, is_first: bool, is_last: bool) -> None:
    sequence = int.from_bytes(part[l4 + 4 : l4 + 8]) + sent
    part[l4 + 4 : l4 + 8] = (sequence & 0xFFFFFFFF).to_bytes(4)
    if not is_first:
        part[l4 + 13] &= ~_CWR
    if not is_last:
        part[l4 + 13] &= ~_FIN_PSH
