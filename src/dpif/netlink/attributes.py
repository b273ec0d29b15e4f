"""Attributes: the type-length-value pieces of a message (``struct nlattr``).

This file owns headers, padding and the walk from one attribute to the next; what stands in an attribute is
`dpif.netlink.policy`'s business. Lengths count the 4-byte header and not the padding; the last attribute of a
buffer may go without padding, as the packet of an upcall does. Integers are in host byte order.
"""

import struct
from collections.abc import Iterator

from dpif._typing import NamedTuple, TypeAlias
from dpif.errors import DecodeError, EncodeError
from dpif.netlink.constants import NLA_HDRLEN, NLA_MAX_PAYLOAD, NLA_TYPE_MASK, NLMSG_ALIGNTO

__all__ = ["ATTRIBUTE_HEADER", "Buffer", "RawAttr", "align", "attribute", "nested", "raw_attribute", "walk"]

Buffer: TypeAlias = bytes | bytearray | memoryview

ATTRIBUTE_HEADER = struct.Struct("=HH")
"""``struct nlattr``: length, type."""
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class RawAttr(NamedTuple):
    """An attribute as it stands on the wire; ``type`` keeps the flag bits that it was received with."""

    type: int
    payload: bytes


def align(length: int) -> int:
    """Return `length` rounded up to a multiple of four (``NLMSG_ALIGN``, ``NLA_ALIGN``)."""
    return (length + NLMSG_ALIGNTO - 1) & -NLMSG_ALIGNTO


def walk(buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Iterate over the attributes in ``buffer[start:end]`` as (type without flags, payload start, payload end).

    Raises `DecodeError` where an attribute is shorter than its header or longer than what is left.
    """
    if end is None:
        end = len(buffer)
    offset = start
    while offset < end:
        if end - offset < NLA_HDRLEN:
            raise DecodeError(f"{end - offset} bytes are too few for an attribute", offset=offset)
        length, type_ = ATTRIBUTE_HEADER.unpack_from(buffer, offset)
        if not NLA_HDRLEN <= length <= end - offset:
            raise DecodeError(f"an attribute length of {length} where {end - offset} bytes are left", offset=offset)
        yield type_ & NLA_TYPE_MASK, offset + NLA_HDRLEN, offset + length
        offset += align(length)


def raw_attribute(buffer: Buffer, start: int, end: int) -> RawAttr:
    """Return the attribute whose payload `walk` found at ``buffer[start:end]``, flag bits and all."""
    return RawAttr(ATTRIBUTE_HEADER.unpack_from(buffer, start - NLA_HDRLEN)[1], bytes(buffer[start:end]))


def attribute(type: int, payload: bytes) -> bytes:
    """Return a whole attribute: header, payload, padding. Raises `EncodeError` when it is too long."""
    length = len(payload)
    if length > NLA_MAX_PAYLOAD:
        raise EncodeError(f"{length} bytes are too long for an attribute, which holds up to {NLA_MAX_PAYLOAD}")
    return ATTRIBUTE_HEADER.pack(NLA_HDRLEN + length, type) + payload + _PADDING[length & 3]


def nested(type: int, payload: bytes) -> bytes:
    """Return an attribute that holds the attributes in `payload`.

    It has no ``NLA_F_NESTED``: the Open vSwitch families predate the flag, neither set nor need it.
    """
    return attribute(type, payload)
