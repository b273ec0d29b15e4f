"""``trace``: what happens to a packet, through the flows of a datapath or of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.apps.trace import Connection, Lookup, Packet, Table, data, packet_of_frame, packet_of_key, tell
from dpif.apps.trace import trace as trace_packet
from dpif.apps.trace.answers import connection, state
from dpif.cli.errors import CommandError, UsageError, describe
from dpif.cli.numbers import read_number
from dpif.cli.reading import is_saved, reading
from dpif.errors import ParseError
from dpif.packet.written import Written, read_packets

if TYPE_CHECKING:
    from dpif.cli.context import Context

_LARGEST = 0xFFFFFFFF


class _Flows(NamedTuple):
    """Flows, the names of ports, and whether they are of a file."""

    flows: Table
    names: Mapping[int, str]
    numbers: Mapping[str, int]
    is_dump: bool


class _Trace(NamedTuple):
    """One packet's trace."""

    lookup: Lookup
    names: Mapping[int, str]
    is_dump: bool

    def lines(self) -> Iterator[str]:
        """Return the text."""
        return tell(self.lookup, self.names, is_dump=self.is_dump)

    def data(self) -> dict[str, Any]:
        """Return the lookups and results."""
        return data(self.lookup, self.names, is_dump=self.is_dump)


def trace(context: Context) -> None:
    """Trace a packet, or each of a capture."""
    flows, text = _flows(context)
    states, connections = _answers(context)
    dp_hash, length = _number(context, "hash"), _number(context, "len")
    names = flows.names if context.wants_names or flows.is_dump else {}

    def traces() -> Iterator[_Trace]:
        for packet in _packets(text, flows.numbers):
            known = packet if length is None else packet._replace(length=length)
            lookup = trace_packet(
                flows.flows,
                known,
                ct_next=states,
                connections=connections,
                dp_hash=dp_hash,
                tunnel_ports=[number for number, name in flows.names.items() if _is_tunnel(name)],
            )
            yield _Trace(lookup, names, flows.is_dump)

    with context.failing("reading the packet"):
        context.print_all("traces", traces())


def _flows(context: Context) -> tuple[_Flows, str]:
    words = context.words
    is_dump = is_saved(words[0])
    with reading(context, words, most=2) as (datapath, rest), context.failing("reading flows"):
        if not rest:
            raise UsageError(f"there is no packet; {context.command.synopsis}")
        table = Table(datapath.flows)  # behind it the names are known that a saved dump has
        names = datapath.ports.names()
        numbers = datapath.ports.numbers() if is_dump else {name: number for number, name in names.items()}
    return _Flows(table, names, numbers, is_dump), rest[0]


def _is_tunnel(name: str) -> bool:
    """Tell whether a port is called as ``ovs-vswitchd`` calls those of tunnels: ``vxlan_sys_4789``, ``gre_sys``."""
    return name.endswith("_sys") or "_sys_" in name


def _packets(text: str, numbers: Mapping[str, int]) -> Iterator[Packet]:
    if "(" in text:
        yield packet_of_key(text, numbers)
        return
    for written in read_packets(text):
        yield packet_of_frame(written, _in_port(written, numbers))


def _in_port(written: Written, numbers: Mapping[str, int]) -> int | None:
    name = written.in_port
    if not name:
        return None
    if name.isdecimal():
        return int(name)
    if name not in numbers:
        raise CommandError(f"there is no port '{name}'")
    return numbers[name]


def _answers(context: Context) -> tuple[list[int], dict[int, Connection]]:
    try:
        states = [state(text) for text in context.options.ct_next or ()]
        return states, dict(connection(text) for text in context.options.ct or ())
    except ParseError as error:
        raise CommandError(describe("reading what is known of connections", error)) from None


def _number(context: Context, option: str) -> int | None:
    text = getattr(context.options, option)
    number = None if text is None else read_number(text)
    if text is not None and (number is None or number > _LARGEST):
        raise UsageError(f"--{option} takes a number up to {_LARGEST}, not '{text}'")
    return number
