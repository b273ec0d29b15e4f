"""Waiting for what another thread or process does, without guessing how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["PATIENCE", "eventually"]

PATIENCE = 60.0
"""Seconds for what is bound to happen soon: no machine is so slow or so busy that it takes as long."""


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Return as soon as `condition` holds; raise `TimeoutError` when it does not within `seconds`."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not happen within {seconds:g} s")
        pause.wait(0.01)
