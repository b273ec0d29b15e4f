"""The format pcap: one header, then packets behind headers of their own, in the byte order of whoever wrote the file.

Facts: draft-ietf-opsawg-pcap. The header's first word tells the byte order, and whether the times have micro- or
nanoseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dpif.packet.capture.files import Source
from dpif.packet.capture.packets import CapturedPacket

_MICRO = 0xA1B2C3D4
_NANO = 0xA1B23C4D
MAGIC = {
    struct.pack(order + "I", word): (order, unit) for order in "<>" for word, unit in ((_MICRO, 1e6), (_NANO, 1e9))
}
"""By a file's first four bytes: the byte order, and the parts of a second that its times count."""

_HEADER = "HHiIII"  # version, time zone, accuracy, longest packet, link type
_RECORD = "IIII"  # seconds, parts of a second, bytes here, bytes on the wire
_LINK_TYPE = 0xFFFF  # what stands above is about frame check sequences
_LONGEST = 0x40000  # bytes of a packet that tcpdump says it takes


def packets(source: Source, magic: bytes) -> Iterator[tuple[int, CapturedPacket]]:
    """Yield each packet with its link type, of a file whose `magic` was read."""
    order, unit = MAGIC[magic]
    *_, link_type = struct.unpack(order + _HEADER, source.read_rest(struct.calcsize(order + _HEADER), "its header"))
    record = struct.Struct(order + _RECORD)
    while header := source.read(record.size, "a packet's header"):
        seconds, parts, length, wire_length = record.unpack(header)
        data = source.read_rest(length, "a packet")
        yield link_type & _LINK_TYPE, CapturedPacket(seconds + parts / unit, data, wire_length)


def header(link_type: int) -> bytes:
    """Return a file's beginning."""
    return struct.pack("=I" + _HEADER, _MICRO, 2, 4, 0, 0, _LONGEST, link_type)


def record(data: bytes, ticks: int, wire_length: int) -> bytes:
    """Return a packet with its header; `ticks` are microseconds since 1970."""
    return struct.pack("=" + _RECORD, *divmod(ticks, 1_000_000), len(data), wire_length) + data
