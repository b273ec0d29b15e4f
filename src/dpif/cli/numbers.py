"""Numbers as a command line has them."""

from __future__ import annotations

from dpif._typing import Final

_MOST_DIGITS: Final = 25
"""More than any number has that a datapath takes; Python refuses to read some thousands."""


def read_number(text: str) -> int | None:
    """Return a number of decimal digits, None where they are something else.

    One that is longer than any that can be used becomes one that is too large as well.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text.lstrip("0")[:_MOST_DIGITS] or "0")
