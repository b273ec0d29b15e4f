"""The transport to a service in the same process: a queue (`LoopbackTransport`).

It behaves as a kernel socket does: a request has been carried out when `send` returns, the queue is bounded,
and after a loss the next `recv` reports ENOBUFS once, ahead of what is left in the queue, which takes nothing
new until it has been emptied.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

from dpif._typing import Final
from dpif.errors import netlink_error
from dpif.netlink.answering import Answering, Refusal

__all__ = ["LoopbackTransport"]

CAPACITY: Final = 4 << 20
"""Bytes that a queue takes before it is full, the same as `KernelSocket` asks for."""


class LoopbackTransport:
    """Both a `Transport` for a client and the `Peer` that its service sees."""

    def __init__(self, service: Answering, capacity: int = CAPACITY) -> None:
        self._service = service
        self._capacity = capacity
        self._changed = threading.Condition()
        self._queue: deque[bytes | Iterator[bytes]] = deque()
        self._queued_bytes = 0
        self._lost = False  # not yet reported
        self._congested = False  # takes nothing until it has been emptied
        self._closed = False
        self._bell: _Bell | None = None
        self._port_id = service.new_port_id()
        service.connect(self)

    @property
    def port_id(self) -> int:
        """The port id that the service gave to this end."""
        return self._port_id

    # The client's side.

    def send(self, datagram: bytes) -> None:
        """Have the service carry out the requests in `datagram`; the answers are in the queue on return."""
        if self._closed:
            raise _closed_error()
        self._service.handle(datagram, self)

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram; see `Transport.recv`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            head = self._wait_for_head(deadline)
            if isinstance(head, bytes):
                return head
            # Made without our lock, since the service takes its own and then ours to deliver. Nobody else takes
            # from the queue, so the head stays where it is, unless `close` empties it.
            datagram = next(head, None)
            if datagram is not None:
                return datagram
            with self._changed:
                if self._queue:
                    self._queue.popleft()
                self._update()

    def _wait_for_head(self, deadline: float | None) -> bytes | Iterator[bytes]:
        with self._changed:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._changed.wait_for(lambda: self._queue or self._lost or self._closed, timeout):
                raise BlockingIOError(errno.EAGAIN, "no datagram came in time")
            if self._closed:
                raise _closed_error()
            if self._lost:
                self._lost = False
                self._update()
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
            head = self._queue[0]
            if isinstance(head, bytes):
                self._queue.popleft()
                self._queued_bytes -= len(head)
                self._update()
            return head

    def fileno(self) -> int:
        """Return a descriptor to wait on; without one nobody pays for it."""
        with self._changed:
            if self._closed:
                raise _closed_error()
            if self._bell is None:
                self._bell = _Bell()
                self._update()
            return self._bell.fileno()

    def join_group(self, group: int) -> None:
        """Join a multicast group of the service; raise `NetlinkError`."""
        try:
            self._service.join(self, group)
        except Refusal as refusal:
            operation = f"join multicast group {group}"
            raise netlink_error(refusal.errno, operation, refusal.explanation) from None

    def leave_group(self, group: int) -> None:
        """Leave a multicast group of the service."""
        self._service.leave(self, group)

    def close(self) -> None:
        """Leave the service; a `recv` that waits raises ``OSError`` with EBADF."""
        self._service.drop(self)
        with self._changed:
            self._closed = True
            self._queue.clear()
            if self._bell is not None:
                self._bell.close()
                self._bell = None
            self._changed.notify_all()

    # The service's side.

    def deliver(self, datagram: bytes) -> bool:
        """Put a datagram in the queue; False when it is full."""
        with self._changed:
            if self._closed:
                return False
            fits = not self._congested and self._queued_bytes <= self._capacity
            if fits:
                self._queue.append(datagram)
                self._queued_bytes += len(datagram)
            elif not self._congested:
                self._congested = self._lost = True
            self._update()
            return fits

    def stream(self, datagrams: Iterator[bytes]) -> bool:
        """Put datagrams in the queue that are made when they are read, as many such as come."""
        with self._changed:
            if not self._closed:
                self._queue.append(datagrams)
                self._update()
        return True

    def _update(self) -> None:
        """Bring everything that depends on the queue in line with it; called with the lock held."""
        if not self._queue:
            self._congested = False
        ready = bool(self._queue) or self._lost
        if self._bell is not None:
            self._bell.set(ready)
        if ready:
            self._changed.notify_all()


class _Bell:
    """A descriptor that is readable when it has been told to be."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._is_set = False

    def fileno(self) -> int:
        return self._reader.fileno()

    def set(self, ready: bool) -> None:
        if ready and not self._is_set:
            self._writer.send(b"\0")
        elif self._is_set and not ready:
            self._reader.recv(1)
        self._is_set = ready

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _closed_error() -> OSError:
    return OSError(errno.EBADF, "the transport is closed")
