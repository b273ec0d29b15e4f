"""Texts of matches and of actions to bytes, fast: for files of flows.

`forms` explains how. What is otherwise (names of ports, a UFID, spaces, any fault) is left to the slow way,
`parse_match` and `parse_actions`. Both ways give the same bytes; a property test says so.
"""

from __future__ import annotations

import functools

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Final
from dpif.errors import ParseError
from dpif.odp.actions.base import Actions, parse_actions
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.layouts import LayoutDecoder
from dpif.odp.text.actions import action, actions
from dpif.odp.text.form import Element
from dpif.odp.text.keys import element, elements
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.texts import MAX_REMEMBERED, Plan, Texts

if TYPE_CHECKING:
    import re

LONGEST: Final = 8000
"""Of longer texts no form is kept; and of actions they may be more than a message has room for."""
_DEPTH = 6


def _balanced(inside: str, depth: int) -> str:
    """Return an expression for `inside` in parentheses, and for parentheses in it."""
    return rf"\({inside}(?:{_balanced(inside, depth - 1)}{inside})*+\)" if depth else rf"\({inside}\)"


_BALANCED = _balanced("[^()]*+", _DEPTH)
_ONE_ELEMENT = rf"\w++{_BALANCED},?".encode()
_ONE_ACTION = rf"[^(),]++(?:{_BALANCED})?+(?:,|$)".encode()
_ELEMENT, _ELEMENTS = pattern(_ONE_ELEMENT), pattern(rb"(?:%b)++" % _ONE_ELEMENT)
_ACTION, _ACTIONS = pattern(_ONE_ACTION), pattern(rb"(?:%b)++" % _ONE_ACTION)


def encode_match_text(text: str | bytes) -> tuple[bytes, bytes] | None:
    """Return the key and the mask of a match, encoded; None where the slow way must be asked."""
    found = _read(_matches, text)
    if found is None:
        return None
    if len(found) == 1:
        return found[0][1:]
    numbers, keys, masks = zip(*found, strict=True)
    if len(set(numbers)) < len(numbers):
        return None
    return b"".join(keys), b"".join(masks)


def encode_actions_text(text: str | bytes) -> bytes | None:
    """Return actions, encoded; None where the slow way must be asked."""
    if text in (b"drop", "drop"):
        return b""
    found = _read(_actions, text)
    return None if found is None else b"".join([data for _, data, _ in found])


def read_match(text: str) -> tuple[FlowKey, FlowMask]:
    """Return key and mask of a flow's text as `parse_match` does, faster where most of it was there before."""
    encoded = encode_match_text(text)
    if encoded is None:
        return parse_match(text)
    return _decode_key(encoded[0]), _decode_mask(encoded[1])


def read_actions(text: str) -> Actions:
    """Return the actions of a text as `parse_actions` does, faster where there were others like them."""
    encoded = encode_actions_text(text)
    return parse_actions(text) if encoded is None else _decode_actions(encoded)


_decode_actions = LayoutDecoder(Actions.from_bytes, Actions.read_in)
_decode_key = LayoutDecoder(FlowKey.from_bytes, FlowKey.read_in)
_decode_mask = functools.lru_cache(MAX_REMEMBERED)(LayoutDecoder(FlowMask.from_bytes, FlowMask.read_in))


def _read(texts: Texts, text: str | bytes) -> list[Element] | None:
    if len(text) > LONGEST:
        return None
    return texts.read(text if isinstance(text, bytes) else text.encode("ascii", "replace"))


def _cut_match(text: bytes) -> list[bytes]:
    """Return the texts of elements, each without its last parenthesis."""
    if text[-1:] != b")":
        raise UnusualError
    found = text[:-1].split(b"),")
    if len(found) == text.count(b"("):
        return found
    return [element[:-1] for element in _cut(_ELEMENTS, _ELEMENT, text)]


def _cut_actions(text: bytes) -> list[bytes]:
    """Return the texts of actions."""
    return text.split(b",") if b"(" not in text else _cut(_ACTIONS, _ACTION, text)


def _cut(whole: re.Pattern[bytes], one: re.Pattern[bytes], text: bytes) -> list[bytes]:
    if not whole.fullmatch(text) or text[-1:] == b",":
        raise UnusualError
    return [element.removesuffix(b",") for element in one.findall(text)]


def _plan_match(cursor: Cursor) -> Plan:
    found = elements(cursor, FlowKey, "$")
    return Plan.of(
        [part for item in found for part in item.key or ()], [part for item in found for part in item.mask]
    )


def _plan_element(cursor: Cursor) -> Plan:
    found = element(cursor, FlowKey)
    cursor.expect("", "$")
    return Plan.of(found.key or [], found.mask, found.number)


def _read_element(text: bytes) -> Element:
    """Return an element, read the slow way."""
    if not _ELEMENT.fullmatch(text):
        raise UnusualError
    try:
        key, mask = parse_match(text.decode("ascii", "replace"))
    except ParseError:
        raise UnusualError from None
    ((number, _),) = mask.kept()
    if number == KeyAttr.PACKET_TYPE:
        raise UnusualError  # the kernel is asked for another attribute in its place
    return number, key.to_bytes(), mask.to_bytes()


def _plan_actions(cursor: Cursor) -> Plan:
    return Plan.of(actions(cursor, "$"))


def _plan_action(cursor: Cursor) -> Plan:
    parts, is_enclosed = action(cursor)
    if is_enclosed:
        cursor.expect("", "$")
    elif cursor.ends[cursor.at - 1] != "$":
        raise UnusualError
    return Plan.of(parts)


def _read_action(text: bytes) -> Element:
    """Return an action, read the slow way."""
    try:
        found = parse_actions(text.decode("ascii", "replace"))
    except ParseError:
        raise UnusualError from None
    if len(found) != 1:
        raise UnusualError
    return 0, found.to_bytes(), b""


OF_MATCHES: Final = (_cut_match, _plan_match, _plan_element, _read_element, b")")
OF_ACTIONS: Final = (_cut_actions, _plan_actions, _plan_action, _read_action, b"")
_matches = Texts(*OF_MATCHES)
_actions = Texts(*OF_ACTIONS)
