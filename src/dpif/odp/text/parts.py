"""What bytes are made of whose form is known: constants, and values that are read from pieces of a text.

Parts stand in the order of the wire, headers of attributes and padding among the constants.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence

from dpif._typing import NamedTuple, TypeAlias
from dpif.netlink.attributes import ATTRIBUTE_HEADER
from dpif.netlink.constants import NLA_HDRLEN, NLA_MAX_PAYLOAD
from dpif.odp.text.pieces import UnusualError


class Value(NamedTuple):
    """A value that is read: its `struct` code in network order, its bytes, and the Python that reads it.

    In ``source`` ``{0}``, ``{1}`` stand for the pieces at ``places``.
    """

    code: str
    size: int
    source: str
    places: tuple[int, ...]


Part: TypeAlias = bytes | Value
Parts: TypeAlias = list[Part]


def size_of(parts: Iterable[Part]) -> int:
    """Return the bytes of all parts."""
    return sum([len(part) if isinstance(part, bytes) else part.size for part in parts])


def checked(parts: Iterable[Part], call: str) -> Parts:
    """Return the parts; of each that is read the Python goes through `call`, where it stands for ``{}``."""
    return [part._replace(source=call.format(part.source)) if isinstance(part, Value) else part for part in parts]


def nonzero(parts: Iterable[Part]) -> Parts:
    """Return the parts; what is read must not be zero, which would mean something else."""
    return checked(parts, "nonzero({})")


def packer(parts: Parts) -> Callable[..., bytes]:
    """Return what makes one of the bytes of all parts."""
    codes = [f"{len(part)}s" if isinstance(part, bytes) else part.code for part in parts]
    return struct.Struct(f"!{''.join(codes)}").pack


def wrapped(number: int, parts: Sequence[Part]) -> Parts:
    """Return a whole attribute with this payload."""
    size = size_of(parts)
    if size > NLA_MAX_PAYLOAD:
        raise UnusualError
    return [ATTRIBUTE_HEADER.pack(NLA_HDRLEN + size, number), *parts, bytes(-size % 4)]
