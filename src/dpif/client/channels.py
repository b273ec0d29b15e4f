"""Several transports that are read as one, each in its turn.

Upcalls of different ports come on different transports where dispatch is per vport. One that is flooded must not
keep the others waiting, so each that has something to read gives one datagram, then the next; only when all that were
ready had their turn are they asked again (``dpif_linux_recv`` of the first dpif-linux.c).
"""

from __future__ import annotations

import errno
import selectors
import time
from collections import deque
from collections.abc import Sequence

from dpif.netlink.transport import Dial, Transport


class Channels:
    """Transports made by `dial`; at first one, read without ado. Used by one thread at a time."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._transports: list[Transport] = [dial()]
        self._selector: selectors.DefaultSelector | None = None
        self._ready: deque[Transport] = deque()

    def widen(self, count: int) -> None:
        """Make transports until there are `count`."""
        if self._selector is None and count > 1:
            self._selector = selectors.DefaultSelector()
            self._register(0)
        while len(self._transports) < count:
            self._transports.append(self._dial())
            self._register(len(self._transports) - 1)

    def _register(self, index: int) -> None:
        assert self._selector is not None
        self._selector.register(self._transports[index].fileno(), selectors.EVENT_READ, index)

    @property
    def port_id(self) -> int:
        """The netlink port id of the first transport."""
        return self._transports[0].port_id

    @property
    def port_ids(self) -> Sequence[int]:
        """The netlink port id of each transport."""
        return [transport.port_id for transport in self._transports]

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram of the transport whose turn it is; see `Transport.recv`."""
        if self._selector is None:
            return self._transports[0].recv(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            while self._ready:
                try:
                    return self._ready.popleft().recv(0.0)
                except BlockingIOError:
                    continue
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            indices = sorted(key.data for key, _ in self._selector.select(left))
            if not indices and left == 0.0:
                raise BlockingIOError(errno.EAGAIN, "no datagram came in time")
            self._ready.extend(self._transports[index] for index in indices)

    def join_group(self, group: int) -> None:
        """Have the messages of a multicast group come too, on the first transport; raise `NetlinkError`."""
        self._transports[0].join_group(group)

    def fileno(self) -> int:
        """Return a descriptor that is readable when one of the transports is."""
        return self._transports[0].fileno() if self._selector is None else self._selector.fileno()

    def close(self) -> None:
        """Close all transports."""
        if self._selector is not None:
            self._selector.close()
        for transport in self._transports:
            transport.close()
