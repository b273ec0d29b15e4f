"""Undoing what senders leave to their network devices (`finished`)."""

from __future__ import annotations

from typing import Final

from dpif.packet.checksum import pseudo_header_sum
from dpif.packet.constants import ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.edit import complete_checksum
from dpif.packet.layout import Fragment, locate

__all__ = ["finished"]

_CHECKSUMS: Final = {IPPROTO_TCP: (20, 16), IPPROTO_UDP: (8, 6)}
"""The least size of a transport header, and where its checksum stands."""


def finished(packet: bytes) -> bytes:
    """Return Ethernet packet `packet` with its TCP or UDP checksum completed, if its sender has but begun it.

    Linux leaves the sum of the pseudo header in a packet's checksum for the device to complete, and on the way
    between network namespaces of a host no device does. Nothing else tells such a packet from others: of 65536
    packets with a right checksum one looks like it, and is left as it is, since what is right stays right.
    """
    layout = locate(packet)
    size, offset = _CHECKSUMS.get(layout.protocol, (0, 0))
    at, end = layout.l4, layout.end
    if not at or not size or end < at + size or layout.fragment != Fragment.NONE:
        return packet
    first, width = (layout.l3 + 12, 4) if layout.ethertype == ETH_P_IP else (layout.l3 + 8, 16)
    source, destination = packet[first : first + width], packet[first + width : first + 2 * width]
    begun = pseudo_header_sum(source, destination, layout.protocol, end - at)
    if int.from_bytes(packet[at + offset : at + offset + 2]) != begun:
        return packet
    changed = bytearray(packet)
    complete_checksum(changed, layout)
    return bytes(changed)
