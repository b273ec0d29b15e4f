"""What a filter may ask about the Geneve options of a tunnel: class, type and data of each of them."""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import Any, Final, NamedTuple
from dpif.errors import DecodeError
from dpif.odp.model.kinds import U8X, U16X, Kind, Raw
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.tunnel_options import GeneveOption, GeneveOptions

_LONGEST = 124
"""Bytes that the data of an option may have."""


class _Data(Kind[int]):
    """The data of an option as one number, the first byte highest."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("", 0, (1 << 8 * _LONGEST) - 1, "a number such as 0x10002")

    def value(self, raw: Raw) -> int:
        """Return `raw` itself."""
        return int(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take a number."""
        return scanner.integer(self.full, self.what)


class Part(NamedTuple):
    """A part of an option: how it is written, and where it is."""

    kind: Kind[Any]
    read: Callable[[GeneveOption], int]


PARTS: Final = {
    "class": Part(U16X, lambda option: option.class_),
    "type": Part(U8X, lambda option: option.type),
    "data": Part(_Data(), lambda option: int.from_bytes(option.data)),
}


def pairs(kept: GeneveOptions, bits: GeneveOptions, part: Part) -> list[tuple[int, int]]:
    """Return value and mask of a part of each option; none where the options cannot be told apart."""
    try:
        return [(part.read(option), part.read(mask)) for option, mask in zip(kept, bits.under(kept), strict=True)]
    except DecodeError:
        return []
