"""Flows, one at a time: add, change, look up and delete them; files are in `flow_files`, lists in `flow_listing`."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING
from dpif.cli.commands.flow_texts import ASK_FOR_UFID, MEANING, FlowReader, refuse_openflow
from dpif.cli.errors import CommandError, UsageError, describe
from dpif.cli.output.flow_views import CounterLine, FlowLine, port_names
from dpif.client.operations import Delete, Put
from dpif.errors import NoSuchObject, ParseError
from dpif.odp.model.ufid import split_ufid

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath


def add_flow(context: Context) -> None:
    """Add a flow that must not exist."""
    _put(context, create=True, modify=False)


def mod_flow(context: Context) -> None:
    """Change the actions of a flow that must exist, or with --may-create need not; without any they stay."""
    _put(context, create=context.options.may_create, modify=True, clear=context.options.clear)


def _put(context: Context, *, create: bool, modify: bool, clear: bool = False) -> None:
    datapath, words = context.open_optional(context.words, most=3)
    with datapath:
        flow, actions = _flow_and_actions(context, words, create)
        operation = FlowReader(datapath).put(flow, actions, create=create, modify=modify, clear=clear)
        with context.failing("updating flow table", MEANING):
            _carry_out(context, datapath, operation)


def _flow_and_actions(context: Context, words: list[str], create: bool) -> tuple[str, str | None]:
    """Return the words of a flow and its actions; one that must be there need not be given any."""
    if len(words) == 1 and not create:
        return words[0], None
    if len(words) == 1:
        refuse_openflow("parsing flow key", words[0], None)
    flow, actions = _exactly(context, words, 2, "a flow and actions")
    return flow, actions


def del_flow(context: Context) -> None:
    """Delete a flow."""
    datapath, words = context.open_optional(context.words, most=2)
    with datapath:
        (text,) = _exactly(context, words, 1, "a flow")
        operation = FlowReader(datapath).delete(text)
        try:
            with context.failing("deleting flow", MEANING):
                _carry_out(context, datapath, operation)
        except CommandError as error:
            if isinstance(error.__cause__, NoSuchObject) and operation.match.ufid is None:
                context.hint(ASK_FOR_UFID)
            raise


def _carry_out(context: Context, datapath: Datapath, operation: Put | Delete) -> None:
    wants_flow = bool(context.options.statistics)
    (result,) = datapath.operate([operation], want_flows=wants_flow)
    if result.error is not None:
        raise result.error
    if wants_flow and result.record is not None:
        context.print(CounterLine(result.record))


def get_flow(context: Context) -> None:
    """Show the flow of an identifier."""
    datapath, words = context.open_optional(context.words, most=2)
    with datapath:
        (text,) = _exactly(context, words, 1, "a UFID")
        try:
            ufid, rest = split_ufid(text)
        except ParseError as error:
            raise CommandError(describe("parsing flow ufid", error)) from None
        if ufid is None or rest:
            raise CommandError("parsing flow ufid: expected ufid: and 8-4-4-4-12 hexadecimal digits")
        with context.failing("getting flow", MEANING):
            flow = datapath.flows.get(ufid=ufid)
        context.print(FlowLine.of(flow, context, port_names(context, datapath)))


def _exactly(context: Context, words: list[str], count: int, what: str) -> list[str]:
    """Return `words`, which must be `count`: a datapath's name may have taken the place of one."""
    if len(words) != count:
        raise UsageError(
            f"{what} must follow the datapath; usage: dpif {context.command.name} {context.command.usage}"
        )
    return words
