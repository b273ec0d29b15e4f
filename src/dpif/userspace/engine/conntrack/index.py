"""Where confirmed connections are found: by the tuples of their directions, and by their source (`Index`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpif._typing import TypeAlias
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.tuples import Tuple

Found: TypeAlias = tuple[Connection, bool]
"""A connection, and whether a tuple is that of its replies."""


class Index:
    """The connections of a `Tracker`, by zone and tuple.

    Every connection is found by the tuples that it has: these no longer change once it is here. Two of them with the
    same tuple there are not. A hidden one is found by its reply tuple alone.
    """

    def __init__(self) -> None:
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

    def add(self, connection: Connection) -> None:
        """Add a connection whose tuples are free."""
        zone = connection.zone
        if not connection.is_hidden:
            self._directions[zone, connection.original] = connection, False
        self._directions[zone, connection.reply] = connection, True
        self._connections[connection] = None
        if connection.source_set:
            self._sources.setdefault(_source(zone, connection.original), {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """Remove a connection that is here; nothing happens when it is not."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        for names in (connection.original, connection.reply):
            found = self.find(connection.zone, names)
            if found is not None and found[0] is connection:  # a hidden one's is another's
                del self._directions[connection.zone, names]
        if connection.source_set:
            source = _source(connection.zone, connection.original)
            del self._sources[source][connection]
            if not self._sources[source]:
                del self._sources[source]


def _source(zone: int, names: Tuple) -> tuple[object, ...]:
    return zone, names.ethertype, names.protocol, names.src, names.src_port
