"""Flows, one at a time: add, change, look up and delete them; files are in `flow_files`, lists in `flow_listing`."""

from __future__ import annotations

import errno
import functools
from collections.abc import Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING
from dpif.cli.errors import CommandError, UsageError, describe, syntax
from dpif.cli.output.flow_views import CounterLine, FlowLine, port_names
from dpif.client.operations import Delete, Put
from dpif.client.values import Match, encode_match
from dpif.errors import EncodeError, NoSuchObject, ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.matches import encode_actions_text, encode_match_text

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

ASK_FOR_UFID = "Perhaps you need to specify a UFID?"
MEANING = {
    errno.EEXIST: "a flow that matches the same packets is there already",
    errno.ENOENT: "there is no such flow",
}
"""What a refusal means, for `describe`."""
_NAMED_PORT = pattern(r"in_port\((?!\d++[/)])")


class FlowReader:
    """Reads the texts of flows for one datapath; its port names are asked for when a text has one."""

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath

    @functools.cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: number for number, name in self._dp.ports.names().items()}

    def match(self, text: str, failure: str) -> tuple[FlowKey, FlowMask, Ufid | None]:
        """Return key, mask and identifier of a flow; raise `CommandError`.

        `failure` is the message for a faulty key, with ``{}`` for what is wrong.
        """
        try:
            ufid, rest = split_ufid(text)
        except ParseError as error:
            raise CommandError(describe("parsing flow ufid", error)) from None
        try:
            key, mask = parse_match(rest, self._numbers if _NAMED_PORT.search(rest) else None)
        except ParseError as error:
            if "(" not in rest and not error.hint:
                error.hint = "a flow is written as in in_port(1),eth(),eth_type(0x0806),arp()"
            raise CommandError(f"{failure.format(syntax(error))} (Invalid argument)") from None
        return key, mask, ufid

    def put(self, text: str, actions: str | None, *, create: bool, modify: bool, clear: bool = False) -> Put:
        """Return the operation that adds or changes a flow, or without actions keeps them; raise `CommandError`."""
        try:
            match = self._encoded(text, "parsing flow key ({})")
            encoded = None if actions is None else self._encoded_actions(actions)
        except CommandError:
            refuse_openflow("parsing flow key", text, actions)
            raise
        try:
            return Put(match.key, encoded, match.mask, ufid=match.ufid, create=create, modify=modify, clear=clear)
        except EncodeError as error:  # actions that no message has room for
            raise CommandError(describe("updating flow table", error)) from None

    def _encoded_actions(self, text: str) -> bytes:
        """Return a text's actions, in which names may stand for ports; these are asked for when it needs them."""
        try:
            return _encode_actions(text)
        except CommandError:
            return read_actions(text, "parsing actions", self._numbers).to_bytes()

    def delete(self, text: str) -> Delete:
        """Return the operation that deletes a flow; raise `CommandError`."""
        try:
            match = self._encoded(text, "{}")
        except CommandError:
            refuse_openflow("parsing flow key", text, None)
            raise
        return Delete(match.key, ufid=match.ufid)

    def _encoded(self, text: str, failure: str) -> Match:
        """Return a flow's match as `match` does, encoded; without a mask where it has none."""
        encoded = encode_match_text(text)
        if encoded is not None:
            return Match(*encoded, None)
        if text.startswith("ufid:") and (found := _encode_with_ufid(text)) is not None:
            return found
        key, mask, ufid = self.match(text, failure)
        return encode_match(key, mask if len(mask) else None, ufid)


def _encode_with_ufid(text: str) -> Match | None:
    """Return the match of a flow that starts with its identifier; None where the slow way must be asked."""
    try:
        ufid, rest = split_ufid(text)
    except ParseError:
        return None
    encoded = encode_match_text(rest)
    return None if encoded is None else Match(*encoded, ufid)


@functools.lru_cache(512)
def _encode_actions(text: str) -> bytes:
    """Return a text's actions, encoded; raise `CommandError`. The lines of a file share few."""
    encoded = encode_actions_text(text)
    return read_actions(text, "parsing actions").to_bytes() if encoded is None else encoded


def read_actions(text: str, failure: str, port_names: Mapping[str, int] | None = None) -> Actions:
    """Return the actions of a text; raise `CommandError`."""
    try:
        return parse_actions(text, port_names)
    except ParseError as error:
        refuse_openflow(failure, None, text)
        raise CommandError(describe(failure, error)) from None


def refuse_openflow(failure: str, flow: str | None, actions: str | None) -> None:
    """Raise `CommandError` that says so where a flow, actions or both are those of ``ovs-ofctl``."""
    from dpif.odp.openflow import openflow_mistake

    mistake = openflow_mistake(flow, actions)
    if mistake is not None:
        raise CommandError(describe(failure, mistake)) from None


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
