"""Serving a userspace datapath to other processes, on a Unix socket (`Server`, and `serve` for a whole program).

Each connection is a peer of the service, with a port id of its own; the frames are those of
`dpif.netlink.unix`. One loop waits for connections, requests and devices. A client that does not read is not
waited for: its datagrams are kept up to a limit, what is beyond is lost, and an ``OVERRUN`` marks the place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import stat
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

from dpif._typing import Final, Self
from dpif.errors import Unavailable
from dpif.netlink.answering import Answering, Refusal
from dpif.netlink.unix import (
    DATA_HEADER,
    MAX_FRAME,
    PROTOCOL_VERSION,
    FrameKind,
    default_socket_path,
    fallback_directory,
    pack_frame,
    require_private,
    unpack_frame,
)
from dpif.userspace.engine.underlay import Underlay
from dpif.userspace.system import UserspaceSystem

CAPACITY: Final = 4 << 20
"""Bytes that wait for a client before more are dropped: what a kernel socket asks for."""
_SOCKET_MODE: Final = 0o600


class Server:
    """Serves `system` at `path` (None: `default_socket_path`); a context manager.

    The socket is readable and writable by its owner alone. It takes the place of one that a server left behind;
    `Unavailable` when a server listens there, or the path cannot be used. `run` serves until `stop`; it works the
    system's loop, so that `UserspaceSystem.start` is not needed and must not be called.
    """

    def __init__(self, system: UserspaceSystem, path: str | None = None) -> None:
        self.system = system
        self.path = default_socket_path() if path is None else path
        self._listener = _listen(self.path)
        self._inode = os.stat(self.path).st_ino
        self._clients: dict[int, _Client] = {}  # by descriptor
        self._stopping = False
        system.loop.before_wait = self._update_clients
        system.loop.watch(self._listener.fileno(), selectors.EVENT_READ, self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self) -> None:
        """Serve until `stop` is called."""
        while not self._stopping:
            self.system.loop.run_once()

    def stop(self) -> None:
        """End `run`; may be called from a signal handler or another thread."""
        self._stopping = True
        self.system.loop.wake()

    def close(self) -> None:
        """Remove the socket and let the clients go. The system is left as it is."""
        loop = self.system.loop
        loop.before_wait = lambda: None
        loop.unwatch(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        for client in tuple(self._clients.values()):
            self._drop(client)

    def _accept(self, events: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it has gone again
        client = _Client(self, connection)
        self._clients[connection.fileno()] = client
        client.send_control(pack_frame(FrameKind.HELLO, PROTOCOL_VERSION, client.port_id))

    def _update_clients(self) -> None:
        """Before each wait: let go of clients that have gone, and watch the others for what they need."""
        with self.system.namespace.lock:
            for client in tuple(self._clients.values()):
                if client.is_gone:
                    self._drop(client)
                elif client.watched != client.events:
                    client.watched = client.events
                    self.system.loop.watch(client.fileno, client.events, client.handle)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.fileno]
        client.service.drop(client)
        if client.watched:
            self.system.loop.unwatch(client.fileno)
        client.close()

    def change_membership(self, kind: int, port_id: int, group: int) -> int:
        """Let the client with `port_id` join or leave a group; return 0 or an errno."""
        client = next((client for client in self._clients.values() if client.port_id == port_id), None)
        if client is None:
            return errno.ENOENT
        try:
            (client.service.join if kind == FrameKind.JOIN else client.service.leave)(client, group)
        except Refusal as refusal:
            return refusal.errno
        return 0


class _Client:
    """A connection: a `Peer` of the service. The service's lock is held wherever its queue is touched."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server = server
        self._lock = server.system.namespace.lock
        self._connection = connection
        self._connection.setblocking(False)
        self._queue: deque[bytes | Iterator[bytes]] = deque()
        self._queued_bytes = 0
        self._is_blocked = False  # until the socket is writable again
        self._is_congested = False  # takes nothing until the queue has been emptied
        self.is_gone = False
        self.fileno = connection.fileno()
        self.watched = 0
        self.service: Answering = server.system.service
        self.port_id = self.service.new_port_id()
        self.service.connect(self)

    @property
    def events(self) -> int:
        """What the loop is to watch for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._is_blocked else 0)

    def close(self) -> None:
        """Close the connection."""
        self._queue.clear()
        self._connection.close()

    # What comes from the client.

    def handle(self, events: int) -> None:
        """Deal with what the loop has seen."""
        if events & selectors.EVENT_WRITE:
            with self._lock:
                self._is_blocked = False
                self._flush()
        if events & selectors.EVENT_READ:
            self._receive()

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
            self.service.handle(frame[len(DATA_HEADER) :], self)
        elif kind == FrameKind.SPEAK and len(numbers) == 1:
            self.send_control(pack_frame(FrameKind.DONE, self._speak(*numbers)))
        elif kind in (FrameKind.JOIN, FrameKind.LEAVE) and len(numbers) == 2:
            self.send_control(pack_frame(FrameKind.DONE, self._server.change_membership(kind, *numbers)))
        else:
            self.is_gone = True  # it does not speak as we do

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

    def send_control(self, frame: bytes) -> None:
        """Queue a frame other than ``DATA``, whatever there is room for."""
        with self._lock:
            self._put(frame)

    def deliver(self, datagram: bytes) -> bool:
        """Put a datagram in the queue; False when it is full. See `Peer.deliver`."""
        if self.is_gone or self._is_congested:
            return False
        if self._queued_bytes > CAPACITY:
            self._is_congested = True
            self._put(pack_frame(FrameKind.OVERRUN))
            return False
        self._put(DATA_HEADER + datagram)
        return True

    def stream(self, datagrams: Iterator[bytes]) -> None:
        """Put datagrams in the queue that are made when there is room to send them. See `Peer.stream`."""
        self._queue.append(DATA_HEADER + datagram for datagram in datagrams)
        self._flush()

    def _put(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        self._flush()

    def _flush(self) -> None:
        """Send from the queue as much as the socket takes."""
        while self._queue and not self._is_blocked:
            head = self._queue[0]
            frame = head if isinstance(head, bytes) else next(head, None)
            if frame is None:
                self._queue.popleft()
            elif self._send(frame):
                if frame is head:
                    self._queue.popleft()
                    self._queued_bytes -= len(frame)
            elif frame is not head:
                self._queue.appendleft(frame)
                self._queued_bytes += len(frame)
        if not self._queue:
            self._is_congested = False

    def _send(self, frame: bytes) -> bool:
        """Send a frame; False when it must wait, or can never be sent any more."""
        try:
            self._connection.send(frame)
        except BlockingIOError:
            self._is_blocked = True
            self._server.system.loop.wake()
            return False
        except OSError:
            self.is_gone = self._is_blocked = True
            self._server.system.loop.wake()
            return False
        return True


def _listen(path: str) -> socket.socket:
    """Return a socket that listens at `path`."""
    if os.path.dirname(path) == fallback_directory():
        os.makedirs(fallback_directory(), mode=0o700, exist_ok=True)
        require_private(fallback_directory())
    _take_over(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.fchmod(listener.fileno(), _SOCKET_MODE)  # the file gets the mode of the socket that is bound to it
        listener.bind(path)
        os.chmod(path, _SOCKET_MODE)
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot serve at {path}: {error.strerror or error}", error.errno or errno.EIO) from None
    return listener


def _take_over(path: str) -> None:
    """Remove a socket that a server left behind; raise `Unavailable` when it is in use, or is none."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise Unavailable(f"cannot serve at {path}: there is a file that is no socket", errno.EEXIST)
    except (FileNotFoundError, NotADirectoryError):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        code = probe.connect_ex(path)
    if code != errno.ECONNREFUSED:
        raise Unavailable(f"cannot serve at {path}: a server listens there already", errno.EADDRINUSE)
    os.unlink(path)


def serve(
    path: str | None = None, underlay: Underlay | None = None, *, ready: Callable[[str], None] = lambda path: None
) -> None:
    """Serve a new userspace datapath until SIGINT or SIGTERM; `ready` is told the path when the socket is there.

    `underlay` is that of `UserspaceSystem`. To be called in the main thread.
    """
    with UserspaceSystem(underlay=underlay) as system, Server(system, path) as server:

        def end(number: int, frame: FrameType | None) -> None:
            server.stop()

        previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ready(server.path)
            server.run()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
