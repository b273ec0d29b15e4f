"""Work counted, where time would tell of the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable


def steps_of(act: Callable[[], object]) -> int:
    """Return how many lines of Python `act` carries out."""
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        act()
    finally:
        sys.settrace(before)
    return count
