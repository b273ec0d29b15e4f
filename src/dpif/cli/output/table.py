"""Tables for people: columns that stand below their titles, in the width of a terminal.

Rows are shown as they come: the first of them set the widths, a longer cell behind them widens its column from
there on. A row that is too long for the terminal goes on in the next line, further in, and so do the titles;
nothing is cut.
Behind the last column there may be words that only some rows have, each of which says what it is.

This file knows text alone. It is imported where there is a terminal: what a pipe gets is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dpif._typing import NamedTuple
from dpif.cli.errors import printable
from dpif.cli.output.colour import paint_title
from dpif.errors import DpifError

_SAMPLE = 100
"""How many rows are looked at before the first is shown."""
_GAP = "  "
_FURTHER_IN = "    "


class Screen(NamedTuple):
    """What a table is shown on; a ``width`` of 0 columns is one without an end."""

    width: int = 0
    is_coloured: bool = False


class Column(NamedTuple):
    """A column; numbers go to the right. One that `begins_group` may begin a line where rows need more than one."""

    title: str
    is_number: bool = False
    begins_group: bool = False


class Row(NamedTuple):
    """The text of each column, and the words behind them.

    A thing may take several rows: those after the first are ``more``, and ``about`` are words on all of it, which
    stand behind the first row, or below the last where they do not fit.
    """

    cells: Sequence[str]
    words: Sequence[str] = ()
    more: Sequence[Row] = ()
    about: Sequence[str] = ()


def _printable(row: Row) -> Row:
    """Return a row in which all that a terminal would obey is written out: names hold anything."""
    cells, words, more, about = row
    return Row([*map(printable, cells)], [*map(printable, words)], [*map(_printable, more)], [*map(printable, about)])


class Table:
    """A table; ``more`` is the title of the words behind its columns, ``indent`` stands in front of every line."""

    def __init__(self, screen: Screen, columns: Sequence[Column], more: str = "", indent: str = "") -> None:
        self._screen = screen
        self._columns = columns
        self._more = more
        self._indent = indent
        self._widths = [len(column.title) for column in columns]

    def lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """Yield the titles and the rows; nothing where there is no row.

        An error of `rows` is raised behind those that came before it.
        """
        rest = map(_printable, rows)
        sample: list[Row] = []
        failure: Exception | None = None
        try:
            sample.extend(islice(rest, _SAMPLE))  # keeps what came before an error
        except (DpifError, OSError) as error:
            failure = error
        if sample:
            for row in sample:
                self._make_room(row)
            yield from self._titles(has_words=any(row.words or row.about for row in sample))
        for row in sample:
            yield from self._fold(row)
        if failure is not None:
            raise failure
        for row in rest:
            self._make_room(row)
            yield from self._fold(row)

    def _make_room(self, row: Row) -> None:
        for one in (row, *row.more):
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, one.cells, strict=True)]

    def _titles(self, *, has_words: bool) -> Iterator[str]:
        words = [self._more] if has_words and self._more else []
        for line in self._fold(Row([column.title for column in self._columns], words)):
            yield paint_title(line) if self._screen.is_coloured else line

    def _fold(self, row: Row) -> Iterator[str]:
        """Yield the line of a row, or the lines that it takes; one in which nothing stands is left out."""
        first = list(self._fold_pieces(self._pieces(row.cells, [*row.words, *row.about])))
        fits = len(first) == 1 or not row.more
        yield from first if fits else self._fold_pieces(self._pieces(row.cells, row.words))
        for one in row.more:
            yield from self._fold(one)
        if not fits:
            yield from self._fold_pieces(((" ", word) for word in row.about), self._indent + _FURTHER_IN)

    def _fold_pieces(self, pieces: Iterable[tuple[str, str]], indent: str | None = None) -> Iterator[str]:
        line, is_empty = self._indent if indent is None else indent, True
        for gap, text in pieces:
            if is_empty or self._fits(len(line) + len(gap) + len(text)):
                line += text if is_empty else gap + text
            else:
                if not line.isspace():
                    yield line.rstrip()
                line = self._indent + _FURTHER_IN + text
            is_empty = False
        if not line.isspace():
            yield line.rstrip()

    def _pieces(self, cells: Sequence[str], words: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
        """Yield what should not be torn apart, each with what separates it from the one before."""
        group: list[str] = []
        for column, width, cell in zip(self._columns, self._widths, cells, strict=True):
            if column.begins_group:
                yield from self._together(group)
                group = []
            group.append(cell.rjust(width) if column.is_number else cell.ljust(width))
        yield from self._together(group)
        for at, word in enumerate(words):
            yield " " if at else _GAP, word

    def _together(self, cells: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield cells as one piece, if a line can hold them."""
        text = _GAP.join(cells)
        fit = self._fits(len(self._indent) + len(_FURTHER_IN) + len(text))
        yield from ((_GAP, piece) for piece in ((text,) if fit else cells))

    def _fits(self, length: int) -> bool:
        return not self._screen.width or length <= self._screen.width
