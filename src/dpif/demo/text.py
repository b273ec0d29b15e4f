"""Plain text for a terminal: aligned rows, and lines that are not too long. Knows nothing of what it shows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["WIDTH", "prose", "rows", "wrap"]

WIDTH = 100
"""Characters of the longest line."""


def wrap(text: str, indent: int = 2, hang: int = 4) -> Iterator[str]:
    """Yield the lines of `text`, broken at its spaces where it is too long; later lines stand `hang` further in."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
        break_long_words=False,
        break_on_hyphens=False,
    )


def prose(text: str) -> Iterator[str]:
    """Yield the lines of a paragraph."""
    return wrap(text, indent=0, hang=0)


def rows(cells: Iterable[Sequence[object]], indent: int = 2) -> Iterator[str]:
    """Yield a line for each row, with columns as wide as they need be; numbers stand to the right."""
    kept = [tuple(row) for row in cells]
    widths = [max(len(str(cell)) for cell in column) for column in zip(*kept, strict=True)]
    for row in kept:
        line = "  ".join(
            f"{cell:>{width}}" if isinstance(cell, int) else f"{cell:<{width}}"
            for cell, width in zip(row, widths, strict=True)
        )
        yield " " * indent + line.rstrip()
