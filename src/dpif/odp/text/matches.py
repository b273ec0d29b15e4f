"""Texts of matches to bytes, fast: for files of flows, whose lines repeat most of each other.

A match is a list of elements (``eth(src=…)``). Most of those were there before: an element's bytes are remembered by
its text. Of the elements that are new most are like one that was there before: they are read by its form (see
`forms.py`). The first element of a form is parsed the slow way.

What is otherwise (names of ports, a UFID, spaces, any fault) is left to the slow way, `parse_match`.
Both ways give the same bytes; a property test says so.
"""

from __future__ import annotations

import functools
import re

from dpif._typing import Final
from dpif.errors import ParseError
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.lazy import LazyDecoder
from dpif.odp.text.forms import Element, Form, compile_form, skeleton

MAX_REMEMBERED: Final = 4096
"""Elements that are remembered by their texts at a time."""
MAX_FORMS: Final = 512

_ELEMENT = re.compile(rb"\w++\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)")
"""An element in which parentheses are nested once at most."""
_ELEMENTS = re.compile(rb"%b(?:,%b)*+" % (_ELEMENT.pattern, _ELEMENT.pattern))


class _UnusualError(Exception):
    """A text must be read the slow way."""


def encode_match_text(text: str | bytes) -> tuple[bytes, bytes] | None:
    """Return the key and the mask of a match, encoded; None where the slow way must be asked."""
    try:
        elements = [_elements[element] for element in _split(text if isinstance(text, bytes) else _ascii(text))]
    except _UnusualError:
        return None
    numbers, keys, masks = zip(*elements, strict=True)
    if len(set(numbers)) < len(numbers):
        return None
    return b"".join(keys), b"".join(masks)


def read_match(text: str) -> tuple[FlowKey, FlowMask]:
    """Return key and mask of a flow's text as `parse_match` does, faster where most of it was there before.

    Attributes are decoded when they are read, so a text that is only looked at here and there costs little.
    """
    encoded = encode_match_text(text)
    if encoded is None:
        return parse_match(text)
    return _decode_key(encoded[0]), _decode_mask(encoded[1])


_decode_key = LazyDecoder(FlowKey)
_decode_mask = functools.lru_cache(MAX_REMEMBERED)(FlowMask.from_bytes)


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _split(text: bytes) -> list[bytes]:
    """Return the texts of elements, each without its last parenthesis; what is none `_Elements` will refuse."""
    if b"encap(" not in text and text[-1:] == b")":
        return text[:-1].split(b"),")
    if not _ELEMENTS.fullmatch(text):
        raise _UnusualError
    return [element[:-1] for element in _ELEMENT.findall(text)]


class _Elements(dict[bytes, Element]):
    """Elements by their texts without the last parenthesis; one that is missing is read, by its form or else slowly.

    Raises `_UnusualError` for what is no element by itself.
    """

    def __missing__(self, text: bytes) -> Element:
        form = _forms.get(skeleton(text))
        element = None if form is None else form.read(text)
        if element is None:
            element = _learn(text)
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[text] = element
        return element


def _learn(text: bytes) -> Element:
    """Return an element, read the slow way; note its form, or what its masks mean in a form that is there."""
    if not _ELEMENT.fullmatch(text + b")"):
        raise _UnusualError
    whole = (text + b")").decode("ascii", "replace")
    try:
        key, mask = parse_match(whole)
    except ParseError:
        raise _UnusualError from None
    ((number, _),) = mask.kept()
    if number == KeyAttr.PACKET_TYPE:
        raise _UnusualError  # the kernel is asked for another attribute in its place
    element = number, key.to_bytes(), mask.to_bytes()
    form = _forms.get(skeleton(text))
    is_in_bytes = text.startswith(b"key")
    if form is None and not is_in_bytes and len(_forms) < MAX_FORMS:
        form = compile_form(whole[:-1], number, FlowKey.type_of(number))
        if form is not None:
            _forms[skeleton(text)] = form
    if form is not None:
        form.learn_mask(text, element[2])
    return element


_forms: dict[bytes, Form] = {}
_elements = _Elements()
