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

from dpif._typing import Any

__all__ = ["Bell", "on_signals"]


class Bell:
    """Something to wait on beside other descriptors: rung once it stays so, `wake` is heard once.

    A context manager.
    """

    def __init__(self) -> None:
        self.rung = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return a descriptor that is readable from the first ring on, and after a `wake` until it was heard."""
        return self._reader.fileno()

    def wake(self) -> None:
        """End one wait; from other threads too."""
        with contextlib.suppress(OSError):  # closed, or so many calls wait that one more says nothing
            self._writer.send(b"\0")

    def hear(self) -> None:
        """Take note of all calls to wake up."""
        if self.rung:
            return
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)

    def ring(self) -> None:
        """Ring; from a signal handler and from other threads too. After `close` nobody hears it."""
        if not self.rung:
            self.rung = True
            self.wake()

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

    Only the first of each does: a second Ctrl-C does again what it always did, so that nothing can hang for good. In
    other threads than the main one, which alone gets signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: set[int] = set()

    def take(number: int, frame: FrameType | None) -> None:
        if number not in seen:
            seen.add(number)
            act()
        else:
            _do_as_ever(number, before[number], frame)

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _do_as_ever(number: int, usual: Any, frame: FrameType | None) -> None:
    """Do what a signal did before.

    Its handler is not put back by a handler: of another signal that waits for its own just then Python would say, in
    a traceback, that it is lost.
    """
    if callable(usual):
        usual(number, frame)
    elif usual != signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
