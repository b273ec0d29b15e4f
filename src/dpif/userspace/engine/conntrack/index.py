"""Where confirmed connections are found: by the tuples of their directions, and by their source (`Index`).

Besides, each of its tuples puts a connection into a bucket, as in the kernel's hash table. Nothing is found by these,
but they tell which connections are to make room for another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dpif._typing import Final, TypeAlias
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.tuples import Tuple

_NEIGHBOURHOOD: Final = 8
"""Buckets in which room is made (NF_CT_EVICTION_RANGE)."""
Found: TypeAlias = tuple[Connection, bool]
"""A connection, and whether a tuple is that of its replies."""


class Index:
    """The connections of a `Tracker`, by zone and tuple.

    Every connection is found by the tuples that it has: these no longer change once it is here. Two of them with the
    same tuple there are not. A hidden one is found by its reply tuple alone. There are as many buckets as there may
    be connections.
    """

    def __init__(self, buckets: int) -> None:
        self._n_buckets = max(buckets, 1)
        self._buckets: dict[int, list[Connection]] = {}
        self._connections: dict[Connection, None] = {}
        self._directions: dict[tuple[int, Tuple], Found] = {}
        self._sources: dict[tuple[object, ...], dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the connections that there are now, hidden ones too."""
        return iter(tuple(self._connections))

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def find(self, zone: int, names: Tuple) -> Found | None:
        """Return the connection that has `names` in one direction."""
        return self._directions.get((zone, names))

    def items(self) -> Iterable[tuple[tuple[int, Tuple], Found]]:
        """Return what is found by which zone and tuple."""
        return self._directions.items()

    def with_source(self, zone: int, names: Tuple) -> Iterable[Connection]:
        """Return the connections from the source in `names`, if its translation was decided on, the newest first."""
        return reversed(self._sources.get(_source(zone, names), {}))

    def near(self, zone: int, names: Tuple) -> Iterator[Sequence[Connection]]:
        """Yield what is in the bucket of a tuple, and in those behind it."""
        first = self._bucket(zone, names)
        for bucket in range(first, first + min(_NEIGHBOURHOOD, self._n_buckets)):
            yield tuple(self._buckets.get(bucket % self._n_buckets, ()))

    def _bucket(self, zone: int, names: Tuple) -> int:
        return hash((zone, names)) % self._n_buckets

    def add(self, connection: Connection) -> None:
        """Add a connection whose tuples are free."""
        zone = connection.zone
        if not connection.is_hidden:
            self._directions[zone, connection.original] = connection, False
        self._directions[zone, connection.reply] = connection, True
        self._connections[connection] = None
        for names in (connection.original, connection.reply):
            self._buckets.setdefault(self._bucket(zone, names), []).append(connection)
        if connection.source_set:
            self._sources.setdefault(_source(zone, connection.original), {})[connection] = None

    def remove(self, connection: Connection) -> bool:
        """Remove a connection; tell whether it was here."""
        if connection not in self._connections:
            return False
        del self._connections[connection]
        for names in (connection.original, connection.reply):
            bucket = self._bucket(connection.zone, names)
            self._buckets[bucket].remove(connection)
            if not self._buckets[bucket]:
                del self._buckets[bucket]
            found = self.find(connection.zone, names)
            if found is not None and found[0] is connection:  # a hidden one's is another's
                del self._directions[connection.zone, names]
        if connection.source_set:
            source = _source(connection.zone, connection.original)
            del self._sources[source][connection]
            if not self._sources[source]:
                del self._sources[source]
        return True

    def clear(self) -> None:
        """Remove all connections."""
        for kept in (self._connections, self._directions, self._sources, self._buckets):
            kept.clear()


def _source(zone: int, names: Tuple) -> tuple[object, ...]:
    return zone, names.ethertype, names.protocol, names.src, names.src_port
