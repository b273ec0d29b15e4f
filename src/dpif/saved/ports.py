"""Ports and counters as ``show`` and ``show -s`` print them, back to values.

The first datapath that is shown counts: its name, its counters, its ports. Its block ends at the next line that is
not indented.
"""

from __future__ import annotations

from collections.abc import Iterable

from dpif._lazy import pattern
from dpif._typing import Final, NamedTuple
from dpif.client.port import Port
from dpif.client.stats import Stats
from dpif.odp.messages.vport import VportStats
from dpif.saved.sources import Line

__all__ = ["Overview", "read_overview"]

_HEADING = pattern(r"([^\s@:]++@[^\s:]++|[\w.-]++):\s*+")
_LOOKUPS = pattern(r"\s++lookups: hit:(\d++) missed:(\d++) lost:(\d++)")
_FLOWS = pattern(r"\s++flows: (\d++)")
_MASKS = pattern(r"\s++masks: hit:(\d++) total:(\d++)")
_CACHE = pattern(r"\s++cache: hit:(\d++)")
_PORT = pattern(r"\s++port (\d++): ([^\s:][^\s]*+)(?: \(([^:()]++)(?:: ([^()]*+))?\))?")
_COUNTERS = pattern(r"\s++(RX|TX) packets:(\d++|\?) errors:(\d++|\?) dropped:(\d++|\?)")
_BYTES = pattern(r"\s++RX bytes:(\d++|\?)(?: \([^)]*+\))?\s++TX bytes:(\d++|\?)")
UNKNOWN: Final = 0xFFFFFFFFFFFFFFFF
"""What Open vSwitch counts where a device does not tell, and shows as ``?``."""


class Overview(NamedTuple):
    """What ``show`` told: the name of the datapath or an empty one, its counters, its ports by number."""

    name: str
    stats: Stats | None
    ports: tuple[Port, ...]


class _Reader:
    """Reads the lines of one datapath's block."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._hits: tuple[int, int, int] | None = None
        self._flows = 0
        self._masks: tuple[int, ...] = ()
        self._cache: int | None = None
        self._ports: dict[int, Port] = {}
        self._last: int | None = None

    def read(self, text: str) -> None:
        """Take what a line tells."""
        if found := _PORT.match(text):
            number = int(found[1])
            self._ports[number] = Port(number, found[2], found[3] or "system", options=_options(found[4]))
            self._last = number
        elif self._last is not None:
            self._count(self._last, text)
        elif found := _LOOKUPS.match(text):
            self._hits = int(found[1]), int(found[2]), int(found[3])
        elif found := _FLOWS.match(text):
            self._flows = int(found[1])
        elif found := _MASKS.match(text):
            self._masks = tuple(map(int, found.groups()))
        elif found := _CACHE.match(text):
            self._cache = int(found[1])

    def _count(self, number: int, text: str) -> None:
        """Note the counters of a port."""
        counts: dict[str, int] = {}
        if found := _COUNTERS.match(text):
            names = [f"{found[1].lower()}_{what}" for what in ("packets", "errors", "dropped")]
            counts = dict(zip(names, map(_number, found.groups()[1:]), strict=True))
        elif found := _BYTES.match(text):
            counts = {"rx_bytes": _number(found[1]), "tx_bytes": _number(found[2])}
        if counts:
            port = self._ports[number]
            self._ports[number] = port._replace(stats=(port.stats or VportStats())._replace(**counts))

    def overview(self) -> Overview:
        """Return all that was told."""
        stats = None
        if self._hits is not None:
            hit, masks = self._masks or (None, None)
            stats = Stats(*self._hits, self._flows, masks, hit, self._cache)
        return Overview(self.name, stats, tuple(self._ports[number] for number in sorted(self._ports)))


def read_overview(lines: Iterable[Line]) -> Overview:
    """Return what the lines show of the first datapath that has a port."""
    reader: _Reader | None = None
    for _, _, text in lines:
        if reader is not None and text[:1].isspace():
            reader.read(text)
        elif reader is not None and reader.overview().ports:
            break
        elif found := _HEADING.fullmatch(text):
            reader = _Reader(found[1])
        elif text.strip():
            reader = None
    return Overview("", None, ()) if reader is None else reader.overview()


def _number(text: str) -> int:
    return UNKNOWN if text == "?" else int(text)


def _options(text: str | None) -> dict[str, int | str] | None:
    if not text:
        return None
    pairs = (part.partition("=") for part in text.split(", "))
    return {name: int(value) if value.isdecimal() else value for name, _, value in pairs}
