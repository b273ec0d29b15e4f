"""A terminal: a command line run in a process of its own, as a person at a terminal runs it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import Self

from .command_line import command_line

CTRL_C = b"\x03"
_PROGRESS = re.compile(r"\r[^\r\n]*\x1b\[K")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TAKE_TERMINAL = "fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
"""It becomes the controlling one, so that Ctrl-C means something."""


class Terminal:
    """Runs ``dpif`` on a pseudo-terminal of so many columns that is its controlling one; `environ` is added to ours.

    There is no pager unless it says so.

    ``shown`` is what came out so far.
    """

    def __init__(self, *words: str, columns: int = 200, rows: int = 50, **environ: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "", "DPIF_PAGER": "", **environ}
        command = command_line(*words, left=_TAKE_TERMINAL)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read(self) -> bool:
        """Wait for more to be shown; tell whether there was more."""
        try:
            more = os.read(self._master, 4096)
        except OSError:  # Linux says so when the other side is gone
            return False
        self.shown += more.decode().replace("\r\n", "\n")
        return bool(more)

    def read_until(self, text: str) -> None:
        """Wait until `text` was shown."""
        while text not in self.shown:
            assert self.read(), self.shown

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        while self.read():
            pass
        return self.process.wait()


def run_on_terminal(*words: str, columns: int = 200, **environ: str) -> tuple[int, str]:
    """Run a command line; return its exit status and what it showed, without the progress."""
    with Terminal(*words, columns=columns, **environ) as terminal:
        return terminal.end(), without_progress(terminal.shown)


def without_progress(text: str) -> str:
    """Return `text` as it is where all is quick: how far something has come is shown when a second is over."""
    return _PROGRESS.sub("", text)


def without_colour(text: str) -> str:
    """Return `text` as it is without colour."""
    return _COLOUR.sub("", text)
