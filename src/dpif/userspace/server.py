"""Serving a userspace datapath to other processes, on a Unix socket (`Server`, and `serve` for a whole program).

Each connection is a peer of the service, with a port id of its own (`dpif.userspace.client`); the frames are those of
`dpif.netlink.unix`. One loop waits for connections, requests and devices.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

from dpif._typing import Self
from dpif.netlink.answering import Refusal
from dpif.netlink.unix import FrameKind, default_socket_path
from dpif.userspace.client import Client
from dpif.userspace.engine.limits import Limits
from dpif.userspace.engine.underlay import Underlay
from dpif.userspace.listening import Place, refuse
from dpif.userspace.loop import MAX_FAULTS, Loop, report
from dpif.userspace.system import UserspaceSystem


class Server:
    """Serves `system` at `path` (None: `default_socket_path`); a context manager.

    The socket is readable and writable by its owner alone. It takes the place of one that a server left behind;
    `Unavailable` when a server listens there, or the path cannot be used. A `Place` in its stead listens already, and
    is closed with the server. `run` serves until `stop`; it works the system's loop, so that `UserspaceSystem.start`
    is not needed and must not be called.
    """

    def __init__(self, system: UserspaceSystem, path: str | Place | None = None) -> None:
        self.system = system
        self._place = path if isinstance(path, Place) else Place(default_socket_path() if path is None else path)
        self.path = self._place.path
        self.limits = system.namespace.limits
        self.clients: dict[int, Client] = {}  # by descriptor
        self.queued_bytes = 0
        system.loop.before_wait = self._update_clients
        system.loop.watch(self._place.fileno(), selectors.EVENT_READ, self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self) -> None:
        """Serve until `stop` is called; a round that fails, for want of memory, is followed by another."""
        faults = 0
        while not self.system.loop.is_stopping:
            try:
                self.system.loop.run_once()
                faults = 0
            except Exception as error:
                faults += 1
                if faults > MAX_FAULTS:
                    raise
                report("a round of the loop", error)

    def stop(self) -> None:
        """End `run`; may be called from a signal handler or another thread."""
        self.system.loop.stop()

    def close(self) -> None:
        """Remove the socket and let the clients go. The system is left as it is."""
        loop = self.system.loop
        loop.before_wait = lambda: None
        loop.is_stopping = False
        loop.unwatch(self._place.fileno())
        self._place.close()
        for client in tuple(self.clients.values()):
            self._drop(client)

    def _accept(self, events: int) -> None:
        connection = self._place.accept()
        if connection is None:
            return
        if len(self.clients) >= self.limits.clients:
            refuse(connection, errno.EMFILE)
            return
        client = self.clients[connection.fileno()] = Client(self, connection)
        client.greet()

    def _update_clients(self) -> None:
        """Before each wait: let go of clients that have gone, and watch the others for what they need."""
        with self.system.namespace.lock:
            for client in tuple(self.clients.values()):
                if not client.is_gone and client.watched != client.events:
                    self._watch(client)
                if client.is_gone:
                    self._drop(client)

    def _watch(self, client: Client) -> None:
        try:
            self.system.loop.watch(client.fileno, client.events, client.handle)
            client.watched = client.events
        except Exception as error:  # no memory, or as many descriptors as the system lets one watch
            client.fail(error)

    def _drop(self, client: Client) -> None:
        del self.clients[client.fileno]
        if client.watched is not None:
            with contextlib.suppress(KeyError):  # `watch` has failed
                self.system.loop.unwatch(client.fileno)
        client.close()

    def change_membership(self, kind: int, port_id: int, group: int) -> int:
        """Let the client with `port_id` join or leave a group; return 0 or an errno."""
        client = next((client for client in self.clients.values() if client.port_id == port_id), None)
        if client is None:
            return errno.ENOENT
        try:
            (client.service.join if kind == FrameKind.JOIN else client.service.leave)(client, group)
        except Refusal as refusal:
            return refusal.errno
        return 0

    def describe_bounds(self) -> bytes:
        """Return a line for each bound: its name, how much is in use where that is most, and the bound.

        A bound of what one packet may bring about has nothing in use: ``-``.
        """
        namespace = self.system.namespace
        with namespace.lock:
            tables = [datapath.table for datapath in namespace.datapaths.values()]
            used = {
                "clients": len(self.clients),
                "queue": max(client.queued_bytes for client in self.clients.values()),
                "queues": self.queued_bytes,
                "flows": max(map(len, tables), default=0),
                "masks": max((table.n_masks for table in tables), default=0),
                "devices": len(namespace.devices),
                "actions": "-",
                "connections": len(namespace.tracker),
                "policies": len(namespace.tracker.policies),
            }
        bounds = self.limits._asdict().items()
        return "".join([f"{name} {used[name]} {bound}\n" for name, bound in bounds]).encode()


@contextlib.contextmanager
def _ending(loop: Loop) -> Iterator[None]:
    """Let signals end whoever runs `loop`; SIGHUP only where nobody (nohup) has said that it shall not."""

    def end(number: int, frame: FrameType | None) -> None:
        loop.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, end) for number in numbers}
    try:
        with loop.woken_by_signals():
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def serve(
    path: str | Place | None = None,
    underlay: Underlay | None = None,
    *,
    limits: Limits | None = None,
    kernel: str = "newest",
    ready: Callable[[str], None] = lambda path: None,
) -> None:
    """Serve a new userspace datapath until SIGINT, SIGTERM or SIGHUP; `ready` is told the path of the socket.

    `underlay`, `limits` and `kernel` are those of `UserspaceSystem`. To be called in the main thread.
    """
    with (
        UserspaceSystem(underlay=underlay, limits=limits, kernel=kernel) as system,
        _ending(system.loop),
        Server(system, path) as server,
    ):
        ready(server.path)
        server.run()
