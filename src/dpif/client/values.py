"""What callers may write for keys, masks and actions, and what goes on the wire for it.

A key may be a `FlowKey`, its text (which may hold masks and a ``ufid:``), or encoded bytes; the same holds for
masks and actions. An action may stand for a list of it alone, and the number of a port for an output there. The text
of a mask is that of a key whose bits are those that must match, as ``str(mask)`` gives it. Bytes are sent as they
are, unchecked: that is the fast path for who has them already.
"""

import functools
from collections.abc import Iterable, Mapping

from dpif._typing import Final, NamedTuple, TypeAlias
from dpif.errors import ParseError
from dpif.odp.actions import Action, Actions, Output, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, parse_key, parse_match
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.matches import encode_actions_text, encode_match_text

KeyLike: TypeAlias = FlowKey | str | bytes
MaskLike: TypeAlias = FlowKey | str | bytes
ActionsLike: TypeAlias = Iterable[Action] | Action | int | str | bytes

MAX_REMEMBERED: Final = 512
"""Texts of actions that are remembered: many flows share few."""


class Match(NamedTuple):
    """Encoded key and mask, and the flow's UFID where one was given."""

    key: bytes
    mask: bytes | None
    ufid: bytes | None


def encode_match(
    key: KeyLike,
    mask: MaskLike | None = None,
    ufid: bytes | str | None = None,
    port_names: Mapping[str, int] | None = None,
) -> Match:
    """Return what identifies and selects a flow, encoded; a text's own mask counts where `mask` is None."""
    if isinstance(key, bytes) and (mask is None or isinstance(mask, bytes)):
        return Match(key, mask, None if ufid is None else Ufid(ufid))
    if isinstance(key, str):
        encoded = encode_match_text(key)
        if encoded is None:
            prefix, rest = split_ufid(key)
            ufid = prefix if ufid is None else ufid
            encoded = None if prefix is None else encode_match_text(rest)
        key, bits = _parse_match(rest, port_names) if encoded is None else encoded
        mask = bits if mask is None else mask
    if isinstance(mask, str):
        mask = _parse_mask(mask)
    return Match(
        key if isinstance(key, bytes) else key.without_packet_type().to_bytes(),
        mask if mask is None or isinstance(mask, bytes) else mask.without_packet_type().to_bytes(),
        None if ufid is None else Ufid(ufid),
    )


def _parse_match(text: str, port_names: Mapping[str, int] | None) -> tuple[FlowKey, FlowMask]:
    try:
        return parse_match(text, port_names)
    except ParseError as error:
        raise _of_openflow(error, text, None) from None


def _of_openflow(error: ParseError, flow: str | None, actions: str | None) -> ParseError:
    """Return the error that says so where a text is OpenFlow's, else the one that there is."""
    from dpif.odp.openflow import openflow_mistake  # for a mistake alone

    return openflow_mistake(flow, actions) or error


def _parse_mask(text: str) -> FlowMask:
    """Return the mask of a text; raise `ParseError`, for a mask within it too."""
    at = text.find("/")
    if at >= 0:
        raise ParseError("a mask has no masks itself: its values are the bits that must match", text, at)
    return FlowMask.of_kept(dict(parse_key(text).kept()))


def encode_actions(actions: ActionsLike, port_names: Mapping[str, int] | None = None) -> bytes:
    """Return actions encoded; an empty list, ``drop`` and an empty text drop the packet."""
    if isinstance(actions, bytes):
        return actions
    if isinstance(actions, str):
        encoded = _encode_actions_text(actions)
        return _parse_actions(actions, port_names).to_bytes() if encoded is None else encoded
    if isinstance(actions, int):
        actions = Output(actions)
    if isinstance(actions, Action):
        return actions.to_bytes()
    return Actions(actions).to_bytes()


_encode_actions_text = functools.lru_cache(MAX_REMEMBERED)(encode_actions_text)


def _parse_actions(text: str, port_names: Mapping[str, int] | None) -> Actions:
    try:
        return parse_actions(text, port_names)
    except ParseError as error:
        raise _of_openflow(error, None, text) from None


def decode_match(match: Match) -> tuple[FlowKey, FlowMask | None]:
    """Return an encoded match as values, for explanations."""
    return FlowKey.from_bytes(match.key), None if match.mask is None else FlowMask.from_bytes(match.mask)
