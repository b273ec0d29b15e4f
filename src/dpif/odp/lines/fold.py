"""Lines of flows that are longer than a terminal is wide: broken at commas between fields, and indented.

Where a line must be broken it is at the last comma that fits, of those that lie least deep in parentheses: so a field
stays whole as long as it can. Nothing is cut, and nothing but blanks is added. A text that was folded reads back when
the ends of its lines are taken out (`unfold`).
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._lazy import pattern

_HANG = 4
"""How much further in the later lines stand."""
_NARROWEST = 20
"""Columns that a text has, wherever it begins."""
_FOLD = pattern(r"\n[ \t]*+")


class Hanging(str):
    """A line whose text begins behind a column of something else; ``column`` is where."""

    __slots__ = ("column",)
    column: int

    @classmethod
    def at(cls, column: int, line: str) -> Hanging:
        """Return the line, with where its text begins."""
        made = cls(line)
        made.column = column
        return made


def fold(line: str, width: int) -> Iterator[str]:
    """Yield the lines that `line` takes on a terminal of so many columns; 0 is one without an end."""
    if not width or len(line) <= width:
        yield line
        return
    column = line.column if isinstance(line, Hanging) else 0
    hang = min(column + _HANG, max(width - _NARROWEST, 0))
    indent, start = "", 0
    for end in _ends(line, _breaks(line), width, hang):
        yield f"{indent}{line[start:end].rstrip()}"
        indent, start = " " * hang, end


def unfold(text: str) -> str:
    """Return a text of which a terminal made several lines as the one that it was."""
    return _FOLD.sub("", text)


def _breaks(line: str) -> list[tuple[int, int]]:
    """Return where the line can be broken, and how deep in parentheses that is."""
    found, depth = [], 0
    for at, letter in enumerate(line):
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == ",":
            blank = line[at + 1 : at + 2] == " "
            found.append((at + 1 + blank, depth))
    return found


def _ends(line: str, breaks: list[tuple[int, int]], width: int, hang: int) -> Iterator[int]:
    """Yield where each line ends: at the best break that fits, else at the next one."""
    start, at, room = 0, 0, width
    while len(line) - start > room:
        first = at
        while at < len(breaks) and len(line[start : breaks[at][0]].rstrip()) <= room:
            at += 1
        if at == first:  # nothing fits
            if at == len(breaks):
                break
            at += 1
        best = min(range(first, at), key=lambda index: (breaks[index][1], -index))
        at = best + 1
        start, room = breaks[best][0], width - hang
        yield start
    yield len(line)
