"""`SavedDatapath`: what was saved of a datapath, under the names by which a live one is read."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from dpif._typing import TYPE_CHECKING, Self
from dpif.client.port import Port
from dpif.errors import netlink_error
from dpif.saved.faults import Faults
from dpif.saved.names import Numbers
from dpif.saved.ports import Overview, read_overview
from dpif.saved.sources import Line, Source

if TYPE_CHECKING:
    from dpif.client.stats import Stats
    from dpif.conntrack.entry import Entry
    from dpif.conntrack.table import Statistics
    from dpif.odp.messages.datapath import DatapathRecord
    from dpif.saved.flows import SavedFlow, SavedFlows

__all__ = ["SavedConntrack", "SavedDatapath", "SavedPorts"]


class SavedPorts:
    """The ports of a saved dump, those that ``show`` listed; iterate for all of them, ordered by number."""

    def __init__(self, saved: SavedDatapath) -> None:
        self._saved = saved

    def get(self, port: int | str) -> Port:
        """Return the port of a number or a name; raise `NoSuchObject`."""
        for one in self:
            if port in (one.number, one.name):
                return one
        raise netlink_error(2, f"querying port {port} in {self._saved}", "there is none in what was saved")

    def names(self) -> Mapping[int, str]:
        """Return the names by number; those that no port is known of are there once they were met in flows."""
        return ChainMap({port.number: port.name for port in self}, self._saved.numbers.own)

    def numbers(self) -> Mapping[str, int]:
        """Return the numbers by name, for texts: a name that is new gets one of its own."""
        return self._saved.numbers

    def __iter__(self) -> Iterator[Port]:
        return iter(self._saved.overview.ports)

    def __len__(self) -> int:
        return len(self._saved.overview.ports)

    def __getitem__(self, port: int | str) -> Port:
        return self.get(port)

    def __contains__(self, port: object) -> bool:
        return any(port in (one.number, one.name) for one in self)


class SavedConntrack:
    """The connections of a saved dump; iterate for all of them, read as they are asked for."""

    def __init__(self, saved: SavedDatapath) -> None:
        self._saved = saved

    def dump(self, *, zone: int | None = None) -> Iterator[Entry]:
        """Iterate over the connections, in a zone or (None) in all."""
        from dpif.saved.connections import read_entries

        entries = read_entries(self._saved.lines(), self._saved.faults)
        return (entry for entry in entries if zone in (None, entry.zone))

    def statistics(self, *, zone: int | None = None) -> Statistics:
        """Count the connections, in a zone or (None) in all."""
        from dpif.conntrack.table import count

        return count(self.dump(zone=zone))

    def __iter__(self) -> Iterator[Entry]:
        return self.dump()

    def __len__(self) -> int:
        return sum(1 for _ in self)


class SavedDatapath:
    """What was saved of a datapath: its flows, ports, connections and counters, as far as the files have them.

    The files are read when something is asked for, anew each time, a line at a time. ``faults`` are the lines that
    could not be read so far. ``now`` is the time that counts as that of the dump, in milliseconds.
    """

    type = "file"

    def __init__(self, sources: Iterable[Source], faults: Faults, now: int) -> None:
        self._sources = tuple(sources)
        self.faults = faults
        self.now = now
        self.name = ",".join(source.name for source in self._sources)
        self.numbers = Numbers(lambda: self.overview.ports)
        self.ports = SavedPorts(self)
        self.conntrack = SavedConntrack(self)

    @property
    def flows(self) -> SavedFlows:
        """The flows."""
        from dpif.saved.flows import SavedFlows, read_flows

        def read() -> Iterator[SavedFlow]:
            return read_flows(self.lines(), self.numbers, self.now, self.faults)

        return SavedFlows(read, self.numbers, self.now)

    @property
    def unnumbered(self) -> Mapping[int, str]:
        """The names that no port is known of, by the numbers that stand for them."""
        return self.numbers.own

    @property
    def stats(self) -> Stats | None:
        """The counters, None where ``show`` did not tell them."""
        return self.overview.stats

    def read(self) -> DatapathRecord:
        """Return the counters as a datapath's message tells them."""
        from dpif.odp.messages.datapath import DatapathRecord, DatapathStats, MegaflowStats

        stats = self.stats
        if stats is None:
            return DatapathRecord(name=self.name)
        counts = DatapathStats(stats.hit, stats.missed, stats.lost, stats.flows)
        if stats.masks is None:
            return DatapathRecord(name=self.name, stats=counts)
        masks = MegaflowStats(stats.mask_hit or 0, stats.masks, stats.cache_hit or 0)
        return DatapathRecord(name=self.name, stats=counts, megaflow_stats=masks)

    @functools.cached_property
    def overview(self) -> Overview:
        """What ``show`` told of the datapath and its ports."""
        return read_overview(self.lines())

    def lines(self) -> Iterator[Line]:
        """Iterate over the lines of all files."""
        return chain.from_iterable(source.lines(self.faults) for source in self._sources)

    def close(self) -> None:
        """Do nothing: no file is open between two readings. A live datapath has it, too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self.type}@{self.name}"

    def __repr__(self) -> str:
        return f"<SavedDatapath {self.name}>"
