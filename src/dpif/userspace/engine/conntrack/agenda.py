"""When which connection is to be looked at, since its time may be over by then (`Agenda`)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from dpif._typing import Final
from dpif.userspace.engine.conntrack.connection import Connection

_TICKS: Final = 8
"""Ticks of a second: what ends within one is found together."""
_HORIZON: Final = 1024
"""Ticks after which a connection is looked at, though its time be later, so that there are but so many slots."""


class Agenda:
    """Connections by the tick when they are due (``Connection.due``).

    To put one on it and to take one off takes the same time however many there are. A connection whose time is put
    off stays where it is: whoever finds it due sees that, and adds it again.
    """

    def __init__(self) -> None:
        self._slots: dict[int, dict[Connection, None]] = {}
        self._ticks: list[int] = []  # those of the slots, a heap

    def add(self, connection: Connection, now: float) -> None:
        """Add a connection, to be due as its time is over."""
        present = int(now * _TICKS)
        due = connection.due = min(max(int(connection.expires * _TICKS), present + 1), present + _HORIZON)
        slot = self._slots.get(due)
        if slot is None:
            slot = self._slots[due] = {}
            heapq.heappush(self._ticks, due)
        slot[connection] = None

    def hasten(self, connection: Connection, now: float) -> None:
        """See to it that a connection whose time has changed is due in time."""
        if int(connection.expires * _TICKS) < connection.due:
            self.discard(connection)
            self.add(connection, now)

    def discard(self, connection: Connection) -> None:
        """Take a connection off, if it is there."""
        slot = self._slots.get(connection.due)
        if slot is not None:
            slot.pop(connection, None)

    def clear(self) -> None:
        """Take all off."""
        self._slots.clear()
        self._ticks.clear()

    def take_due(self, now: float, most: int) -> Iterator[Connection]:
        """Take connections off that are due, and yield them, up to `most`."""
        present = int(now * _TICKS)
        while self._ticks and self._ticks[0] <= present:
            slot = self._slots[self._ticks[0]]
            while slot:
                if not most:
                    return
                most -= 1
                yield slot.popitem()[0]
            del self._slots[heapq.heappop(self._ticks)]
