"""Carries bytes between the caller's standard streams and the guest's lines.

Owns the host's half of the framing (``init.sh`` has the other), the caller's terminal while the guest uses
it, and one poll loop; knows nothing of what runs the guest. The loop never blocks on a slow reader, so that
whoever drives it keeps its deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator

__all__ = ["Console", "Relay", "framed", "pump", "terminal_size", "terminal_taken"]

#: What one read may take. The guest starts a program for each frame of stdin, so frames are large.
READ_SIZE = 65536
#: What one write may carry: at most PIPE_BUF bytes, which a descriptor that polls as writable takes at once.
WRITE_SIZE = select.PIPE_BUF


def framed(chunk: bytes) -> bytes:
    """Return `chunk` of stdin as the guest expects it; an empty chunk says that stdin ended."""
    return b"%d\n" % len(chunk) + chunk


def unchanged(chunk: bytes) -> bytes:
    """Return `chunk`: the encoding of a stream that needs none."""
    return chunk


class Relay:
    """Moves what `source` yields to `sink`, both file descriptors, until the source ends or the sink is gone.

    `encode` maps each chunk to what is written, the empty chunk of the end included. A relay holds at most
    one chunk: it polls its sink while it has one, else its source. ``broken`` says that the sink's reader
    went away.
    """

    def __init__(self, source: int, sink: int, encode: Callable[[bytes], bytes] = unchanged) -> None:
        self._source = source
        self._sink = sink
        self._encode = encode
        self._pending = b""
        self._ended = False
        self.broken = False

    @property
    def done(self) -> bool:
        """Whether nothing more will come through."""
        return self.broken or (self._ended and not self._pending)

    def interest(self) -> tuple[int, int]:
        """Return the descriptor to poll and the events to wait for."""
        return (self._sink, select.POLLOUT) if self._pending else (self._source, select.POLLIN)

    def advance(self) -> None:
        """Move one chunk one step; call when the descriptor of `interest` is ready."""
        if self._pending:
            with contextlib.suppress(BlockingIOError):
                self._write()
            return
        try:
            chunk = os.read(self._source, READ_SIZE)
        except OSError:  # a terminal that hung up, a directory as stdin: no more input
            chunk = b""
        self._ended = not chunk
        self._pending = self._encode(chunk)

    def _write(self) -> None:
        try:
            written = os.write(self._sink, self._pending[:WRITE_SIZE])
        except BrokenPipeError:
            self.broken = True
        else:
            self._pending = self._pending[written:]


class Console:
    """A `Relay` without a sink: keeps the last lines of what the guest's kernel says.

    Where it panics, those up to that: its trace would push out what led there.
    """

    def __init__(self, source: int, lines: int = 15) -> None:
        self._source = source
        self._recent: deque[bytes] = deque(maxlen=lines)
        self._partial = b""
        self.done = False
        self.broken = False

    def interest(self) -> tuple[int, int]:
        """Return the descriptor to poll and the events to wait for."""
        return self._source, select.POLLIN

    def advance(self) -> None:
        """Read what is there."""
        chunk = os.read(self._source, READ_SIZE)
        self.done = not chunk
        *complete, self._partial = (self._partial + chunk).split(b"\n")
        for line in complete:
            if not self._has_panicked:
                self._recent.append(line)

    @property
    def _has_panicked(self) -> bool:
        return bool(self._recent) and b"Kernel panic" in self._recent[-1]

    def text(self) -> str:
        """Return the last lines, without control characters."""
        lines = [*self._recent, b"" if self._has_panicked else self._partial]
        decoded = (line.decode(errors="replace").strip() for line in lines)
        return "\n".join(line for line in decoded if line)


def pump(relays: list[Relay | Console], timeout: float) -> bool:
    """Advance the relays that are ready, waiting at most `timeout` seconds; return whether any was."""
    waiting: dict[int, Relay | Console] = {}
    poll = select.poll()
    for relay in relays:
        descriptor, events = relay.interest()
        # Two streams may go to one descriptor: they take turns.
        if not relay.done and waiting.setdefault(descriptor, relay) is relay:
            poll.register(descriptor, events)
    ready = poll.poll(timeout * 1000)
    for descriptor, _ in ready:
        waiting[descriptor].advance()
    return bool(ready)


def terminal_size(descriptor: int) -> bytes:
    """Return the size of the terminal `descriptor` as a line for the guest's control device."""
    packed = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    rows, columns = struct.unpack_from("HH", packed)
    return b"rows %d cols %d\n" % (rows, columns)


@contextlib.contextmanager
def terminal_taken(descriptor: int, control: int) -> Iterator[None]:
    """Hand the terminal `descriptor` to the guest: keys go through as they are, its size goes to `control`.

    What was typed before stays to be read.
    """
    before = termios.tcgetattr(descriptor)
    with contextlib.ExitStack() as undo:
        undo.callback(termios.tcsetattr, descriptor, termios.TCSADRAIN, before)
        tty.setraw(descriptor, termios.TCSADRAIN)
        os.write(control, terminal_size(descriptor))
        if threading.current_thread() is threading.main_thread():
            report = lambda *_: os.write(control, terminal_size(descriptor))  # noqa: E731
            undo.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, report))
        yield
