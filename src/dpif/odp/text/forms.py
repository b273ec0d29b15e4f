"""Forms of a match's elements: what reads one whose like was there before, by one expression and one `struct` call.

The elements of a form give the same fields in the same order, with their numbers written in the same base::

    udp(src=1000,dst=53/0xff                        an element, without its last parenthesis
    up(sr=,st=/x                                    its skeleton: all but digits (hexadecimal ones, everywhere)
    udp\\(src=(0|[1-9]\\d*),dst=(0|[1-9]\\d*)/(…)     the form's expression

A form is looked up by the skeleton. Its expression is strict: a text that fits, and whose values fit the fields,
means what `parse_match` would read. Masks are few: what their texts mean a form learns from elements that were read
the slow way. This file knows nothing of a match as a whole.
"""

import functools
import re
import struct
from binascii import unhexlify
from collections.abc import Callable
from socket import AF_INET, AF_INET6, inet_pton

from dpif._typing import Any, Final, NamedTuple, Self, TypeAlias
from dpif.errors import ParseError
from dpif.netlink.attributes import attribute
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.model.attrs import AttrType, PortNumber, Scalar, Structure
from dpif.odp.model.kinds import Ipv4Kind, Ipv6Kind, Kind, MacKind, Port, Raw, UInt
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import Bits

MAX_REMEMBERED: Final = 4096
"""Masks, and values of an odd field, that a form remembers by their texts."""

_DIGITS: Final = b"0123456789abcdefABCDEF:."
_TOKEN: Final = r"[^=,/() ]++"
_FIELD = re.compile(rf"(\w++=)({_TOKEN})(?:/({_TOKEN}))?")
_SCALAR = re.compile(rf"()({_TOKEN})(?:/({_TOKEN}))?")

Element: TypeAlias = tuple[int, bytes, bytes]
"""An attribute's number, and its key and its mask as whole attributes."""


def skeleton(text: bytes) -> bytes:
    """Return by what the form of an element is looked up."""
    return text.translate(None, _DIGITS)


class _Given(NamedTuple):
    """What an element's text says of one field."""

    place: int
    label: str
    value: str
    mask: str | None


class _Reading(NamedTuple):
    """How a value is read: what its text looks like, its `struct` code, and by what."""

    pattern: str
    code: str
    read: Callable[[bytes], Raw]


class _Layout(NamedTuple):
    """The payload of an attribute: its fields in the order of the wire, and what they are when they are left out."""

    type: AttrType[Any]
    field: re.Pattern[str]
    kinds: list[Kind[Any]]
    defaults: list[Raw]
    size: int

    @classmethod
    def of(cls, type_: AttrType[Any]) -> Self | None:
        """Return the layout of a plain structure, or of a scalar; None for what else there is."""
        if isinstance(type_, Structure) and type(type_) is Structure:
            fields = type_.cls.FIELDS
            kinds, defaults = [field.kind for field in fields], [field.default for field in fields]
            return cls(type_, _FIELD, kinds, defaults, type_.cls.SIZE)
        if isinstance(type_, Scalar) and type(type_) in (Scalar, PortNumber):
            return cls(type_, _SCALAR, [type_.kind], [type_.kind.zero], type_.kind.size)
        return None

    def place(self, label: str) -> int:
        """Return the place of the field that has this label in a text."""
        return self.type.cls.scan_name(Scanner(label)).index if isinstance(self.type, Structure) else 0

    def packer(self, codes: list[str]) -> Callable[..., bytes]:
        """Return what makes the payload of a value for each field, of these `struct` codes."""
        if isinstance(self.type, Scalar):
            return struct.Struct(self.type.order + codes[0]).pack
        assert isinstance(self.type, Structure)
        cls = self.type.cls
        if issubclass(cls, Bits):
            return lambda *raw: cls.of_raw(raw).payload()
        return struct.Struct(f"!{''.join(codes)}{cls.PADDING}x").pack


class Form:
    """What the elements like one element have in common; make it by `compile_form`."""

    def __init__(self, name: str, number: int, layout: _Layout, given: list[_Given]) -> None:
        self._number = number
        self._readings: list[tuple[int, int, Callable[[bytes], Raw]]] = []  # a value's group and place, what reads it
        self._mask_groups: list[int] = []
        self._masks: dict[tuple[bytes, ...], bytes] = {}
        codes, self._defaults = [kind.code for kind in layout.kinds], list(layout.defaults)
        fields = []
        group = 0
        for place, label, value, mask in given:
            reading = _reading(layout.kinds[place], value)
            codes[place] = reading.code
            self._readings.append((group, place, reading.read))
            fields.append(f"{label}({reading.pattern})" + (f"/({_TOKEN})" if mask else ""))
            if mask:
                self._mask_groups.append(group + 1)
            group += 2 if mask else 1
        self._fit = re.compile(rf"{name}\({','.join(fields)}".encode()).fullmatch
        self._pack = layout.packer(codes)
        whole = attribute(number, bytes(layout.size))
        self._header, self._padding = whole[:NLA_HDRLEN], bytes(len(whole) - NLA_HDRLEN - layout.size)

    def read(self, text: bytes) -> Element | None:
        """Return what an element, without its last parenthesis, means; None where the slow way must be asked."""
        match = self._fit(text)
        if match is None:
            return None
        texts = match.groups()
        mask = self._masks.get(tuple([texts[group] for group in self._mask_groups]))
        if mask is None:
            return None
        raw = self._defaults.copy()
        try:
            for group, place, read in self._readings:
                raw[place] = read(texts[group])
            return self._number, self._header + self._pack(*raw) + self._padding, mask
        except (ValueError, OSError, struct.error, ParseError):  # a value that its field does not take
            return None

    def learn_mask(self, text: bytes, mask: bytes) -> None:
        """Remember what the masks of an element mean, if it is of this form."""
        match = self._fit(text)
        if match is not None and len(self._masks) < MAX_REMEMBERED:
            self._masks[tuple([match.groups()[group] for group in self._mask_groups])] = mask


def compile_form(text: str, number: int, type_: AttrType[Any]) -> Form | None:
    """Return the form of an element, given without its last parenthesis; None where it is left to the slow way."""
    name, _, inside = text.partition("(")
    layout = _Layout.of(type_)
    if layout is None:
        return None
    found = list(layout.field.finditer(inside))
    given = [_Given(layout.place(field[1]), *field.groups()) for field in found]
    repeated = len({field.place for field in given}) < len(given)
    if not given or repeated or ",".join([field[0] for field in found]) != inside:
        return None
    return Form(name, number, layout, given)


def _reading(kind: Kind[Any], text: str) -> _Reading:
    """Return how values of `kind` are read that are written as `text` is."""
    if (
        isinstance(kind, UInt)
        and type(kind) in (UInt, Port)
        and kind.radix == 0
        and kind.full == (1 << 8 * kind.size) - 1
    ):
        if re.fullmatch(_HEXADECIMAL, text):
            return _Reading(_HEXADECIMAL, kind.code, lambda digits: int(digits, 16))
        if re.fullmatch(_DECIMAL, text):
            return _Reading(_DECIMAL, kind.code, int)
    if type(kind) is MacKind and re.fullmatch(_MAC, text):
        return _Reading(_MAC, kind.code, lambda pairs: unhexlify(pairs.replace(b":", b"")))
    if type(kind) is Ipv4Kind:
        return _Reading("[0-9.]++", "4s", lambda quad: inet_pton(AF_INET, quad.decode()))
    if type(kind) is Ipv6Kind:
        return _Reading("[0-9a-fA-F:.]++", kind.code, lambda address: inet_pton(AF_INET6, address.decode()))
    return _Reading(_TOKEN, kind.code, _slow_reader(kind))


def _slow_reader(kind: Kind[Any]) -> Callable[[bytes], Raw]:
    """Return what reads a value of `kind` that stands by itself, and remembers it."""

    @functools.lru_cache(MAX_REMEMBERED)
    def read(text: bytes) -> Raw:
        scanner = Scanner(text.decode())
        raw = kind.scan(scanner)
        if not scanner.at_end:
            scanner.fail(f"expected {kind.what} alone")
        return raw

    return read


_MAC: Final = ":".join(["[0-9a-fA-F]{2}"] * 6)
_DECIMAL: Final = "0|[1-9][0-9]{0,19}"
_HEXADECIMAL: Final = "0[xX][0-9a-fA-F]{1,16}"
