"""The texts of flows on a command line or in a file to operations, and what is said of those that fail."""

from __future__ import annotations

import errno
import functools
from collections.abc import Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING
from dpif.cli.errors import CommandError, describe, syntax
from dpif.client.operations import Delete, Put
from dpif.client.values import Match, encode_match
from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.matches import encode_actions_text, encode_match_text

if TYPE_CHECKING:
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
        text = unfold(text)
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
        text = unfold(text)
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


def unfold(text: str) -> str:
    """Return a text as one line, where it was taken from a terminal that folds them."""
    if "\n" not in text:
        return text
    from dpif.odp.lines.fold import unfold as join

    return join(text)


@functools.lru_cache(512)
def _encode_actions(text: str) -> bytes:
    """Return a text's actions, encoded; raise `CommandError`. The lines of a file share few."""
    text = unfold(text)
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
