"""A text of a flow cut at its brackets and separators: names, words and values, and what stands behind each.

A text and another one have the same *skeleton* when they differ in digits alone (hexadecimal ones, and what stands
between digits). Then they have as many pieces, with the same behind each, and of a piece that is a name or a word in
one the other has the same letters but for those that are hexadecimal digits too.
"""

from __future__ import annotations

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re

DEEPEST = 12
"""Forms are made of texts with so many levels of parentheses; Open vSwitch's own have fewer."""
_DIGITS = b"0123456789abcdefABCDEFxX.:"
_ENDS = b"()=/{}+-|,$"
_LEVEL = bytes.maketrans(_ENDS + b"B", b"," * len(_ENDS) + b"b")
LINES: Final = bytes.maketrans(_ENDS + b" \nB", b"," * (len(_ENDS) + 2) + b"b")
"""Cuts lines of texts, too: at their ends, and at the spaces in them."""
_NOT_ENDS = bytes(set(range(256)) - set(_ENDS))
_BINARY = pattern(rb",0b[01]*+(?![0-9a-f:])")
_OF_VALUES = _DIGITS.decode()


class UnusualError(Exception):
    """No form is made of this text, or it has not the form that was expected: ask the slow twin."""


def skeleton(text: bytes) -> bytes:
    """Return a text without the digits of its values."""
    return text.translate(None, _DIGITS)


def split(text: bytes, table: bytes = _LEVEL) -> list[str]:
    """Return the pieces; raise `ValueError` where a number is written as no text of a flow has it."""
    level = text.translate(table)
    if level[:2] == b"0b" or level.count(b",0b") > level.count(b",0b:"):  # and no addresses alone
        _refuse_binary(b"," + level)
    return level.decode("ascii").split(",")


def _refuse_binary(level: bytes) -> None:
    if _BINARY.search(level):
        raise ValueError("a binary number")  # Python reads it


def _is_value(piece: str) -> bool:
    """Tell whether a piece consists of digits, of which there are some: without `re`, which few texts need."""
    return bool(piece) and not piece.strip(_OF_VALUES)


class Cursor:
    """Walks over the pieces of a text; notes which are values. All others are the same in each text of a form."""

    def __init__(self, text: bytes) -> None:
        self.pieces = split(text)
        self.ends = text.translate(None, _NOT_ENDS).decode() + "$"
        self.at = 0
        self.depth = 0
        self.values: set[int] = set()

    @property
    def piece(self) -> str:
        """The piece that comes next."""
        return self.pieces[self.at]

    @property
    def end(self) -> str:
        """What stands behind it; ``$`` behind the last."""
        return self.ends[self.at]

    def take(self, ends: str) -> int:
        """Take a piece behind which stands one of `ends`; return its place."""
        place = self.at
        if self.ends[place] not in ends:
            raise UnusualError
        self.at += 1
        return place

    def word(self, ends: str) -> str:
        """Take a piece that is the same in each text of the form."""
        return self.pieces[self.take(ends)]

    def skip(self, piece: str, end: str) -> bool:
        """Take this very piece if it comes next, and tell whether it did."""
        if self.piece != piece or self.end != end:
            return False
        self.at += 1
        return True

    def expect(self, piece: str, end: str) -> None:
        """Take this very piece."""
        if not self.skip(piece, end):
            raise UnusualError

    def value(self, ends: str) -> int:
        """Take a piece that is a value of its own in each text; return its place."""
        place = self.take(ends)
        self.is_value(place)
        return place

    def is_value(self, place: int, fits: re.Pattern[str] | None = None) -> None:
        """Note that the piece at this place is a value."""
        piece = self.pieces[place]
        if not (_is_value(piece) if fits is None else fits.fullmatch(piece)):
            raise UnusualError
        self.values.add(place)

    def at_value(self) -> bool:
        """Tell whether what comes next is written as values are."""
        return self.piece[:1].isdigit() and _is_value(self.piece)

    def rest(self) -> str:
        """Take what comes up to the closing parenthesis, and that; return the text, the same in each of the form."""
        start = self.at
        while self.end not in ")$":
            if self.end == "(":
                raise UnusualError
            self.at += 1
        self.take(")")
        return "".join([f"{self.pieces[at]}{self.ends[at]}" for at in range(start, self.at)])[:-1]

    def enter(self) -> None:
        """Note that a level of parentheses starts."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnusualError

    def leave(self) -> None:
        """Note that it ended."""
        self.depth -= 1

    def words(self) -> list[int]:
        """Return the places of all pieces that are no values."""
        return [place for place in range(len(self.pieces)) if place not in self.values]
