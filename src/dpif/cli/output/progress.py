"""How far something has come, for a person who waits: one line on standard error, on a terminal only.

It appears when a second is over, is rewritten in place, and is erased at the end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from dpif._typing import TypeVar

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds before anything is shown."""
_INTERVAL = 0.2
"""Seconds from one line to the next."""
_ERASE = "\r\x1b[K"


class Progress:
    """A line that tells how far something is; ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._due = self._clock() + _PATIENCE
        self._is_shown = False

    def over(self, items: Iterable[T], tell: Callable[[int, T], str]) -> Iterator[T]:
        """Yield `items`; `tell` says how far that is, of their count so far and the last one."""
        for count, item in enumerate(items, 1):
            if self._clock() >= self._due:
                self._show(tell(count, item))
            yield item

    def _show(self, text: str) -> None:
        width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
        sys.stderr.write(f"\r{text[: max(width, 1)]}\x1b[K")
        sys.stderr.flush()
        self._is_shown = True
        self._due = self._clock() + _INTERVAL

    def erase(self) -> None:
        """Take the line away; it comes again when there is more to tell."""
        if self._is_shown:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            self._is_shown = False
