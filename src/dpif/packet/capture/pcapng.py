"""The format pcapng: blocks with a type and a length; those of sections, interfaces and packets are read.

Facts: draft-ietf-opsawg-pcapng. Each section has a byte order and interfaces of its own; an interface has a link type
and says what its times count. Blocks of other types are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dpif._typing import NamedTuple
from dpif.packet.capture.files import Source
from dpif.packet.capture.packets import CapturedPacket

MAGIC = b"\x0a\x0d\x0d\x0a"
"""A file's first four bytes: the type of a section's block, which reads alike in either byte order."""

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_TSRESOL, _TSOFFSET = 9, 14  # options of an interface
_FRAME = 12  # bytes of a block around its body: type and length, and the length again
_SECTION_BODY = "IHHq"  # byte order, version, length of the section
_ENHANCED_BODY = "IIIII"  # interface, time (high, low), bytes here, bytes on the wire
_OLD_BODY = "HHIIII"  # interface, drops, then the same


class _Interface(NamedTuple):
    link_type: int
    longest: int
    ticks: int
    """Of a second."""
    offset: int
    """Seconds to be added."""


def packets(source: Source, magic: bytes) -> Iterator[tuple[int, CapturedPacket]]:
    """Yield each packet with its link type, of a file whose `magic` was read."""
    order, kind = "=", magic
    interfaces: list[_Interface] = []
    while kind:
        if kind == MAGIC:
            order, interfaces = _begin_section(source), []
        else:
            number = struct.unpack(order + "I", kind)[0]
            body = _body(source, order, struct.unpack(order + "I", source.read_rest(4, "a block's length"))[0])
            if number == _INTERFACE:
                interfaces.append(_interface(source, order, body))
            elif number in (_SIMPLE, _ENHANCED, _OLD_PACKET):
                yield _packet(source, order, number, body, interfaces)
        kind = source.read(4, "a block's type")


def _begin_section(source: Source) -> str:
    """Read the block of a section behind its type; return the byte order."""
    length, mark = source.read_rest(4, "its header"), source.read_rest(4, "its header")
    for order in "<>":
        if struct.unpack(order + "I", mark)[0] == _BYTE_ORDER:
            _body(source, order, struct.unpack(order + "I", length)[0], read=len(mark))
            return order
    raise source.fault("a section without a byte order")


def _body(source: Source, order: str, length: int, read: int = 0) -> bytes:
    """Return what is left of a block's body, of which some was `read`, and read the length behind it."""
    if length < _FRAME + read or length % 4:
        raise source.fault(f"a block's length of {length} bytes")
    data = source.read_rest(length - 8 - read, "a block")
    if struct.unpack(order + "I", data[-4:])[0] != length:
        raise source.fault(f"a block of {length} bytes that ends with another length")
    return data[:-4]


def _interface(source: Source, order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise source.fault("an interface without a link type")
    link_type, _, longest = struct.unpack_from(order + "HHI", body)
    ticks, offset = 1_000_000, 0
    for code, value in _options(order, body[8:]):
        if code == _TSRESOL and value:
            ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
        elif code == _TSOFFSET and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0]
    return _Interface(link_type, longest, ticks, offset)


def _options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _packet(
    source: Source, order: str, number: int, body: bytes, interfaces: list[_Interface]
) -> tuple[int, CapturedPacket]:
    form = struct.Struct(order + {_SIMPLE: "I", _ENHANCED: _ENHANCED_BODY, _OLD_PACKET: _OLD_BODY}[number])
    if len(body) < form.size:
        raise source.fault("a packet's block without its header")
    fields = form.unpack_from(body)
    index = 0 if number == _SIMPLE else fields[0]
    if index >= len(interfaces):
        raise source.fault(f"a packet of interface {index}, of {len(interfaces)}")
    interface = interfaces[index]
    if number == _SIMPLE:
        timestamp, wire_length = 0.0, fields[0]
        length = min(wire_length, interface.longest or wire_length)
    else:
        high, low, length, wire_length = fields[-4:]
        timestamp = interface.offset + (high << 32 | low) / interface.ticks
    if length > len(body) - form.size:
        raise source.fault(f"a packet of {length} bytes in a block of {len(body) - form.size}")
    return interface.link_type, CapturedPacket(timestamp, body[form.size : form.size + length], wire_length)


def header(link_type: int) -> bytes:
    """Return a file's beginning: a section with one interface, whose times count microseconds."""
    section = struct.pack("=" + _SECTION_BODY, _BYTE_ORDER, 1, 0, -1)
    return _block(_SECTION, section) + _block(_INTERFACE, struct.pack("=HHI", link_type, 0, 0))


def record(data: bytes, ticks: int, wire_length: int) -> bytes:
    """Return a packet's block; `ticks` are microseconds since 1970."""
    about = struct.pack("=" + _ENHANCED_BODY, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire_length)
    return _block(_ENHANCED, about + data + bytes(-len(data) % 4))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("=I", len(body) + _FRAME)
    return struct.pack("=I", kind) + length + body + length
