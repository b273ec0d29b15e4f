"""A pager for output that is longer than the screen, as git has one: $DPIF_PAGER, else $PAGER, else less.

Output is held back until it fills the screen: only then is a pager started, and it gets all of it. What is to be seen
as it comes (`Pager.flush`) is never paged. ``less`` is started as with the options -F, -R and -X, or -S for rows that
are not folded, unless $LESS says otherwise; an empty $DPIF_PAGER or $PAGER, or ``cat``, is none.

Ctrl-C reaches the pager as well as us. We end, it stays until it is told to quit, and then we say what there is to
say; who quits it early ends us as the reader of a pipe does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING
from dpif.cli.endings import endings

if TYPE_CHECKING:
    import subprocess

_COLOUR = pattern(r"\x1b\[[0-9;]*+m")
_USUAL = "less"
_NONE = ("", "cat")


def pager_command(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the words of the pager's command line; none where there is to be none, or it is not installed."""
    import shlex
    import shutil

    wanted = environ.get("DPIF_PAGER", environ.get("PAGER", _USUAL)).strip()
    if wanted in _NONE or environ.get("TERM", "dumb") == "dumb":
        return []
    try:
        words = shlex.split(wanted)
    except ValueError:
        return []
    return words if shutil.which(words[0]) else []


class Pager:
    """What stands between a command and its terminal; ``later`` are lines for stderr that wait for its end."""

    def __init__(self, size: os.terminal_size, *, is_wide: bool) -> None:
        self._size = size
        self._is_wide = is_wide
        self._held: list[str] = []
        self._rows = 0
        self._is_off = not size.lines
        self._process: subprocess.Popen[bytes] | None = None
        self.later: list[str] = []

    @property
    def is_on(self) -> bool:
        """Whether a pager has the screen."""
        return self._process is not None

    def write(self, text: str) -> int:
        """Write to the pager where it is on, to the terminal where there is to be none, else keep the text."""
        if self._process is not None:
            _write_all(self._process, text)
        elif self._is_off:
            sys.stdout.write(text)
        else:
            self._held.append(text)
            self._rows += sum(map(self._rows_of, text.splitlines()))
            if self._rows >= self._size.lines:
                self._start()
        return len(text)

    def _rows_of(self, line: str) -> int:
        length = len(_COLOUR.sub("", line))
        return max(1, -(-length // self._size.columns)) if self._size.columns and not self._is_wide else 1

    def _start(self) -> None:
        import subprocess

        command = pager_command()
        if command:
            usual = {"LESS": "FRSX" if self._is_wide else "FRX"}
            sys.stdout.flush()
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, env={**usual, **os.environ})
        self._is_off = not command
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        if held:
            self.write("".join(held))

    def flush(self) -> None:
        """Show what was written so far; nothing is held back from here on."""
        if self._process is None:
            self._is_off = True
            self._release()
        sys.stdout.flush()

    def close(self) -> None:
        """Wait until the pager is told to quit; where there is none, leave what is held to the terminal."""
        if self._process is None:
            self._is_off = True
            self._release()
            return
        assert self._process.stdin is not None
        with endings.deaf():
            self._process.stdin.close()
            self._process.wait()
        for line in self.later:
            print(line, file=sys.stderr)


def _write_all(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    rest = memoryview(text.encode("utf-8", "surrogateescape"))
    while rest:
        rest = rest[process.stdin.write(rest) :]
