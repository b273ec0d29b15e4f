"""``dump-flows``: all flows of a datapath, those that a filter picks, the first in some order.

Who asks for no more than ``ovs-dpctl`` can has the lines from the datapath as fast as they come; all else is made
of flows. An order needs them all before the first is shown, or with a limit as many as are shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple, TypeVar
from dpif.cli.errors import CommandError, UsageError, describe
from dpif.cli.numbers import read_limit
from dpif.cli.output.flow_views import FlowLine, port_names
from dpif.cli.reading import reading
from dpif.errors import DumpInterrupted, ParseError

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.cli.output.flow_tree import FlowTreeView
    from dpif.cli.reading import AnyDatapath
    from dpif.client.flows import Flow
    from dpif.odp.filter.language import Filter
    from dpif.odp.filter.order import Order

T = TypeVar("T")


class _Request(NamedTuple):
    """What a command line asks for: ``of_thread`` are flows of one thread, ``limit`` is how many at most."""

    words: list[str]
    filter_text: str
    of_thread: bool
    limit: int | None

    @classmethod
    def of(cls, context: Context) -> _Request:
        """Tell words from settings; raise `CommandError` for what cannot be."""
        words, filter_text, of_thread = [], "", False
        for word in context.words:
            name, _, value = word.partition("=")
            if name == "type":
                raise CommandError("Invalid argument 'type'. Use 'ovs-appctl dpctl/dump-flows' instead.")
            if name == "filter":
                filter_text = value
            elif name != "pmd":
                words.append(word)
            elif value == "-1" or value.isdecimal():
                of_thread = True
            else:
                raise CommandError(f"pmd={value} is not the number of a CPU core")
        return cls(words, filter_text, of_thread, read_limit(context.options.limit, "flows"))


def dump_flows(context: Context) -> None:
    """List flows."""
    request = _Request.of(context)
    with reading(context, request.words, most=1) as (datapath, rest):
        if rest:
            raise UsageError(f"unexpected argument '{rest[0]}'{_as_filter(rest)}; {context.command.synopsis}")
        with context.failing("Failed to dump flows from datapath"):
            try:
                _print(context, datapath, request)
            except DumpInterrupted:
                context.note("the flow table changed while it was read: flows may be missing, or be there twice")


def _as_filter(words: list[str]) -> str:
    """Return how to ask for flows, where words are what ``ovs-ofctl`` takes for that."""
    from dpif.odp.filter.openflow import is_openflow

    text = ",".join(words)
    return f" (to filter: filter='{text}')" if is_openflow(text) else ""


def _print(context: Context, datapath: AnyDatapath, request: _Request) -> None:
    members = {"datapath": str(datapath)}
    if request.filter_text:
        context.nothing = "no flows that the filter picks"
    if request.of_thread:
        context.print_all("flows", [], members)  # these datapaths have no flows of a thread
    elif context.options.tree:
        tree = _tree(context, datapath, request)
        if context.screen is None or not tree.is_empty:
            context.print(tree)
    elif request.filter_text or context.options.sort or context.wants_data:
        names = port_names(context, datapath)
        flows = _chosen(context, datapath, request)
        context.print_all("flows", (FlowLine.of(flow, context, names) for flow in flows), members)
    else:
        names = port_names(context, datapath)
        lines = datapath.flows.lines(verbose=bool(context.options.more), port_names=names)
        context.print_lines(_first(request.limit, lines))


def _chosen(context: Context, datapath: AnyDatapath, request: _Request) -> Iterator[Flow]:
    """Return the flows that are asked for, in order."""
    flows = iter(datapath.flows)
    if request.filter_text:
        flows = filter(read_filter(request.filter_text, datapath).matches, flows)
    order = _read_order(context.options.sort) if context.options.sort else None
    return _first(request.limit, flows) if order is None else _sorted(context, order, flows, request.limit)


def _tree(context: Context, datapath: AnyDatapath, request: _Request) -> FlowTreeView:
    """Return the tree of the flows: the busiest first unless they are sorted, what a filter wants with its paths."""
    from dpif.cli.output.flow_tree import FlowTreeView
    from dpif.odp.tree.tree import grow

    wanted = read_filter(request.filter_text, datapath).matches if request.filter_text else None
    order = _read_order(context.options.sort or "-packets")
    tree = grow(_sorted(context, order, datapath.flows, None))
    if wanted is not None:
        tree = tree.pruned(wanted)
    tree, hidden = tree.first(request.limit)
    return FlowTreeView(str(datapath), tree, port_names(context, datapath), hidden)


def read_filter(text: str, datapath: AnyDatapath) -> Filter:
    """Return the filter of a text; raise `CommandError`."""
    from dpif.odp.filter.language import parse_filter  # only who filters pays for loading it

    try:
        return parse_filter(text, datapath.ports.numbers())
    except ParseError as error:
        raise CommandError(describe("parsing filter", error)) from None


def _read_order(text: str) -> Order:
    """Return the order of a text; raise `CommandError`."""
    from dpif.odp.filter.order import parse_order

    try:
        return parse_order(text)
    except ParseError as error:
        raise CommandError(describe("parsing --sort", error)) from None


def _first(limit: int | None, rows: Iterator[T]) -> Iterator[T]:
    """Return the first rows; their dump ends when nothing asks for more of it, and takes its socket along."""
    return rows if limit is None else itertools.islice(rows, limit)


def _sorted(context: Context, order: Order, flows: Iterable[Flow], limit: int | None) -> Iterator[Flow]:
    """Yield flows in order; that their dump was interrupted is told at the end, as without an order."""
    interruptions: list[DumpInterrupted] = []

    def gathered() -> Iterator[Flow]:
        try:
            yield from flows
        except DumpInterrupted as error:
            interruptions.append(error)

    with context.watching(gathered(), lambda count, _: f"reading flows: {count}") as watched:
        found = order.sorted(watched, limit)
    yield from found
    for error in interruptions:
        raise error
