"""Requests and their answers over transports: the exchanges with their input and output.

A `Connection` keeps a pool of transports to one peer and gives each exchange one of its own, so threads do not
wait for each other and a dump may be read while other requests are made: netlink has no more than one dump at a
time on a socket. A transport whose exchange did not come to its end, because it failed or its reader lost
interest, is closed, since stale messages could still arrive on it.

This file knows no family but the one that names the others.
"""

from __future__ import annotations

import contextlib
import errno
import functools
from _thread import allocate_lock  # all of `threading` that is wanted; importing it costs every command 1.5 ms
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from dpif._typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from dpif.errors import DumpInterrupted, NoSuchObject, Unavailable, netlink_error
from dpif.netlink.constants import CTRL_FAMILY, GENL_ID_CTRL
from dpif.netlink.exchange import Batch, Dump, Request, Transaction
from dpif.netlink.generic import Family, get_family

if TYPE_CHECKING:
    from dpif.netlink.transport import Dial, Transport

__all__ = ["Connection"]

T = TypeVar("T")

_MAX_IDLE: Final = 4
_ROOM: Final = 15
"""How many times the memory of a dump's datagrams is kept for what is made of them."""
_MAX_SEQ: Final = 0x7FFFFFFF


class Connection:
    """Asks one peer, through transports that `dial` makes; safe to use from several threads.

    An answer that does not come within `timeout` seconds (None: for ever) is a `NetlinkError` with ETIMEDOUT.
    """

    def __init__(self, dial: Dial, timeout: float | None = 30.0) -> None:
        self.dial = dial
        self._timeout = timeout
        self._lock = allocate_lock()
        self._idle: list[Transport] = []
        self._closed = False
        self._next_seq = 1
        self._families: dict[str, Family] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def beside(self, protocol: int) -> Connection:
        """Return a connection to another netlink protocol of the same peer."""
        return Connection(lambda other=protocol: self.dial(other), self._timeout)

    def close(self) -> None:
        """Close the transports; those in use are closed when their exchange ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for transport in idle:
            transport.close()

    def again(self) -> Connection:
        """Return a connection to the same peer that may be closed: this one, or where it was closed a new one."""
        return Connection(self.dial, self._timeout) if self._closed else self.lend()

    def lend(self) -> Connection:
        """Return this connection as another that may be closed: this one stays open."""
        return _Lent(self)

    def family(self, name: str) -> Family:
        """Look up a generic netlink family, once; raise `Unavailable` when the peer has none of that name."""
        family = self._families.get(name)
        if family is None:
            try:
                family = self.transact(get_family(name))
            except NoSuchObject as error:
                raise Unavailable(f"there is no generic netlink family {name}") from error
            if family is None:
                raise Unavailable(f"the peer does not describe its netlink family {name}")
            self._families[name] = family
        return family

    def group(self, family: str, name: str, fallback: int | None = None) -> int:
        """Return the number of a family's multicast group; `fallback` is for peers that do not tell.

        Raises `Unavailable` when there is neither.
        """
        group = self.family(family).groups.get(name, fallback)
        if group is None:
            raise Unavailable(f"the netlink family {family} has no multicast group {name}")
        return group

    def transact(self, request: Request[T]) -> T | None:
        """Return the first reply to `request`, None when there is none; raise `NetlinkError`, `DecodeError`."""
        type_id = self._type_id(request.kind.family)
        with self._transport() as transport:
            exchange = Transaction(request, type_id, self._take_seq(), transport.port_id)
            transport.send(exchange.datagram)
            while not exchange.done:
                datagram = self._receive(transport, exchange, request.kind.operation)
                if datagram is not None:
                    exchange.feed(datagram)
        return exchange.result()

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """Make many requests at little cost; they are carried out in order, whether earlier ones fail or not.

        Returns for each its first reply, None when it had none, or the `DpifError` that befell it.
        """
        kinds = {id(request.kind): request.kind for request in requests}
        type_ids = {kind.family: self._type_id(kind.family) for kind in kinds.values()}
        with self._transport() as transport:
            exchange = Batch(requests, type_ids, self._take_seq(len(requests)), transport.port_id)
            for datagram in exchange.datagrams():
                transport.send(datagram)
                while not exchange.answered:
                    answer = self._receive(transport, exchange, "make a batch of requests")
                    if answer is not None:
                        exchange.feed(answer)
        return exchange.results()

    def dump(self, request: Request[T]) -> Iterator[T]:
        """Iterate over the rows of a dump as they come, in bounded memory.

        Nothing is sent before the first row is asked for. After the last row that came, raises the
        `NetlinkError` that the dump ended with, or `DumpInterrupted` (without rows) when the peer says that its
        table changed meanwhile.
        """
        type_id = self._type_id(request.kind.family)
        with self._transport() as transport:
            exchange = Dump(request, type_id, self._take_seq(), transport.port_id)
            transport.send(exchange.datagram)
            while not exchange.done:
                datagram = self._receive(transport, exchange, request.kind.operation)
                if datagram is not None:
                    yield from exchange.feed(datagram)
            exchange.result()  # in here, since after a loss the dump may still be running on this transport
        if exchange.interrupted:
            raise DumpInterrupted

    def dump_datagrams(self, request: Request[T], size: int, take: Callable[[bytes], None]) -> Iterator[Dump[T]]:
        """Dump, but leave it to the caller to feed the exchange, before the next step, with what came for it.

        For whoever can look through many datagrams at once faster than through each: `take` is given as many as can
        be had without waiting, until they have `size` bytes together. Raises as `dump` does.
        """
        type_id = self._type_id(request.kind.family)
        keep_freed_memory(_ROOM * size)
        with self._transport() as transport:
            exchange = Dump(request, type_id, self._take_seq(), transport.port_id)
            transport.send(exchange.datagram)
            while not exchange.done:
                left = size
                with contextlib.suppress(BlockingIOError):
                    while left > 0 and not exchange.done:
                        datagram = self._receive(transport, exchange, request.kind.operation, wait=left == size)
                        if datagram is not None:
                            take(datagram)
                            left -= len(datagram)
                yield exchange
            exchange.result()
        if exchange.interrupted:
            raise DumpInterrupted

    def dump_all(self, request: Request[T], retries: int = 3) -> list[T]:
        """Return the rows of a dump that was not interrupted, trying again up to `retries` times.

        Raises `DumpInterrupted` with the rows of the last try, and `NetlinkError`.
        """
        for _ in range(retries + 1):
            rows: list[T] = []
            try:
                for row in self.dump(request):
                    rows.append(row)
            except DumpInterrupted:
                continue
            return rows
        raise DumpInterrupted(rows)

    def _type_id(self, family: str | int) -> int:
        if isinstance(family, int):
            return family
        return GENL_ID_CTRL if family == CTRL_FAMILY else self.family(family).id

    def _take_seq(self, count: int = 1) -> int:
        """Return the first of `count` sequence numbers that nobody else gets; 0 is the kernel's."""
        with self._lock:
            if self._next_seq + count > _MAX_SEQ:
                self._next_seq = 1
            seq = self._next_seq
            self._next_seq += count
        return seq

    @contextlib.contextmanager
    def _transport(self) -> Iterator[Transport]:
        """Lend a transport for one exchange; it is used again only when the exchange came to its end."""
        with self._lock:
            if self._closed:
                raise Unavailable("the connection is closed", errno.EBADF)
            idle = self._idle.pop() if self._idle else None
        transport = self.dial() if idle is None else idle
        try:
            yield transport
        except BaseException:
            transport.close()
            raise
        with self._lock:
            keep = not self._closed and len(self._idle) < _MAX_IDLE
            if keep:
                self._idle.append(transport)
        if not keep:
            transport.close()

    def _receive(
        self, transport: Transport, exchange: Transaction[Any] | Batch | Dump[Any], operation: str, wait: bool = True
    ) -> bytes | None:
        """Return the next datagram; None when the transport lost some, of which the exchange is told.

        Without `wait`, `BlockingIOError` when there is none yet.
        """
        try:
            return transport.recv(self._timeout if wait else 0)
        except BlockingIOError:
            if not wait:
                raise
            explanation = f"no answer within {self._timeout} seconds"
            raise netlink_error(errno.ETIMEDOUT, operation, explanation) from None
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            exchange.overrun()
            return None


@functools.cache
def keep_freed_memory(size: int) -> None:
    """Have about `size` bytes that are freed from now on kept for what comes next, where the C library is glibc.

    Else memory goes back to the system page by page, and fresh pages cost more than what a dump puts there. Once a
    block beyond a threshold was freed, its size becomes the threshold (mallopt(3), ``M_MMAP_THRESHOLD``); the pages
    of this one are never touched.
    """
    bytes(size)


class _Lent(Connection):
    """A connection that shares all it has with its lender, but for being closed."""

    def __init__(self, lender: Connection) -> None:
        self.__dict__ = lender.__dict__

    def close(self) -> None:
        """Leave everything to the lender."""
