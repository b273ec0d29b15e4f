"""Files that a command reads, ``-`` being the standard input: they are opened, and their lines bounded, in here."""

from __future__ import annotations

import errno
import os
import sys

from dpif._typing import Final
from dpif.cli.errors import CommandError

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line, or characters; the longest of a flow, whose attributes have 64 KiB at most, has fewer.

What is longer is no text of lines, such as ``/dev/zero``, which never ends.
"""


def open_input(name: str) -> int:
    """Return the descriptor of a file, which is not to be closed where it is the standard input; raise `OSError`."""
    if name == "-":
        if sys.stdin is None:  # whoever started this process closed it
            raise OSError(errno.EBADF, "the standard input is closed")
        return sys.stdin.fileno()
    if "\0" in name:
        raise OSError(errno.EINVAL, "there is a NUL in its name")
    return os.open(name, os.O_RDONLY)


def too_long(name: str, number: int) -> CommandError:
    """Return the failure of a file one of whose lines is longer than `LONGEST_LINE`."""
    return CommandError(f"{name}:{number}: the line is longer than {LONGEST_LINE} bytes; the rest is not read")
