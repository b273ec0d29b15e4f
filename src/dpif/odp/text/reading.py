"""Values from pieces: the Python by which a field of each kind is read, and what that calls.

What is read here means what `Kind.scan` reads, or raises one of `parts.FAULTS`: for a value that a field does not
take, and also for one that is written as few are (an octal number), which the slow twin reads.
"""

from __future__ import annotations

import functools
import struct
import sys
from _socket import AF_INET, AF_INET6, inet_pton  # `socket` around it takes longer to load than all of this
from collections.abc import Callable

from dpif._typing import Any, Final
from dpif.odp.constants import VLAN_CFI
from dpif.odp.model.kinds import U128, Frag, Ipv4Kind, Ipv6Kind, Kind, MacKind, OtherOrder, Raw, UInt
from dpif.odp.text.parts import Value
from dpif.odp.text.pieces import UnusualError

MAX_REMEMBERED: Final = 4096
"""Masks of addresses that are remembered by their texts."""
FAULTS: Final = (ValueError, OSError, OverflowError, struct.error)
"""What reading a value raises that its field does not take."""
BITS: Final = "bits"
"""An order of which there is none: of a field among others in one number."""
_INTEGERS = (UInt.scan, OtherOrder.scan, Frag.scan)
_LONGEST = 40
"""Digits of the longest decimal number that a text may have."""


@functools.lru_cache(MAX_REMEMBERED)
def constant(kind: Kind[Any], raw: Raw, order: str = "!") -> bytes:
    """Return the bytes of a field whose raw value is known."""
    return struct.pack(order + kind.code, raw)


def value(kind: Kind[Any], place: int, order: str = "!") -> Value:
    """Return the part that is the value at `place`, in network (``!``) or host order (``=``), or `BITS`."""
    return Value(*_value(kind, order), (place,))


def mask(kind: Kind[Any], place: int, order: str = "!") -> Value:
    """Return the part that is a mask."""
    if type(kind) is Ipv4Kind:
        return Value("4s", 4, "MASKS4[{0}]", (place,))
    if type(kind) is Ipv6Kind:
        return Value("16s", 16, "MASKS6[{0}]", (place,))
    return value(kind, place, order)


def masked(kind: Kind[Any], value_place: int, mask_place: int, order: str = "!") -> Value:
    """Return the part that is a value with the bits outside its mask cleared."""
    code, size, source, _ = value(kind, value_place, order)
    bits = mask(kind, mask_place, order).source.replace("{0}", "{1}")
    if code.endswith("s"):
        return Value(code, size, f"both({source}, {bits})", (value_place, mask_place))
    checked = value(kind, value_place, BITS).source  # `struct` does not see it
    return Value(code, size, f"{checked} & {bits}", (value_place, mask_place))


def partial(kind: Kind[Any], part: Value) -> Value:
    """Return a mask that must not be full."""
    return part._replace(source=f"unlike({part.source}, {_full(kind, part)!r})")


def reads(part: Value, piece: str) -> bool:
    """Tell whether a piece can be read so."""
    try:
        function(part.source, 1)(piece)
    except FAULTS:
        return False
    return True


def _full(kind: Kind[Any], part: Value) -> Raw:
    if not part.code.endswith("s"):
        return kind.full
    return kind.full if isinstance(kind.full, bytes) else kind.full.to_bytes(part.size, "big")


def _integer(kind: Kind[Any]) -> str:
    if type(kind).scan not in _INTEGERS:
        raise UnusualError
    assert isinstance(kind, UInt)
    return "int({0}, 16)" if kind.radix == 16 else "int({0}, 0)"


@functools.lru_cache(MAX_REMEMBERED)
def _value(kind: Kind[Any], order: str) -> tuple[str, int, str]:
    if order == BITS and isinstance(kind, OtherOrder):
        raise UnusualError
    if type(kind) is MacKind:
        return "6s", 6, "mac({0})"
    if type(kind) is Ipv4Kind:
        return "4s", 4, "inet_pton(AF_INET, {0})"
    if type(kind) is Ipv6Kind:
        return "16s", 16, "inet_pton(AF_INET6, {0})"
    if type(kind) is U128:
        return "16s", 16, "int({0}, 0).to_bytes(16, 'little')"
    is_whole = order != BITS and kind.full == (1 << 8 * kind.size) - 1  # then `struct` checks the range
    source = _integer(kind) if is_whole else f"upto({_integer(kind)}, {kind.full})"
    is_host = (order == "=") != isinstance(kind, OtherOrder)
    if kind.size == 1 or not is_host or sys.byteorder == "big":
        return kind.code, kind.size, source
    return f"{kind.size}s", kind.size, f"({source}).to_bytes({kind.size}, {sys.byteorder!r})"


# What the sources call


def upto(number: int, most: int) -> int:
    """Return a number that is not too large."""
    if number > most:
        raise ValueError("too large")
    return number


def nonzero(value: Any) -> Any:
    """Return a value that is not zero, nor all zero bytes."""
    if not (any(value) if isinstance(value, bytes) else value):
        raise ValueError("zero means something else")
    return value


def unlike(value: Any, other: Any) -> Any:
    """Return a value that is not `other`, which would mean something else."""
    if value == other:
        raise ValueError("it means something else")
    return value


def both(value: bytes, mask: bytes) -> bytes:
    """Return the bits that are set in both."""
    bits = int.from_bytes(value, "big") & int.from_bytes(mask, "big")
    return bits.to_bytes(len(value), "big")


def mac(text: str) -> bytes:
    """Return the bytes of a MAC address in six pairs of digits."""
    data = bytes.fromhex(text.replace(":", ""))
    if len(data) != 6 or text[2::3] != ":::::":
        raise ValueError("no MAC address")
    return data


def wide(text: str, size: int) -> bytes:
    """Return the bytes of a number that may be wider than 64 bits."""
    if len(text) > _LONGEST and text[:2] not in ("0x", "0X"):
        raise ValueError("too long a decimal number")
    return int(text, 0).to_bytes(size, "big")


def exactly(data: bytes, size: int) -> bytes:
    """Return bytes of which there are so many."""
    if len(data) != size:
        raise ValueError("another form")
    return data


def pairs(text: str) -> bytes:
    """Return the bytes of pairs of digits, with nothing in between."""
    data = bytes.fromhex(text)  # which passes over spaces
    if 2 * len(data) != len(text):
        raise ValueError("no pairs of digits")
    return data


def hexadecimal(text: str) -> bytes:
    """Return the bytes of a number behind ``0x``, one for the first digit where there is an odd number of them."""
    if text[:2] != "0x":
        raise ValueError("no such number")
    return pairs(text[2:] if len(text) % 2 == 0 else f"0{text[2:]}")


def percentage(text: str) -> float:
    """Return a number that stands before a per cent sign."""
    number = float(text[:-1])
    if text[-1:] != "%" or not 0 <= number <= 100 or "e" in text or "E" in text:
        raise ValueError("no percentage")
    return number


def _probability(percentage: float) -> int:
    from dpif.odp.actions.nested import probability  # few flows sample

    return probability(percentage)


def above(value: Any, other: Any) -> Any:
    """Return a value that is above another, of the same size."""
    if value <= other:
        raise ValueError("no range")
    return value


def vlan_tci(vid: int, pcp: int) -> int:
    """Return the tag control information that a cookie has of a VLAN, none where both are zero."""
    tci = upto(pcp, 7) << 13 | upto(vid, 0xFFF)
    return tci | VLAN_CFI if tci else 0


class _Masks(dict[str, bytes]):
    """Masks of addresses by their texts, an address or the length of a prefix; few are met again and again."""

    def __init__(self, family: int, bits: int) -> None:
        self._family = family
        self._bits = bits

    def __missing__(self, text: str) -> bytes:
        if len(text) <= 3 and text.isdigit():
            ones = (1 << self._bits) - 1
            data = (ones ^ ones >> upto(int(text), self._bits)).to_bytes(self._bits // 8, "big")
        else:
            data = inet_pton(self._family, text)
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[text] = data
        return data


NAMES: Final[dict[str, Any]] = {
    "AF_INET": AF_INET,
    "AF_INET6": AF_INET6,
    "MASKS4": _Masks(AF_INET, 32),
    "MASKS6": _Masks(AF_INET6, 128),
    "above": above,
    "both": both,
    "exactly": exactly,
    "hexadecimal": hexadecimal,
    "inet_pton": inet_pton,
    "mac": mac,
    "nonzero": nonzero,
    "pairs": pairs,
    "percentage": percentage,
    "probability": _probability,
    "unlike": unlike,
    "upto": upto,
    "vlan_tci": vlan_tci,
    "wide": wide,
}
"""What the sources of values may call."""


@functools.lru_cache(1024)
def function(source: str, count: int) -> Callable[..., Any]:
    """Return the function of so many pieces that `source` is."""
    names = [f"v{at}" for at in range(count)]
    made: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {source.format(*names)}", NAMES)
    return made
