"""``dump-conntrack``, ``flush-conntrack``, ``ct-stats-show``: the connections that are tracked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import islice

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.errors import CommandError, describe, invalid
from dpif.cli.numbers import read_limit
from dpif.cli.reading import reading
from dpif.conntrack.parse import parse_match, parse_zone
from dpif.conntrack.text import TCP_STATE_NAMES, format_entry, protocol_name
from dpif.conntrack.tuples import (
    IPPROTO_DCCP,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_IGMP,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_UDPLITE,
)
from dpif.errors import ParseError

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.cli.reading import AnyDatapath
    from dpif.client.datapath import Datapath
    from dpif.conntrack.entry import Entry
    from dpif.conntrack.order import Order
    from dpif.conntrack.table import Statistics

_COUNTED = {
    IPPROTO_UDP: "UDP",
    IPPROTO_UDPLITE: "UDPLITE",
    IPPROTO_SCTP: "SCTP",
    IPPROTO_ICMP: "ICMP",
    IPPROTO_DCCP: "DCCP",
    IPPROTO_IGMP: "IGMP",
}
"""Protocols with a line of their own behind that of TCP, in this order; ICMPv6 has none, and is no "Other"."""


def dump(context: Context) -> None:
    """List the connections, of one zone or of all."""
    words, zone = _take_zone(context.words)
    if zone is not None:
        context.nothing = f"no connections in zone {zone}"
    with _reading_only(context, words) as datapath:
        with context.failing("starting conntrack dump"):
            entries = _chosen(context, datapath.conntrack.dump(zone=zone))
        more, statistics = bool(context.options.more), context.options.statistics
        with context.failing("dumping conntrack entry"):
            screen = context.screen
            if screen is None:
                context.print_all("connections", (Connection(entry, more, statistics) for entry in entries))
            else:
                from dpif.cli.output.conntrack_table import connection_lines

                context.print_lines(connection_lines(screen, entries, more=more, statistics=statistics))


def _chosen(context: Context, entries: Iterable[Entry]) -> Iterable[Entry]:
    """Return the connections in the order that is asked for, and no more than that; raise `CommandError`."""
    limit = read_limit(context.options.limit, "connections")
    if context.options.sort is None:
        return entries if limit is None else islice(entries, limit)
    from dpif.conntrack.order import parse_order

    try:
        order = parse_order(context.options.sort)
    except ParseError as error:
        raise CommandError(describe("parsing --sort", error)) from None
    return _sorted(context, order, entries, limit)


def _sorted(context: Context, order: Order, entries: Iterable[Entry], limit: int | None) -> Iterator[Entry]:
    with context.watching(entries, lambda count, _: f"reading connections: {count}") as watched:
        found = order.sorted(watched, limit)
    yield from found


class Connection(NamedTuple):
    """A connection; `more` and `statistics` say what else its line shows."""

    entry: Entry
    more: bool
    statistics: bool

    def lines(self) -> Iterator[str]:
        """Return its line."""
        yield format_entry(self.entry, more=self.more, statistics=self.statistics)

    def data(self) -> dict[str, object]:
        """Return all of it."""
        from dpif.conntrack.data import entry_data

        return entry_data(self.entry)


def flush(context: Context) -> None:
    """Delete connections: all, those of a zone, those that match."""
    count = 1 if context.words and context.names_datapath(context.words[0]) else 0
    try:
        match, zone = parse_match(context.words[count:])
    except ParseError as error:
        raise invalid(error.reason, error.hint) from None
    datapath = _open_only(context, context.words[:count])
    with datapath, context.failing("failed to flush conntrack"):
        datapath.conntrack.flush(match, zone=zone)


def show_statistics(context: Context) -> None:
    """Count the connections by protocol, and with more to say those of TCP by state."""
    words, zone = _take_zone(context.words)
    more = bool(context.options.more) or "verbose" in words
    with _reading_only(context, [word for word in words if word != "verbose"]) as datapath:
        with context.failing("starting conntrack dump"):
            conntrack = datapath.conntrack
        with context.failing("dumping conntrack entry"):
            context.print(Counts(conntrack.statistics(zone=zone), more))


class Counts(NamedTuple):
    """How many connections there are; ``more`` shows the states of TCP."""

    statistics: Statistics
    more: bool

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl`` prints it; what there is none of is left out."""
        yield "Connections Stats:"
        yield f"    Total: {self.statistics.total}"
        protocols = self.statistics.protocols
        if protocols[IPPROTO_TCP]:
            yield f"  TCP: {protocols[IPPROTO_TCP]}"
            if self.more:
                yield from self._state_lines()
        for number, name in _COUNTED.items():
            if protocols[number]:
                yield f"  {name}: {protocols[number]}"
        others = protocols.total() - sum(protocols[one] for one in (*_COUNTED, IPPROTO_TCP, IPPROTO_ICMPV6))
        if others:
            yield f"  Other: {others}"

    def data(self) -> dict[str, object]:
        """Return the counts by the names of protocols, numbers where they have none, and of the states of TCP."""
        protocols = {protocol_name(number): count for number, count in self.statistics.protocols.items()}
        return {"total": self.statistics.total, "protocols": protocols, "tcp_states": self.statistics.tcp_states}

    def _state_lines(self) -> Iterator[str]:
        yield "    Conn per TCP states:"
        for name in TCP_STATE_NAMES:
            if self.statistics.tcp_states[name]:
                yield f"\t  [{name}]={self.statistics.tcp_states[name]}"


def _take_zone(words: list[str]) -> tuple[list[str], int | None]:
    """Return the words but ``zone=N``, and that zone."""
    zone = None
    rest = []
    for word in words:
        if word.startswith("zone="):
            try:
                zone = parse_zone(word.removeprefix("zone="))
            except ParseError as error:
                raise invalid(error.reason, error.hint) from None
        else:
            rest.append(word)
    return rest, zone


def _open_only(context: Context, words: list[str]) -> Datapath:
    """Open the datapath that the one word names, or the only one; more words are too many."""
    datapath, rest = context.open_optional(words, 1)
    if rest:
        datapath.close()
        raise invalid(f"invalid argument {rest[0]}")
    return datapath


@contextlib.contextmanager
def _reading_only(context: Context, words: list[str]) -> Iterator[AnyDatapath]:
    """Do so to read, where it may be a saved one."""
    with reading(context, words, 1) as (datapath, rest):
        if rest:
            raise invalid(f"invalid argument {rest[0]}")
        yield datapath
