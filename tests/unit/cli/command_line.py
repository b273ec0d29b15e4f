"""Command lines in processes of their own, in the state that a parent might leave them in."""

from __future__ import annotations

import sys

_START = """\
import fcntl, os, signal, sys, termios
{}
os.execv(sys.executable, [sys.executable, "-m", "dpif", *sys.argv[1:]])
"""


def command_line(*words: str, left: str = "") -> list[str]:
    """Return what starts ``dpif`` with these words; statements in `left` are run in its process before it."""
    start = ["-c", _START.format(left)] if left else ["-m", "dpif"]
    return [sys.executable, *start, *words]
