"""The flows of a saved dump: which lines have one, and what such a line tells.

A line of a dump has a match and ``actions:``, perhaps behind something else: the time of a log, the name of a file
that ``grep`` put there. What looks like the start of a match and has no actions, or cannot be read, is a fault; all
other lines (headings, remarks, an empty line) are none of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Final
from dpif.client.flows import Flow
from dpif.errors import ParseError
from dpif.odp.text.flow_line import read_flow_line
from dpif.saved.faults import Fault, Faults
from dpif.saved.sources import Line

if TYPE_CHECKING:
    from dpif.odp.filter.language import Filter
    from dpif.odp.messages.flow import FlowRecord
    from dpif.saved.names import Numbers

__all__ = ["SavedFlow", "SavedFlows", "has_flow", "read_flows"]

_MATCH: Final = (
    r"(?:recirc_id|in_port|tunnel|eth|eth_type|ct_state|ct_zone|ct_mark|ct_label|skb_priority|skb_mark|dp_hash"
    r"|packet_type|encap|vlan|mpls|ipv4|ipv6|arp|nsh)\("
)
_FLOW = pattern(rf"(?<![\w(,.:-])(?:ufid:[0-9a-f]++-|{_MATCH})")
_REMARK = pattern(r"\s*+(?:#|$)")
_LOGGED = pattern(r"\b(?:put|get|delete|flow_put|flow_del|flow_get)\b|\bexecute\b|\bwith metadata\b")


class SavedFlow(Flow):
    """A flow of a saved dump.

    ``told`` is what its line says beside the counters, by name (``dp``: ``tc``, ``offloaded``: ``yes``); ``number``
    is the line's. ``now`` is the time of the dump, in milliseconds as `used` is told.
    """

    __slots__ = ("_now", "number", "told")

    def __init__(self, record: FlowRecord, told: Mapping[str, str], number: int, now: int) -> None:
        super().__init__(record)
        self.told = told
        self.number = number
        self._now = now

    @property
    def now(self) -> int:
        """The time of the dump."""
        return self._now

    def format(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> str:
        """Return the line as `Flow.format` does, of the time of the dump, with all that it told."""
        from dpif.odp.lines.text import format_flow_line

        return format_flow_line(self.record, self.now, verbose=verbose, port_names=port_names, told=self.told)


def read_flows(lines: Iterable[Line], numbers: Numbers, now: int, faults: Faults) -> Iterator[SavedFlow]:
    """Yield the flows of the lines that have one, as they come."""
    for file, number, text in lines:
        start = _start(text)
        if start is None:
            continue
        try:
            record, told = read_flow_line(text[start:], now, numbers)
        except ParseError as error:
            faults.add(Fault(file, number, str(error)))
        else:
            yield SavedFlow(record, told, number, now)


def has_flow(text: str) -> bool:
    """Tell whether a line has what looks like a flow."""
    return _start(text) is not None


def _start(text: str) -> int | None:
    """Return where the match of a flow starts in a line; None where it has none, or a log tells of another thing."""
    found = _FLOW.search(text)
    if found is None or _REMARK.match(text) or _LOGGED.search(text, 0, found.start()):
        return None
    return found.start()


class SavedFlows:
    """The flows of a saved dump; iterate for all of them, in the order of the lines, read as they are asked for."""

    def __init__(self, read: Callable[[], Iterator[SavedFlow]], numbers: Numbers, now: int) -> None:
        self._read = read
        self._numbers = numbers
        self._now = now

    def __iter__(self) -> Iterator[SavedFlow]:
        return self._read()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def dump(self, *, filter: Filter | str | None = None) -> Iterator[SavedFlow]:
        """Iterate over all flows, or those that a filter picks; raise `ParseError` for its text."""
        if filter is None:
            return iter(self)
        from dpif.odp.filter.language import parse_filter

        wanted = parse_filter(filter, self._numbers) if isinstance(filter, str) else filter
        now = self._now / 1000
        return (flow for flow in self if wanted.matches(flow, now))

    def lines(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> Iterator[str]:
        """Iterate over all flows as ``ovs-dpctl dump-flows`` printed them; arguments as for `Flow.format`."""
        return (flow.format(verbose=verbose, port_names=port_names) for flow in self)
