"""The table that ``dump-conntrack`` has on a terminal: a row for each connection, as the dump goes on.

It says what the lines of text do. The packets that answer are told of where an address is translated, else they are
the reverse of those that opened the connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpif._typing import TYPE_CHECKING
from dpif.cli.output.table import Column, Row, Screen, Table
from dpif.conntrack.entry import SctpInfo
from dpif.conntrack.text import format_address, format_details, protocol_name, state_name

if TYPE_CHECKING:
    from dpif.conntrack.entry import Entry
    from dpif.conntrack.tuples import Address, Tuple

_CONNECTION = (
    Column("protocol"),
    Column("source"),
    Column("destination"),
    Column("zone", is_number=True, begins_group=True),
    Column("state"),
    Column("timeout", is_number=True),
)
_COUNTERS = (
    Column("packets", is_number=True, begins_group=True),
    Column("bytes", is_number=True),
    Column("reply packets", is_number=True),
    Column("reply bytes", is_number=True),
)


def connection_lines(screen: Screen, entries: Iterable[Entry], *, more: bool, statistics: bool) -> Iterator[str]:
    """Return the table; `more` and `statistics` ask for what they add to the lines of text."""
    columns = _CONNECTION + _COUNTERS if statistics else _CONNECTION
    rows = (Row(_cells(entry, more, statistics), _words(entry, more, statistics)) for entry in entries)
    return Table(screen, columns, more="more").lines(rows)


def _cells(entry: Entry, more: bool, statistics: bool) -> list[str]:
    orig = entry.orig
    return [
        protocol_name(orig.protocol),
        _endpoint(orig.src, orig.src_port),
        _endpoint(orig.dst, orig.dst_port),
        str(entry.zone),
        "" if entry.protoinfo is None else state_name(entry.protoinfo, more=more),
        f"{entry.timeout}s",
        *(_counts(entry) if statistics else ()),
    ]


def _counts(entry: Entry) -> Iterator[str]:
    for counters in (entry.counters_orig, entry.counters_reply):
        yield from ("", "") if counters is None else map(str, counters)


def _words(entry: Entry, more: bool, statistics: bool) -> list[str]:
    words = list(_icmp(entry.orig))
    if not _is_reverse(entry.reply, entry.orig):
        reply = entry.reply
        words.append(f"reply={_endpoint(reply.src, reply.src_port)}->{_endpoint(reply.dst, reply.dst_port)}")
        words += [f"reply_{word}" for word in _icmp(reply)]
    in_columns = ["zone=", "timeout="]
    if not (more or isinstance(entry.protoinfo, SctpInfo)):
        in_columns.append("protoinfo=")  # it has the state alone
    details = format_details(entry, more=more, statistics=statistics)
    return words + [word for word in details if not word.startswith(tuple(in_columns))]


def _icmp(tuple_: Tuple) -> Iterator[str]:
    """Yield what ICMP has in place of ports."""
    for name, value in (("id", tuple_.icmp_id), ("type", tuple_.icmp_type), ("code", tuple_.icmp_code)):
        if value is not None:
            yield f"icmp_{name}={value}"


def _is_reverse(reply: Tuple, orig: Tuple) -> bool:
    """Tell whether nothing is translated. The types of ICMP's questions and answers differ anyway."""
    return (reply.src, reply.src_port, reply.dst, reply.dst_port, reply.icmp_id) == (
        orig.dst,
        orig.dst_port,
        orig.src,
        orig.src_port,
        orig.icmp_id,
    )


def _endpoint(address: Address, port: int | None) -> str:
    text = format_address(address)
    if port is None:
        return text
    return f"{text}:{port}" if address.version == 4 else f"[{text}]:{port}"
