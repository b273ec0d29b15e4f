"""Lists as comma-separated values: what ``--output csv`` makes of the data that JSON tells (``docs/json.md``).

Each list has columns of its own, named as the members of the JSON are, with dots where one lies in another: a title
line, and a line for each row. What a datapath does not tell is empty. This file knows no command but by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from dpif._lazy import pattern

Data = Mapping[str, object]

_WAYS = " ".join(f"{way}_{what}" for way in ("rx", "tx") for what in ("packets", "bytes", "errors", "dropped"))
_FLOW = "ufid match packets bytes used tcp_flags actions"
COLUMNS = {
    "cache-get-size": "name caches.name caches.size",
    "ct-get-limits": "zones.zone zones.limit zones.connections",
    "dump-conntrack": (
        "protocol orig.src orig.src_port orig.dst orig.dst_port reply.src reply.src_port reply.dst reply.dst_port "
        "zone tcp.state mark labels timeout status orig.packets orig.bytes reply.packets reply.bytes"
    ),
    "dump-dps": "name",
    "dump-flows": _FLOW,
    "get-flow": _FLOW,
    "psample": "timestamp group cookie sequence probability protocol in_ifindex out_ifindex length packet",
    "show": "name ports.number ports.name ports.type "
    + " ".join(f"ports.statistics.{name}" for name in _WAYS.split()),
    "upcalls": "kind match length packet userdata",
}
"""The columns of each command that has them."""
_QUOTED = pattern(r'[",\r\n]|^ | $')


class CsvOutput:
    """The lines of one command, in place of a `JsonOutput`."""

    def __init__(self, command: str) -> None:
        self._columns = COLUMNS[command].split()

    def value(self, data: Data) -> Iterator[str]:
        """Return the lines of a command that prints one value."""
        yield ",".join(self._columns)
        yield from self._rows(data)

    def array(self, name: str, items: Iterable[Data], members: Data, succeeds: Callable[[], bool]) -> Iterator[str]:
        """Return the lines of a command that prints many."""
        yield ",".join(self._columns)
        for item in items:
            yield from self._rows(item)

    def _rows(self, data: Data) -> Iterator[str]:
        for row in _spread(data, self._columns):
            yield ",".join([_cell(_found(row, column)) for column in self._columns])


def _spread(data: Data, columns: Iterable[str]) -> Iterator[Data]:
    """Yield a row for each item of the list that columns lie in, if they do."""
    for column in columns:
        head, dot, _ = column.partition(".")
        inner = data.get(head)
        if dot and isinstance(inner, list):
            yield from ({**data, head: one} for one in inner)
            return
    yield data


def _found(data: object, column: str) -> object:
    """Return what stands at a name with dots in it, None where it leads nowhere."""
    for name in column.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _cell(value: object) -> str:
    """Return the text of a value, quoted where it must be (RFC 4180)."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
