"""Undoing what senders leave to their network devices (`finished`)."""

from __future__ import annotations

from dpif._typing import Final
from dpif.packet.checksum import pseudo_header_sum
from dpif.packet.constants import ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.edit import complete_checksum
from dpif.packet.layout import Fragment, locate
from dpif.packet.segment import segment

__all__ = ["finished"]

_CHECKSUMS: Final = {IPPROTO_TCP: (20, 16), IPPROTO_UDP: (8, 6)}
"""The least size of a transport header, and where its checksum stands."""
_EVERY_LINK: Final = 1280
"""Bytes of an IP packet that every link of the Internet takes (RFC 8200)."""


def finished(packet: bytes) -> list[bytes]:
    """Return what Ethernet packet `packet` is on a wire, where its sender left checksum and cutting to the device.

    Linux leaves the sum of the pseudo header in the checksum of TCP and UDP for the device to complete, and TCP
    uncut; between network namespaces of a host no device does either. Nothing but that sum tells such a packet from
    others. One in 65536 of the others has it too; where its checksum was right, computing it changes nothing. What
    is uncut does not say how long a packet may be: TCP is cut to what every link takes. Raises `DecodeError` when
    the headers leave no room for that.
    """
    layout = locate(packet)
    size, offset = _CHECKSUMS.get(layout.protocol, (0, 0))
    at, end = layout.l4, layout.end
    if not at or not size or end < at + size or layout.fragment != Fragment.NONE:
        return [packet]
    first, width = (layout.l3 + 12, 4) if layout.ethertype == ETH_P_IP else (layout.l3 + 8, 16)
    source, destination = packet[first : first + width], packet[first + width : first + 2 * width]
    begun = pseudo_header_sum(source, destination, layout.protocol, end - at)
    if int.from_bytes(packet[at + offset : at + offset + 2]) != begun:
        return [packet]
    if layout.protocol == IPPROTO_TCP and end - layout.l3 > _EVERY_LINK:
        headers = at - layout.l3 + 4 * (packet[at + 12] >> 4)
        return [bytes(part) for part in segment(packet, _EVERY_LINK - headers)]
    changed = bytearray(packet)
    complete_checksum(changed, layout)
    return [bytes(changed)]
