"""What a terminal shows of command lines, as a picture: `shown` runs them on one, `svg` draws it.

Of what a program says to a terminal it knows colours and bold type: that is all that dpif says, but for lines that
are rewritten, of which the last state is shown.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

COLUMNS = 80
_ROWS = 50
_PATIENCE = 60.0
"""Seconds after which what still runs is killed, so that its status tells."""
_STYLE = re.compile(r"\x1b\[([\d;]*)m")
_OTHER_SEQUENCES = re.compile(r"\x1b\[[\d;?]*[A-LN-Za-ln-z]")
_COLOURS = {31: "#f2777a", 32: "#99cc99", 33: "#ffcc66", 34: "#6699cc", 35: "#cc99cc", 36: "#66cccc"}
_PAPER, _INK, _FAINT = "#1e2127", "#d8dce4", "#8a919e"
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
_PROMPT = "\x1b[2m$\x1b[0m "
_CHARACTER, _LINE, _MARGIN, _BAR = 7.8, 18, 14, 28


class Run(NamedTuple):
    """A command line, what the terminal showed of it, and its exit status."""

    command: str
    output: str
    status: int


def run(command: str, environ: Mapping[str, str], *, columns: int = COLUMNS, cwd: str | None = None) -> Run:
    """Run a command line by a shell whose terminal is `columns` wide."""
    reading, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    quiet = {"TERM": "xterm-256color", "PAGER": "cat", "DPIF_PAGER": "cat"}
    process = subprocess.Popen(
        ["bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**environ, **quiet},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(terminal)
    too_long = threading.Timer(_PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    too_long.start()
    output = b"".join(_pieces(reading))
    os.close(reading)
    status = process.wait()
    too_long.cancel()
    return Run(command, _settled(output.decode()), status)


def _pieces(reading: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(reading, 65536)
        except OSError:  # Linux says EIO when nobody holds the terminal any more
            return
        if not piece:
            return
        yield piece


def _settled(text: str) -> str:
    """Return what is seen in the end: of a line that was rewritten its last state."""
    lines = _OTHER_SEQUENCES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join([line.rpartition("\r")[2] for line in lines]).rstrip("\n")


def shown(runs: Iterable[Run]) -> str:
    """Return the runs as a reader sees them, one below the other, each behind its prompt."""
    return "\n".join([line for one in runs for line in (f"{_PROMPT}\x1b[1m{one.command}\x1b[0m", one.output) if line])


def plain(text: str) -> str:
    """Return a text without its colours."""
    return _STYLE.sub("", text)


def svg(text: str, title: str, *, columns: int = COLUMNS) -> str:
    """Draw a terminal that shows `text`; `title` tells who cannot see it what it is of."""
    rows = [row for line in text.expandtabs().split("\n") for row in _rows(line, columns)]
    width = round(columns * _CHARACTER + 2 * _MARGIN)
    height = _BAR + _MARGIN + _LINE * len(rows)
    dots = [
        f'<circle cx="{_MARGIN + 6 + 16 * place}" cy="15" r="5" fill="{fill}"/>'
        for place, fill in enumerate((_COLOURS[31], _COLOURS[33], _COLOURS[32]))
    ]
    lines = [
        f'<text y="{_BAR + _LINE * number + 12}" xml:space="preserve">{"".join(map(_span, row))}</text>'
        for number, row in enumerate(rows)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{_PAPER}"/>',
            *dots,
            f'<g font-family="{_FONTS}" font-size="13" fill="{_INK}">',
            *lines,
            "</g>",
            "</svg>\n",
        ]
    )


class _Piece(NamedTuple):
    """Text of one style, from a column on."""

    column: int
    text: str
    style: frozenset[int]


def _rows(line: str, columns: int) -> Iterator[list[_Piece]]:
    """Yield the rows that a line takes on a terminal, which goes on in the next where the line is too long."""
    style: frozenset[int] = frozenset()
    row: list[_Piece] = []
    column = 0
    for place, part in enumerate(_STYLE.split(line)):
        if place % 2:
            style = frozenset(int(number or 0) for number in part.split(";"))
            continue
        while part:
            if column == columns:
                yield row
                row, column = [], 0
            here, part = part[: columns - column], part[columns - column :]
            row.append(_Piece(column, here, style))
            column += len(here)
    yield row


def _span(piece: _Piece) -> str:
    """Return a piece, as wide as it is on a terminal whatever the font."""
    start, length = _MARGIN + piece.column * _CHARACTER, len(piece.text) * _CHARACTER
    return (
        f'<tspan x="{start:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'
        f"{_attributes(piece.style)}>{html.escape(piece.text)}</tspan>"
    )


def _attributes(style: frozenset[int]) -> str:
    fill = next((_COLOURS[number] for number in sorted(style) if number in _COLOURS), _FAINT if 2 in style else "")
    return (f' fill="{fill}"' if fill else "") + (' font-weight="bold"' if 1 in style else "")
