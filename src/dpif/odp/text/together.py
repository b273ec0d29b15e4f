"""The values of many texts of one form, read together: what stands at one place of each text is a column.

For a column the interpreter's C does what otherwise takes a call for each value: a third of the time.
"""

from __future__ import annotations

import functools
from _socket import AF_INET, AF_INET6, inet_pton
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

from dpif._typing import Any, Final, TypeAlias
from dpif.odp.text.parts import Parts, Value, packer
from dpif.odp.text.reading import NAMES

Column: TypeAlias = list[str]
_MAC: Final = 18
"""Characters of a MAC address and of what stands behind it."""


def macs(column: Column) -> Iterable[bytes]:
    """Return the bytes of MAC addresses in six pairs of digits each."""
    text = ",".join(column)
    if len(text) != _MAC * len(column) - 1 or text[_MAC - 1 :: _MAC] != "," * (len(column) - 1):
        raise ValueError("no MAC addresses")
    for at in range(2, _MAC - 1, 3):
        if text[at::_MAC] != ":" * len(column):
            raise ValueError("no MAC addresses")
    data = bytes.fromhex(text.replace(":", "").replace(",", ""))
    if len(data) != 6 * len(column):
        raise ValueError("no MAC addresses")
    return [data[at : at + 6] for at in range(0, len(data), 6)]


_READERS: Final[dict[str, Callable[[Column], Iterable[Any]]]] = {
    "int({0}, 0)": lambda column: map(int, column, repeat(0)),
    "int({0}, 16)": lambda column: map(int, column, repeat(16)),
    "mac({0})": macs,
    "inet_pton(AF_INET, {0})": lambda column: map(inet_pton, repeat(AF_INET), column),
    "inet_pton(AF_INET6, {0})": lambda column: map(inet_pton, repeat(AF_INET6), column),
    "MASKS4[{0}]": functools.partial(map, NAMES["MASKS4"].__getitem__),
    "MASKS6[{0}]": functools.partial(map, NAMES["MASKS6"].__getitem__),
}
"""What is read without a step of Python for each value."""


@functools.lru_cache(1024)
def reader(source: str, count: int) -> Callable[..., Iterable[Any]]:
    """Return the function of so many columns that reads all that `source` reads of single pieces."""
    known = _READERS.get(source)
    if known is not None:
        return known
    names = [f"v{at}" for at in range(count)]
    columns = [f"c{at}" for at in range(count)]
    rows = columns[0] if count == 1 else f"zip({', '.join(columns)})"
    text = f"lambda {', '.join(columns)}: [{source.format(*names)} for {', '.join(names)} in {rows}]"
    made: Callable[..., Iterable[Any]] = eval(text, NAMES)
    return made


class Columns:
    """Reads texts that consist of the same parts, and whose pieces come one after the other."""

    def __init__(self, parts: Parts) -> None:
        parts = [b"", *parts]  # the first is there as often as there are texts
        self._pack = packer(parts)
        self._constants: list[Iterable[Any]] = [repeat(part) if isinstance(part, bytes) else () for part in parts]
        self._values = [
            (at, reader(part.source, len(part.places)), part.places)
            for at, part in enumerate(parts)
            if isinstance(part, Value)
        ]

    def read(self, pieces: list[str], count: int) -> Iterator[bytes]:
        """Yield the bytes of so many texts; raise one of `FAULTS` for what is not read so."""
        size = len(pieces) // count
        columns = self._constants.copy()
        columns[0] = repeat(b"", count)
        for at, read, places in self._values:
            columns[at] = read(*[pieces[place::size] for place in places])
        return map(self._pack, *columns)
