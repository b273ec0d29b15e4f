"""Framing: netlink messages in a datagram (``struct nlmsghdr``).

A datagram holds one message or several, each starting on a multiple of four bytes. This file owns the header;
what a payload means it does not know. Integers are in host byte order.
"""

import struct
from collections.abc import Iterator

from dpif._typing import NamedTuple
from dpif.errors import DecodeError
from dpif.netlink.attributes import Buffer, align
from dpif.netlink.constants import NLMSG_HDRLEN

__all__ = ["HEADER", "Message", "pack_message", "split"]

HEADER = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence number, port id."""


class Message(NamedTuple):
    """One message as it was received.

    ``type`` is the id of the family, or below ``NLMSG_MIN_TYPE`` one of netlink's own; ``port_id`` is that of
    the socket whose request this answers or whose change it reports (0: the kernel's own doing); ``payload``
    is what follows the header.
    """

    type: int
    flags: int
    seq: int
    port_id: int
    payload: memoryview


def pack_message(type: int, flags: int, seq: int, port_id: int, payload: bytes) -> bytes:
    """Return a whole message, padded with zeros to a multiple of four; the padding is not in its length."""
    length = NLMSG_HDRLEN + len(payload)
    return HEADER.pack(length, type, flags, seq, port_id) + payload + bytes(align(length) - length)


def split(datagram: Buffer, start: int = 0) -> Iterator[Message]:
    """Iterate over the messages of a datagram, the first of which begins at offset `start`.

    Raises `DecodeError` where a message is shorter than its header or longer than what is left.
    """
    view = memoryview(datagram)
    offset, end = start, len(view)
    while offset < end:
        if end - offset < NLMSG_HDRLEN:
            raise DecodeError(f"{end - offset} bytes are too few for a netlink message", offset=offset)
        length, type_, flags, seq, port_id = HEADER.unpack_from(view, offset)
        if not NLMSG_HDRLEN <= length <= end - offset:
            raise DecodeError(f"a message length of {length} where {end - offset} bytes are left", offset=offset)
        yield Message(type_, flags, seq, port_id, view[offset + NLMSG_HDRLEN : offset + length])
        offset += align(length)
