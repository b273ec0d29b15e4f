"""Which port number to try next where the caller leaves the choice.

Flows and everything that counts by port outlive a port for a while, so a number that was freed is used again last:
numbers wait in a queue, the one that was free for longest in front (``lru_ports`` of the first dpif-linux.c).
"""

from __future__ import annotations

from _thread import allocate_lock  # see `dpif.netlink.connection`
from collections import OrderedDict
from collections.abc import Collection

MAX_PORTS = 1024
"""Numbers that are given out are below this; a datapath takes others all the same, when they are asked for."""


class PortNumbers:
    """Free port numbers, as far as this handle knows; at first all but 0, which is the local port's.

    Safe to use from several threads.
    """

    def __init__(self, count: int = MAX_PORTS) -> None:
        self._count = count
        self._queue = OrderedDict.fromkeys(range(1, count))
        self._lock = allocate_lock()

    def take(self) -> int | None:
        """Take the number out that waited longest; None when there is none: then the datapath chooses."""
        with self._lock:
            return self._queue.popitem(last=False)[0] if self._queue else None

    def give_back(self, number: int) -> None:
        """Put a number that was taken but not used in front again."""
        with self._lock:
            self._queue[number] = None
            self._queue.move_to_end(number, last=False)

    def used(self, number: int) -> None:
        """Take note that a number is in use."""
        with self._lock:
            self._queue.pop(number, None)

    def freed(self, number: int) -> None:
        """Put a number that is free again at the end."""
        with self._lock:
            if 0 < number < self._count:
                self._queue[number] = None
                self._queue.move_to_end(number)

    def observed(self, in_use: Collection[int]) -> None:
        """Take note of a complete list of the numbers in use; those missing from it are free."""
        with self._lock:
            for number in in_use:
                self._queue.pop(number, None)
            for number in range(1, self._count):
                if number not in in_use:
                    self._queue.setdefault(number)
