"""Where stations are: a table from Ethernet address to port number, learned from the packets that they send.

Owns learning, moving, ageing and forgetting, with the time handed in. A station is an Ethernet address in a VLAN,
as whatever bytes the caller names it by. Knows neither packets nor datapaths.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Learned", "MacTable"]


class Learned(Enum):
    """What a table made of a station that was seen at a port."""

    NOTHING = "it was known there"
    NEW = "it was not known"
    MOVED = "it was known at another port"
    FULL = "there is no room to remember it"


class _Entry:
    __slots__ = ("port", "seen")

    def __init__(self, port: int, seen: float) -> None:
        self.port = port
        self.seen = seen


class MacTable:
    """Remembers up to `limit` stations, each for `max_age` seconds after it was last seen.

    A full table learns nothing new until entries age: whoever floods it with addresses does not drive out
    those that are in use.
    """

    def __init__(self, max_age: float, limit: int) -> None:
        self._max_age = max_age
        self._limit = limit
        self._entries: dict[bytes, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def port_of(self, station: bytes) -> int | None:
        """Return the port that `station` was last seen at, None when it is not known."""
        entry = self._entries.get(station)
        return None if entry is None else entry.port

    def learn(self, station: bytes, port: int, now: float) -> Learned:
        """Note that `station` sent something through `port`."""
        entry = self._entries.get(station)
        if entry is None:
            if len(self._entries) >= self._limit:
                return Learned.FULL
            self._entries[station] = _Entry(port, now)
            return Learned.NEW
        entry.seen = now
        if entry.port == port:
            return Learned.NOTHING
        entry.port = port
        return Learned.MOVED

    def refresh(self, station: bytes, now: float) -> None:
        """Note that `station` is still sending from where it is; nothing happens when it is not known."""
        entry = self._entries.get(station)
        if entry is not None:
            entry.seen = now

    def expire(self, now: float) -> list[bytes]:
        """Forget the stations that were not seen for the table's age; return them."""
        return self._forget(
            [station for station, entry in self._entries.items() if now - entry.seen >= self._max_age]
        )

    def forget_port(self, port: int) -> list[bytes]:
        """Forget the stations at `port`; return them."""
        return self._forget([station for station, entry in self._entries.items() if entry.port == port])

    def _forget(self, stations: list[bytes]) -> list[bytes]:
        for station in stations:
            del self._entries[station]
        return stations
