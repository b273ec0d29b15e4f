"""Plain text for a terminal: aligned rows, and lines that are not too long. Knows nothing of what it shows."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from dpif.odp.lines.fold import Hanging, fold

__all__ = ["WIDTH", "flow_lines", "prose", "rows", "width"]

WIDTH = 100
"""Characters of the longest line that is easy to read."""
_INDENT = "  "


def width() -> int:
    """Return how long a line may be: as the terminal is wide, where there is one (or the variable COLUMNS)."""
    return min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)


def flow_lines(text: str) -> Iterator[str]:
    """Yield the lines of a flow, broken at commas where it is too long."""
    return fold(Hanging.at(len(_INDENT), f"{_INDENT}{text}"), width())


def prose(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of a paragraph, broken at its spaces."""
    yield from textwrap.wrap(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
