"""Numbers as a command line has them."""

from __future__ import annotations

import sys

from dpif._typing import Final
from dpif.cli.errors import UsageError

_MOST_DIGITS: Final = 25
"""More than any number has that a datapath takes; Python refuses to read some thousands."""


class _Huge(int):
    """A number that is too long to be one; it is told by its first digits."""

    def __str__(self) -> str:
        return f"{super().__repr__()}…"

    __repr__ = __str__


def read_number(text: str) -> int | None:
    """Return a number of decimal digits, None where they are something else.

    One that is longer than any that can be used becomes one that is too large as well, and shows that it was longer.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else _Huge(digits[:_MOST_DIGITS])


def read_limit(text: str | None, of: str) -> int | None:
    """Return how many are to be shown at most, None for all; raise `UsageError`. `of` says of what."""
    limit = None if text is None else read_number(text)
    if text is not None and (limit is None or limit > sys.maxsize):
        raise UsageError(f"--limit takes a number of {of}, not '{text}'")
    return limit
