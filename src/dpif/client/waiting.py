"""What truly waits: messages that come on their own account, for loops of every style.

A `Listener` owns one source of datagrams, such as a transport. It is an iterator that blocks, an async iterator
that does not, and a file descriptor for an event loop of one's own; `poll` is what all three are made of. There is
no other asynchronous surface in the library, since the answer to a request is there when the request was sent.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from dpif._typing import Generic, Protocol, Self, TypeVar

T = TypeVar("T")

_BURST = 64
"""How many datagrams one `poll` takes at most, so that who polls gets a turn at other work."""


class Source(Protocol):
    """What datagrams come from: a `Transport`, as far as a listener needs it."""

    @property
    def port_id(self) -> int:
        """The netlink port id that the datagrams are sent to."""
        ...

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram, as `Transport.recv` does."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``recv(0)`` would return or report a loss."""
        ...

    def close(self) -> None:
        """Give up; a second call does nothing."""
        ...


class Listener(Generic[T]):
    """Events from one source; subclasses make them of datagrams in `_decode` and of losses in `_lost`.

    A context manager, and an async one; after `close` its iterators end, and so they do when nothing more can come
    (`is_gone`).
    """

    def __init__(self, transport: Source) -> None:
        self._transport = transport
        self._waiting: deque[T] = deque()
        self._closed = False
        self._in_doubt = False  # something was lost; a full queue takes nothing, and says so once, until it is empty

    @property
    def port_id(self) -> int:
        """The netlink port id ("pid" on the wire) that events are sent to."""
        return self._transport.port_id

    @property
    def is_gone(self) -> bool:
        """Whether what is listened to is no more, so that nothing new will come."""
        return False

    def fileno(self) -> int:
        """Return a descriptor that is readable when `poll` would find something new."""
        return self._transport.fileno()

    def poll(self, timeout: float | None = 0.0, limit: int = _BURST) -> list[T]:
        """Return the events that are there, at most about `limit`; wait up to `timeout` seconds for the first.

        A `timeout` of None waits for ever, 0 not at all. The list is empty when nothing came in time, and at once
        when nothing more can come.
        """
        events = list(self._waiting)
        self._waiting.clear()
        for _ in range(limit):
            if self._closed or len(events) >= limit:
                break
            try:
                datagram = self._transport.recv(0.0 if events or self.is_gone or self._in_doubt else timeout)
            except BlockingIOError:
                if not self._in_doubt:
                    break
                self._in_doubt = False
                self._make_sure()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                events.extend(self._lost())
            else:
                events.extend(self._decode(datagram))
        return events

    def _decode(self, datagram: bytes) -> list[T]:
        raise NotImplementedError

    def _lost(self) -> list[T]:
        """Return the events that stand for messages that the transport lost."""
        raise NotImplementedError

    def _make_sure(self) -> None:
        """Look up what the messages said that were lost; called, in doubt, once all that waited is read."""

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while not self._waiting:
            is_over = self._closed or self.is_gone  # what came before that is still told
            self._waiting.extend(self.poll(None))
            if is_over and not self._waiting:
                raise StopIteration
        return self._waiting.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            is_over = self._closed or self.is_gone
            self._waiting.extend(self.poll(0.0))
            if is_over and not self._waiting:
                raise StopAsyncIteration
            if not (self._waiting or self.is_gone):
                await self._readable()
        return self._waiting.popleft()

    async def _readable(self) -> None:
        import asyncio  # it costs more than all the rest, and only who awaits has a loop

        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        fd = self.fileno()
        loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(fd)

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
