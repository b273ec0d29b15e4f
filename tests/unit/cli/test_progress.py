"""The line that says how far something has come."""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from dpif.cli.command_table import BY_NAME
from dpif.cli.context import Context
from dpif.cli.output.progress import Progress


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard error a terminal of 20 columns; yield its other end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 20, 0, 0))
    with os.fdopen(slave, "w") as stderr, os.fdopen(master, "rb"), monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        yield master


def test_nothing_before_a_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(itertools.count(0.0, 0.09).__next__)
    with terminal(monkeypatch) as screen:
        assert list(progress.over("abcdefghij", lambda count, item: f"{count}{item}")) == list("abcdefghij")
        progress.erase()
        assert not _shown(screen)


def test_the_line_is_rewritten_cut_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(itertools.count(0.0, 1.0).__next__)
    with terminal(monkeypatch) as screen:
        assert list(progress.over("ab", lambda count, item: f"{count}{item} and some more text")) == ["a", "b"]
        assert _shown(screen) == "\r1a and some more te\x1b[K\r2b and some more te\x1b[K"
        progress.erase()
        progress.erase()
        assert _shown(screen) == "\r\x1b[K"


def _shown(master: int) -> str:
    """Return what was shown; a mark behind it says when that is all, since it comes with a delay."""
    print("#", end="", file=sys.stderr, flush=True)
    shown = b""
    while not shown.endswith(b"#"):
        shown += os.read(master, 4096)
    return shown[:-1].decode()


def context() -> Context:
    return Context(
        BY_NAME["dump-dps"],
        [],
        SimpleNamespace(
            socket=None, names=None, more=None, json=False, json_lines=False, color=None, output=None, wide=False
        ),
    )


def test_only_a_terminal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    items = [1, 2]
    with context().watching(items, lambda count, _: str(count)) as watched:
        assert watched is items


def test_a_failure_takes_the_place_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", itertools.count(0.0, 1.0).__next__)
    asked = context()
    with terminal(monkeypatch) as screen:
        with asked.watching("ab", lambda _, item: item) as watched:
            for item in watched:
                asked.report(f"{item} failed")
        shown = _shown(screen).replace("\r\n", "\n")
    assert shown == "\ra\x1b[K\r\x1b[Kdpif: a failed\n\rb\x1b[K\r\x1b[Kdpif: b failed\n"
