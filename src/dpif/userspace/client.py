"""A client of the server (`Client`): a connection, and a peer of the service that answers it.

What a client can do to others is bounded. It has a turn in each round of the loop: one frame is read, up to
`REQUESTS` requests of it are carried out (fewer when they take long), one datagram of a dump is made. What is not
read is kept up to a limit; beyond that it is lost, and an ``OVERRUN`` marks the place. A fault in dealing with it
ends its connection and nothing else.
"""

from __future__ import annotations

import errno
import selectors
import socket
from collections import deque
from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, Final
from dpif.errors import Unavailable
from dpif.netlink.answering import Answering
from dpif.netlink.unix import DATA_HEADER, MAX_FRAME, PROTOCOL_VERSION, FrameKind, pack_frame, unpack_frame
from dpif.userspace.engine.device import TURN
from dpif.userspace.loop import report

if TYPE_CHECKING:
    from dpif.userspace.server import Server

REQUESTS: Final = 16
"""Of one client that are carried out before it is the next one's turn, if its time suffices."""
FRAME_COST: Final = 128
"""Bytes of memory that a frame in a queue takes besides its own."""


class Client:
    """A `Peer` of the service. The service's lock is held wherever the queue is touched."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server = server
        self._lock = server.system.namespace.lock
        self._connection = connection
        self._connection.setblocking(False)
        self._requests: Iterator[None] | None = None  # of the frame in hand; no other is read before it is done
        self._queue: deque[bytes | Iterator[bytes]] = deque()
        self._is_streaming = False  # there is a dump in the queue
        self.queued_bytes = 0
        self._is_blocked = False  # until the socket is writable again, and this has its next turn
        self._is_congested = False  # takes nothing until the queue has been emptied
        self.is_gone = False
        self.fileno = connection.fileno()
        self.watched: int | None = None  # what the loop watches for, which may be nothing; None: not at all
        self.service: Answering = server.system.service
        self.port_id = self.service.new_port_id()
        self.service.connect(self)

    def greet(self) -> None:
        """Say hello, the first word of a server."""
        try:
            self._send_control(pack_frame(FrameKind.HELLO, PROTOCOL_VERSION, self.port_id))
        except Exception as error:
            self.fail(error)

    @property
    def events(self) -> int:
        """What the loop is to watch for."""
        reading = 0 if self._requests is not None else selectors.EVENT_READ
        return reading | (selectors.EVENT_WRITE if self._is_blocked else 0)

    def close(self) -> None:
        """Close the connection, and forget what waits for it."""
        self.service.drop(self)
        self._requests = None
        self._queue.clear()
        self._server.queued_bytes -= self.queued_bytes
        self.queued_bytes = 0
        self._connection.close()

    # What comes from the client.

    def handle(self, events: int) -> None:
        """Deal with what the loop has seen."""
        try:
            if events & selectors.EVENT_WRITE:
                with self._lock:
                    self._is_blocked = False
                    self._flush()
            if events & selectors.EVENT_READ and self._requests is None:
                self._receive()
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let the client go, because of a fault that is nobody's answer."""
        self.is_gone = True
        report(f"client {self.port_id} is let go", error)

    def _receive(self) -> None:
        try:
            frame = self._connection.recv(MAX_FRAME)
        except BlockingIOError:
            return
        except OSError:
            frame = b""
        if not frame:
            self.is_gone = True
            return
        kind, numbers = unpack_frame(frame)
        if kind == FrameKind.DATA:
            self._requests = self.service.steps(memoryview(frame)[len(DATA_HEADER) :], self)
            self._carry_out()
        elif kind == FrameKind.SPEAK and len(numbers) == 1:
            self._send_control(pack_frame(FrameKind.DONE, self._speak(*numbers)))
        elif kind in (FrameKind.JOIN, FrameKind.LEAVE) and len(numbers) == 2:
            self._send_control(pack_frame(FrameKind.DONE, self._server.change_membership(kind, *numbers)))
        elif kind == FrameKind.BOUNDS:
            self._send_control(pack_frame(FrameKind.BOUNDS) + self._server.describe_bounds())
        else:
            self.is_gone = True  # it does not speak as we do

    def _carry_out(self) -> None:
        """Carry out requests of the frame in hand, as many as a turn has; more have their turn in the next round."""
        assert self._requests is not None, "a frame is in hand"
        clock = self._server.system.namespace.clock
        until = clock() + TURN
        for _ in range(REQUESTS):
            if next(self._requests, self) is self:
                self._requests = None
                return
            if clock() >= until:
                break
        self._server.system.loop.again(self._carry_on)

    def _carry_on(self) -> None:
        if self._requests is None:  # it was closed meanwhile
            return
        try:
            self._carry_out()
        except Exception as error:
            self.fail(error)

    def _speak(self, protocol: int) -> int:
        """Turn to the service of another netlink protocol; return 0 or an errno."""
        try:
            service = self._server.system.protocol(protocol)
        except Unavailable as error:
            return error.errno or errno.EPROTONOSUPPORT
        self.service.drop(self)
        self.service = service
        service.connect(self)
        return 0

    # What goes to the client.

    def _send_control(self, frame: bytes) -> None:
        """Queue a frame other than ``DATA``; whoever asks for more of these than there is room for is let go."""
        with self._lock:
            if self._is_full():
                self.is_gone = True
            else:
                self._put(frame)

    def _is_full(self) -> bool:
        server, limits = self._server, self._server.limits
        if server.queued_bytes > limits.queues and self.queued_bytes * len(server.clients) > limits.queues:
            return True
        return self.queued_bytes > limits.queue

    def deliver(self, datagram: bytes) -> bool:
        """Put a datagram in the queue; False when it is full. See `Peer.deliver`."""
        if self.is_gone or self._is_congested:
            return False
        if self._is_full():
            self._is_congested = True
            self._put(pack_frame(FrameKind.OVERRUN))
            return False
        self._put(DATA_HEADER + datagram)
        return True

    def stream(self, datagrams: Iterator[bytes]) -> bool:
        """Put datagrams in the queue that are made when there is room to send them; see `Peer.stream`."""
        if self._is_streaming:
            return False
        self._is_streaming = True
        self._queue.append(DATA_HEADER + datagram for datagram in datagrams)
        self._flush()
        return True

    def _put(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._count(len(frame) + FRAME_COST)
        self._flush()

    def _count(self, size: int) -> None:
        self.queued_bytes += size
        self._server.queued_bytes += size

    def _flush(self) -> None:
        """Send from the queue as much as the socket takes, but of a dump one datagram; the next one has its turn."""
        while self._queue and not self._is_blocked:
            head = self._queue[0]
            frame = head if isinstance(head, bytes) else next(head, None)
            if frame is None:
                self._queue.popleft()
                self._is_streaming = False
            elif self._send(frame):
                if frame is head:
                    self._queue.popleft()
                    self._count(-len(frame) - FRAME_COST)
                else:
                    self._block()
            elif frame is not head:
                self._queue.appendleft(frame)
                self._count(len(frame) + FRAME_COST)
        if not self._queue:
            self._is_congested = False

    def _block(self) -> None:
        self._is_blocked = True
        self._server.system.loop.wake()

    def _send(self, frame: bytes) -> bool:
        """Send a frame; False when it must wait, or can never be sent any more."""
        try:
            self._connection.send(frame)
        except BlockingIOError:
            self._block()
            return False
        except OSError:
            self.is_gone = True
            self._block()
            return False
        return True
