"""What ends a loop that waits: a bell that may be rung from anywhere, and the signals that ring it.

Knows nothing of what the loop does.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["Bell", "on_signals"]


class Bell:
    """Something to wait on beside other descriptors; once it has been rung it stays so.

    A context manager.
    """

    def __init__(self) -> None:
        self.rung = False
        self._reader, self._writer = socket.socketpair()

    def fileno(self) -> int:
        """Return a descriptor that is readable from the first ring on."""
        return self._reader.fileno()

    def ring(self) -> None:
        """Ring; from a signal handler and from other threads too. After `close` nobody hears it."""
        if not self.rung:
            self.rung = True
            with contextlib.suppress(OSError):
                self._writer.send(b"\0")

    def close(self) -> None:
        """Give up the descriptors."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Bell:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@contextlib.contextmanager
def on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C (SIGINT) and SIGTERM call `act` in place of what they do.

    Only the first one does: a second Ctrl-C does again what it always did, so that nothing can hang for good. In
    other threads than the main one, which alone gets signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def first(number: int, frame: FrameType | None) -> None:
        restore()
        act()

    for number in before:
        signal.signal(number, first)
    try:
        yield
    finally:
        restore()
