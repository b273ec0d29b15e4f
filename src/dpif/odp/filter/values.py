"""The values that a filter compares with: how they are written, and the numbers that they are compared by."""

from __future__ import annotations

import re

from dpif._typing import Any
from dpif.odp.model.kinds import Flags, Ipv4Kind, Ipv6Kind, Kind, Port, Raw
from dpif.odp.model.scanner import Scanner

_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?![0-9A-Za-z_.])")
_PREFIX_LENGTH = re.compile(r"[0-9]{1,3}(?![0-9a-fA-F.:x])")


class Seconds(Kind[float]):
    """A time in seconds."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("d", 8, 0, "a number of seconds")

    def value(self, raw: Raw) -> float:
        """Return `raw` itself."""
        return float(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take a decimal number, with or without a fraction."""
        return float(scanner.require(_SECONDS, "a number of seconds such as 2.5"))


SECONDS = Seconds()


def number(kind: Kind[Any], raw: Raw) -> float:
    """Return the number that a value or mask of that kind is compared by."""
    value = kind.value(raw)
    return value if isinstance(value, float) else int(value)


def scan_literal(scanner: Scanner, kind: Kind[Any]) -> float:
    """Take a value of that kind; a port may be named."""
    if isinstance(kind, Port):
        return scanner.port()
    raw = kind.scan(scanner)
    while isinstance(kind, Flags) and scanner.take("|"):
        raw |= kind.scan(scanner)
    return number(kind, raw)


def scan_bits(scanner: Scanner, kind: Kind[Any]) -> int:
    """Take the length of a prefix of an address, or a mask."""
    start = scanner.position
    length = scanner.match(_PREFIX_LENGTH) if isinstance(kind, (Ipv4Kind, Ipv6Kind)) else None
    if length is None:
        return int(number(kind, kind.scan_mask(scanner)))
    width = 8 * kind.size
    if int(length) > width:
        scanner.fail(f"/{length} is too long a prefix", f"at most /{width}", start)
    return (1 << width) - (1 << width - int(length))
