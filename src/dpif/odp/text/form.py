"""A form: what the texts like one text have in common, and how each becomes bytes.

All constants that are neighbours are one, so one `struct` call makes the bytes of a whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter

from dpif._typing import Any, Final, TypeAlias
from dpif.odp.text.parts import Part, Parts, Value, packer
from dpif.odp.text.pieces import Cursor
from dpif.odp.text.reading import FAULTS, NAMES, function
from dpif.odp.text.together import Columns

WORTH_COMPILING: Final = 100
"""Texts of a form after which the time to compile it is gained back: a fifth of what each of them takes."""

Element: TypeAlias = tuple[int, bytes, bytes]
"""An attribute's number, and its bytes: those of the key and of the mask; or 0, those of actions and none."""


def _joined(parts: Iterable[Part]) -> Parts:
    """Return the parts with neighbours that are constant as one."""
    joined: Parts = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        elif part:
            joined.append(part)
    return joined


class Form:
    """How the texts like one text become an `Element`: a number, and bytes in two parts, of which the second starts
    at ``head``: those of a mask.

    At first a form goes from value to value; where there are many texts like it, it is worth the time to compile it.
    Texts of which there are many at once are read column by column (`together`).
    """

    __slots__ = ("_columns", "_head", "_number", "_parts", "_places", "_read", "_used", "_words", "_words_of")

    def __init__(self, cursor: Cursor, parts: Iterable[Part], head: int, number: int) -> None:
        self._parts = _joined(parts)
        self._places = cursor.words()
        self._words_of = itemgetter(*self._places or (slice(0),))
        self._words = self._words_of(cursor.pieces)
        self._read = _interpreted(self._parts)
        self._columns: Columns | None = None
        self._head = head
        self._number = number
        self._used = 0

    def read(self, pieces: list[str]) -> Element | None:
        """Return what a text of the same skeleton means; None where it is not of this form."""
        data = self._bytes(pieces) if self.fits(pieces) else None
        return None if data is None else (self._number, data[: self._head], data[self._head :])

    def fits(self, pieces: list[str]) -> bool:
        """Tell whether a text of the same skeleton has the same names and words."""
        is_same: bool = self._words_of(pieces) == self._words
        return is_same

    def fit(self, pieces: list[str], count: int) -> bool:
        """Tell whether all of so many texts fit, whose pieces come one after the other."""
        size = len(pieces) // count
        for place, word in zip(self._places, self._words, strict=False):  # of none there is an empty list of words
            if pieces[place::size].count(word) != count:
                return False
        return True

    def read_all(self, pieces: list[str], count: int) -> list[bytes | None]:
        """Return the bytes of so many texts that fit; None for one that has a value which is not read so."""
        if self._columns is None:
            self._columns = Columns(self._parts)
        try:
            return [*self._columns.read(pieces, count)]
        except FAULTS:
            size = len(pieces) // count
            return [self._bytes(pieces[at : at + size]) for at in range(0, len(pieces), size)]

    def _bytes(self, pieces: list[str]) -> bytes | None:
        self._used += 1
        if self._used == WORTH_COMPILING:
            self._read = _compiled(self._parts)
        try:
            return self._read(pieces)
        except FAULTS:  # a value that its field does not take, or one by which forms are told apart
            return None


def _interpreted(parts: Parts) -> Callable[[list[str]], bytes]:
    pack = packer(parts)
    constants = [part if isinstance(part, bytes) else b"" for part in parts]
    values = [(at, part) for at, part in enumerate(parts) if isinstance(part, Value)]
    single = [(at, function(part.source, 1), part.places[0]) for at, part in values if len(part.places) == 1]
    several = [
        (at, function(part.source, len(part.places)), part.places) for at, part in values if len(part.places) > 1
    ]

    def read(pieces: list[str]) -> bytes:
        arguments: list[Any] = constants.copy()
        for at, read_one, place in single:
            arguments[at] = read_one(pieces[place])
        for at, read_all, places in several:
            arguments[at] = read_all(*[pieces[place] for place in places])
        return pack(*arguments)

    return read


def _compiled(parts: Parts) -> Callable[[list[str]], bytes]:
    """Return one function for all values; nothing of a text is in its source but the places of pieces."""
    names: dict[str, Any] = {f"c{at}": part for at, part in enumerate(parts) if isinstance(part, bytes)}
    arguments = [
        f"c{at}" if isinstance(part, bytes) else part.source.format(*[f"p[{place}]" for place in part.places])
        for at, part in enumerate(parts)
    ]
    names["pack"] = packer(parts)
    read: Callable[[list[str]], bytes] = eval(f"lambda p: pack({', '.join(arguments)})", {**NAMES, **names})
    return read
