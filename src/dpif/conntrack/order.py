"""The order of connections by their fields: ``-bytes``, ``zone,src``, ``timeout:desc``; as that of flows is written.

Addresses and ports are those of the packets that opened the connection, packets and bytes those of both ways
together. What a connection has not comes last either way; equals stay as they came.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from dpif._typing import Any, NamedTuple
from dpif.conntrack.entry import Entry, SctpInfo, TcpInfo
from dpif.conntrack.text import protocol_name, state_name
from dpif.errors import ParseError

Rank = tuple[tuple[bool, Any], ...]


def _address(address: Any) -> tuple[int, int]:
    return address.version, int(address)


def _both(entry: Entry, member: int) -> int | None:
    counted = [counters[member] for counters in (entry.counters_orig, entry.counters_reply) if counters is not None]
    return sum(counted) if counted else None


def _state(entry: Entry) -> str | None:
    info = entry.protoinfo
    return state_name(info, more=True) if isinstance(info, (TcpInfo, SctpInfo)) else None


FIELDS: dict[str, Callable[[Entry], Any]] = {
    "protocol": lambda entry: protocol_name(entry.orig.protocol),
    "src": lambda entry: _address(entry.orig.src),
    "dst": lambda entry: _address(entry.orig.dst),
    "sport": lambda entry: entry.orig.src_port,
    "dport": lambda entry: entry.orig.dst_port,
    "zone": lambda entry: entry.zone,
    "mark": lambda entry: entry.mark,
    "state": _state,
    "timeout": lambda entry: entry.timeout,
    "packets": lambda entry: _both(entry, 0),
    "bytes": lambda entry: _both(entry, 1),
    "start": lambda entry: entry.start,
}
"""What connections are ordered by."""


class _Descending:
    """A value that is less than another where it is more."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]


class _Column(NamedTuple):
    read: Callable[[Entry], Any]
    descends: bool

    def rank(self, entry: Entry) -> tuple[bool, Any]:
        value = self.read(entry)
        if value is None:
            return True, 0
        return False, _Descending(value) if self.descends else value


class Order(NamedTuple):
    """An order of connections."""

    columns: tuple[_Column, ...]

    def sorted(self, entries: Iterable[Entry], limit: int | None = None) -> list[Entry]:
        """Return all connections in order, or the first `limit` of them, in memory for so many."""
        return sorted(entries, key=self._rank) if limit is None else heapq.nsmallest(limit, entries, key=self._rank)

    def _rank(self, entry: Entry) -> Rank:
        return tuple([column.rank(entry) for column in self.columns])


def parse_order(text: str) -> Order:
    """Return the order of a text; raise `ParseError`."""
    columns, position = [], 0
    for part in text.split(","):
        columns.append(_column(part, text, position))
        position += len(part) + 1
    return Order(tuple(columns))


def _column(part: str, text: str, position: int) -> _Column:
    name, colon, direction = part.removeprefix("-").partition(":")
    if name not in FIELDS:
        raise ParseError(f"unknown field {name[:40]!r}", text, position, f"one of: {', '.join(FIELDS)}")
    if colon and direction not in ("asc", "desc"):
        raise ParseError(f"unknown direction {direction[:40]!r}", text, position, "asc or desc")
    return _Column(FIELDS[name], part.startswith("-") != (direction == "desc"))
