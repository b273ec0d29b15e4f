"""What is measured of flows without a kernel: lines of dumps, puts from text, typed flows, columns.

Each measure is a function that makes another one, which does its work for a list of flows. That one learns of the
flows that it is given first, as every program does in the first seconds; what counts is what later ones take, which
differ from them in every value.
"""

from __future__ import annotations

import functools
import operator
import statistics
import time
from collections.abc import Callable, Iterable

from workloads import DATAPATH, FAMILY, Flow, Replay

from dpif._typing import Any, NamedTuple
from dpif.client.flows import Flow as TypedFlow
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.columns import WINDOW, Options, to_table
from dpif.odp.lines.compiled import FlowLines
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.model.nest import Attributes
from dpif.odp.model.structs import Record
from dpif.odp.model.tunnel_options import GeneveOptions

PORT_NAMES = {number: f"tap{number:x}-{number % 97:02x}" for number in range(0xFFFF)}


class Batch(NamedTuple):
    """Flows, and the messages by which the kernel lists them."""

    flows: list[Flow]
    messages: list[bytes]


Measure = Callable[[Batch], object]


def lines(**style: Any) -> Measure:
    """Lines of ``dump-flows``."""
    renderer = FlowLines(**style)
    return lambda batch: renderer.lines(batch.messages)


def puts() -> Measure:
    """Requests of puts, from text."""

    def run(batch: Batch) -> None:
        for flow in batch.flows:
            flow.put().request(DATAPATH)

    return run


def typed() -> Measure:
    """Flows as values, of which every field of every layer is read."""
    decode = FlowRows()

    def run(batch: Batch) -> None:
        for message in batch.messages:
            read_all(TypedFlow(decode(message)))

    return run


def columns() -> Measure:
    """An Arrow table of all columns."""

    def run(batch: Batch) -> None:
        replay = Replay(batch.messages)
        request = Request(RequestKind(FAMILY, bytes), b"")
        dump = functools.partial(Connection(lambda: replay).dump_datagrams, request, WINDOW)
        to_table(dump, Options(dotted=True), lambda record: record)

    return run


MEASURES: dict[str, Callable[[], Measure]] = {
    "line": lines,
    "--names": functools.partial(lines, port_names=PORT_NAMES),
    "-m": functools.partial(lines, verbose=True),
    "put": puts,
    "typed": typed,
    "arrow": columns,
}


def take(measure: Measure, warm: Batch, batches: list[Batch]) -> float:
    """Return the microseconds of the processor that a flow takes: the median of batches that are all new."""
    measure(warm)
    return statistics.median(_time(measure, batch) / len(batch.flows) for batch in batches) * 1e6


def marginal(measure: Measure, few: Batch, many: Batch, tries: int = 3) -> float:
    """Return the microseconds that a flow more takes, between two batches."""
    less, more = (statistics.median(_time(measure, batch) for _ in range(tries)) for batch in (few, many))
    return max(more - less, 0) / (len(many.flows) - len(few.flows)) * 1e6


def _time(measure: Measure, batch: Batch) -> float:
    start = time.process_time()
    measure(batch)
    return time.process_time() - start


# Reading every field


def read_all(flow: TypedFlow) -> None:
    """Read what a flow has, down to each field of each layer, of its key, its mask and its actions."""
    _ = flow.ufid, flow.packets, flow.bytes, flow.used, flow.tcp_flags
    key, mask = flow.key, flow.mask
    if key is not None:
        _read_attributes(key)
    if mask is not None:
        _read_attributes(mask)
    if key is not None and mask is not None and key.tunnel is not None and mask.tunnel is not None:
        _read_options(key.tunnel.geneve, mask.tunnel.geneve)
    _read_each(flow.actions or ())


def _read_options(options: GeneveOptions | None, masks: GeneveOptions | None) -> None:
    """Read each option of Geneve, and its mask, which only the option tells apart from others."""
    if options is not None:
        list(options)
        if masks is not None:
            list(masks.under(options))


def _read_attributes(value: Attributes) -> None:
    """Read all attributes, and what is in them."""
    readers = _READERS
    for _, inner in value.items():
        read = readers[type(inner)]
        if read is not None:
            read(inner)


def _read_each(values: Iterable[Any]) -> None:
    for inner in values:
        read = _READERS[type(inner)]
        if read is not None:
            read(inner)


class _Readers(dict[type, Callable[[Any], object] | None]):
    """What reads all that values of a type have, None where the value itself is all."""

    def __missing__(self, cls: type) -> Callable[[Any], object] | None:
        self[cls] = found = self._reader(cls)
        return found

    def _reader(self, cls: type) -> Callable[[Any], object] | None:
        if issubclass(cls, Attributes):
            return _read_attributes
        if issubclass(cls, Record):
            return operator.attrgetter(*[field.name for field in cls.FIELDS])
        if issubclass(cls, tuple | list):
            return _read_each
        names = [name for base in cls.__mro__ if base.__module__.startswith("dpif.odp.") for name in _slots(base)]
        if not names:
            return None
        return lambda value: _read_each([getattr(value, name) for name in names])


def _slots(cls: type) -> Iterable[str]:
    slots = vars(cls).get("__slots__", ())
    return [slots] if isinstance(slots, str) else slots


_READERS = _Readers()
