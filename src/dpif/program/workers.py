"""Programs in several processes: forked workers that share the upcalls of a datapath, where one core does not do.

The process that forks them has no flows of its own: it follows ports, calls timers, lets entries grow old, and passes
on what changes in tables (`replicas`). Each worker has a runner with the packets that the datapath hands to it: ports
are spread over them, and with several CPUs the packets of each port are, by their hash.

To a `Runner` both ends are where upcalls come from (`runner.Source`): `Workers` in the first process, from which none
come, and `Share` in a worker. They talk by datagrams on socket pairs, which hold pickled messages, a name and what
belongs to it. A worker waits when the first process does not read; that one never waits for a worker, so that neither
waits for the other.

The datapath must be one that a new connection reaches: the kernel's, or a server's; not one in this very process.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from dpif._typing import TYPE_CHECKING
from dpif.client.datapath import find_datapath
from dpif.client.dispatch import PER_VPORT
from dpif.errors import NoSuchObject
from dpif.netlink.connection import Connection
from dpif.program.options import Counters, Options
from dpif.program.replicas import Change, Replica
from dpif.program.runner import Runner

if TYPE_CHECKING:
    from dpif.client import Datapath, Port, Upcall, Upcalls
    from dpif.program.program import Program

__all__ = ["Workers"]

_MESSAGE = 1 << 20
"""More than the bytes of any message."""
_NEWS_INTERVAL = 0.5
"""Seconds between what a worker tells of its counters and of the entries that were of use."""
_USES_AT_ONCE = 1000
_PATIENCE = 5.0
"""Seconds in which a worker has taken its flows back, or is killed."""


class Workers:
    """The workers of a program, as the process sees them that forked them."""

    def __init__(self, program: Program, datapath: Datapath, options: Options, report: Callable[[str], None]) -> None:
        count = options.workers
        self._handlers = datapath.upcall_handlers(count, action=False, dispatch=PER_VPORT)
        self._report = report
        self._is_ending = False
        self._share = replace(options, workers=0, max_flows=max(1, options.max_flows // count))
        self._replica = Replica(program, lambda change: self._broadcast("changes", [change]))
        self._waiting: dict[socket.socket, collections.deque[bytes]] = {}
        self._counters: dict[socket.socket, Counters] = {}
        self._children: dict[socket.socket, int] = {}
        self._poll = select.epoll()
        for index, handler in enumerate(self._handlers):
            self._fork(program, datapath, handler, index)

    def _fork(self, program: Program, datapath: Datapath, handler: Upcalls, index: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if not child:
            ours.close()
            for other in self._children:
                other.close()
            _work(program, datapath, handler, theirs, self._share, is_first=not index)
        theirs.close()
        ours.setblocking(False)
        self._children[ours] = child
        self._waiting[ours] = collections.deque()
        self._poll.register(ours, select.EPOLLIN)

    # -- the source of a runner --------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return what is readable when a worker tells something."""
        return self._poll.fileno()

    def poll(self, timeout: float) -> list[Upcall]:
        """Hear what the workers tell, for at most `timeout` seconds; no packet comes up here."""
        by_number = {worker.fileno(): worker for worker in self._children}
        for number, events in self._poll.poll(timeout):
            if events & select.EPOLLOUT:
                self._flush(by_number[number])
            if events & ~select.EPOLLOUT:
                self._hear(by_number[number])
        return []

    def adopt(self, port: Port | int) -> None:
        """Have the misses of a port that was attached come to the workers."""
        self._handlers.adopt(port)

    @property
    def counters(self) -> list[Counters]:
        """What each worker counts."""
        return list(self._counters.values())

    def keep_flows(self) -> None:
        """Have the workers leave their flows when they end."""
        self._broadcast("keep", None)

    def close(self) -> None:
        """Let the workers take back their flows, and wait until they have ended."""
        self._is_ending = True
        for worker in list(self._children):
            self._flush(worker)
        end = time.monotonic() + _PATIENCE
        while self._children and time.monotonic() < end:
            self.poll(end - time.monotonic())
        for worker, child in list(self._children.items()):
            os.kill(child, signal.SIGKILL)
            self._bury(worker)
        self._handlers.close()
        self._poll.close()

    # -- what is told ------------------------------------------------------------------------------------------

    def _hear(self, worker: socket.socket) -> None:
        while (data := _received(worker)) is not None:
            if not data:
                self._bury(worker)
                return
            kind, what = pickle.loads(data)
            if kind == "changes":
                self._broadcast(kind, self._replica.apply(what))
            elif kind == "uses":
                self._replica.note_uses(what)
            elif kind == "counters":
                self._counters[worker] = what
            else:
                self._report(what)

    def _bury(self, worker: socket.socket) -> None:
        """Take note that a worker has ended; one that did so by itself is told of, and the others go on."""
        self._poll.unregister(worker)
        _, status = os.waitpid(self._children.pop(worker), 0)
        del self._waiting[worker]
        worker.close()
        if os.waitstatus_to_exitcode(status):
            self._report(f"a worker ended with status {os.waitstatus_to_exitcode(status)}; its packets are lost")

    def _broadcast(self, kind: str, what: list[Change] | None) -> None:
        message = pickle.dumps((kind, what))
        for worker, waiting in self._waiting.items():
            waiting.append(message)
            self._flush(worker)

    def _flush(self, worker: socket.socket) -> None:
        """Send what waits, as far as there is room; behind the last of it the end is told, where that is near."""
        waiting = self._waiting[worker]
        try:
            while waiting:
                worker.send(waiting[0])
                waiting.popleft()
            if self._is_ending:
                worker.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:  # it has ended, which is heard of soon
            waiting.clear()
        self._poll.modify(worker, select.EPOLLIN | (select.EPOLLOUT if waiting else 0))


def _received(end: socket.socket) -> bytes | None:
    """Return a message, empty when the other end is gone, None when there is none now."""
    try:
        return end.recv(_MESSAGE, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


class Share:
    """A worker's part of the upcalls, and what it is told and tells."""

    def __init__(self, program: Program, handler: Upcalls, first: socket.socket) -> None:
        self._handler = handler
        self._first = first
        self._replica = Replica(program, lambda change: self.tell("changes", [change]))
        self._replica.follow()
        self._next_news = 0.0
        self.keeps_flows = False
        """Whether flows are to stay when this worker ends."""
        self.runner: Runner | None = None
        self._poll = select.epoll()
        self._poll.register(handler, select.EPOLLIN)
        self._poll.register(first, select.EPOLLIN)

    def fileno(self) -> int:
        """Return what is readable when a packet came up, or something is told."""
        return self._poll.fileno()

    def poll(self, timeout: float) -> list[Upcall]:
        """Return the packets that came up; before that, make the changes that others made."""
        while (data := _received(self._first)) is not None:
            if not data:
                assert self.runner is not None
                self.runner.stop()
                break
            kind, what = pickle.loads(data)
            if kind == "keep":
                self.keeps_flows = True
            else:
                self._replica.apply(what)
        if time.monotonic() >= self._next_news:
            self._tell_news()
        return self._handler.poll(timeout)

    def _tell_news(self) -> None:
        self._next_news = time.monotonic() + _NEWS_INTERVAL
        uses = self._replica.uses()
        for start in range(0, len(uses), _USES_AT_ONCE):
            self.tell("uses", uses[start : start + _USES_AT_ONCE])
        if self.runner is not None:
            self.tell("counters", self.runner.counters)

    def tell(self, kind: str, what: object) -> None:
        """Send something to the first process; where that is gone, the end is near."""
        with contextlib.suppress(OSError):
            self._first.send(pickle.dumps((kind, what)))

    def adopt(self, port: Port | int) -> None:
        """Do nothing: the first process does that."""

    def close(self) -> None:
        """Tell what was counted in the end."""
        self._tell_news()


def _work(
    program: Program, datapath: Datapath, handler: Upcalls, first: socket.socket, options: Options, *, is_first: bool
) -> None:
    """Be a worker; does not return."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, it is for the first process
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        program.timers, program.meters = [], []
        program.added, program.removed = [], []
        share = Share(program, handler, first)
        told = replace(options, report=lambda text: share.tell("report", text))
        with Connection(datapath.connection.dial) as connection:
            again = find_datapath(connection, datapath.name, datapath.type)
            share.runner = runner = Runner(program, again, (), told, source=lambda: share, takes_over=is_first)
            try:
                runner.run()
            finally:
                runner.close(keep_flows=share.keeps_flows)
        status = 0
    except NoSuchObject:  # the datapath was deleted: the first process hears of it, too
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
