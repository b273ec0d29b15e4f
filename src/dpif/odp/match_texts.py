"""Texts of matches to bytes, fast: for files of flows, whose lines repeat most of each other.

A match is a list of elements (``eth(src=…)``), and of those most were there before: an element's bytes are
remembered by its text. Of the elements that are new most have a *form* that was there before, which is their text
without the values of the fields::

    eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02/ff:ff:ff:00:00:00)
    eth(src=                 ,dst=                 /ff:ff:ff:00:00:00)

The first element of a form is parsed the slow way, and compiled: into what reads each value, and where in the
structure that belongs. Masks are part of the form, so its mask never changes.

What is otherwise (names of ports, a UFID, spaces, any fault) is left to the slow way, `parse_match`.
Both ways give the same bytes; a property test says so.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dpif.errors import ParseError
from dpif.netlink.attributes import attribute
from dpif.odp.attrs import Structure
from dpif.odp.constants import KeyAttr
from dpif.odp.key import parse_match
from dpif.odp.kinds import Kind, Raw
from dpif.odp.scanner import Scanner
from dpif.odp.structs import Struct

MAX_REMEMBERED: Final = 4096
"""Elements, and values of one field, that are remembered by their texts."""
MAX_FORMS: Final = 512

_ELEMENT = re.compile(r"\w+\([^()]*(?:\([^()]*\)[^()]*)*\)")
"""An element in which parentheses are nested once at most."""
_VALUE = re.compile(r"=([^=,/() ]+)")
_NAME = re.compile(r"\w+=")


class _Element(NamedTuple):
    """An element of a match, encoded."""

    number: int
    key: bytes
    mask: bytes


def encode_match_text(text: str) -> tuple[bytes, bytes] | None:
    """Return the key and the mask of a match, encoded; None where the slow way must be asked."""
    texts = _ELEMENT.findall(text)
    if not texts or ",".join(texts) != text:
        return None
    try:
        elements = [_encode_element(text) for text in texts]
    except ParseError:
        return None
    numbers = {element.number for element in elements}
    if len(numbers) < len(elements) or KeyAttr.PACKET_TYPE in numbers:
        return None
    return b"".join([element.key for element in elements]), b"".join([element.mask for element in elements])


@functools.lru_cache(MAX_REMEMBERED)
def _encode_element(text: str) -> _Element:
    constant_and_values = _VALUE.split(text)
    name = "=".join(constant_and_values[::2])
    form = _forms.get(name)
    if form is not None:
        return form.encode(constant_and_values[1::2])
    key, mask = parse_match(text)
    element = _Element(next(mask.kept())[0], key.to_bytes(), mask.to_bytes())
    type_ = key.type_of(element.number)
    if type(type_) is Structure and len(_forms) < MAX_FORMS:
        _forms[name] = _Form(text, element.number, type_.cls, element.mask)
    return element


class _Form:
    """What the elements of one form have in common: a structure, its mask, which fields are given, in order."""

    def __init__(self, text: str, number: int, cls: type[Struct], mask: bytes) -> None:
        self._number = number
        self._cls = cls
        self._mask = mask
        self._defaults = [field.default for field in cls.FIELDS]
        given = [cls.scan_name(Scanner(name)) for name in _NAME.findall(text)]
        self._readers = [(field.index, _reader(field.kind)) for field in given]

    def encode(self, values: list[str]) -> _Element:
        """Return the element with these values; raise `ParseError`."""
        raw = self._defaults.copy()
        for (index, read), value in zip(self._readers, values, strict=True):
            raw[index] = read(value)
        return _Element(self._number, attribute(self._number, self._cls.of_raw(tuple(raw)).to_bytes()), self._mask)


def _reader(kind: Kind[Any]) -> Callable[[str], Raw]:
    """Return what reads a value of `kind` that stands by itself, and remembers it."""

    @functools.lru_cache(MAX_REMEMBERED)
    def read(text: str) -> Raw:
        scanner = Scanner(text)
        raw = kind.scan(scanner)
        if not scanner.at_end:
            scanner.fail(f"expected {kind.what} alone")
        return raw

    return read


_forms: dict[str, _Form] = {}
