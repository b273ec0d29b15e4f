"""How the lab says what it does while it prepares: a line at a time, to whom the caller names."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Tell", "silent"]

Tell = Callable[[str], None]
"""Takes a line for whoever waits."""


def silent(_line: str) -> None:
    """Tell nobody."""
