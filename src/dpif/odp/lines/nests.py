"""The pieces of a key, and of the keys and tunnels in it: texts, and values with the places where they stand.

A nest with the same attributes of the same lengths has its values at the same places, so what stands in nests is read
in place as all else: scalars, plain structures, the data of Geneve options. Other attributes (flags, VLAN tags, MPLS
entries) are given to their writers; flags, which take few values, are remembered by their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dpif._typing import Any, Final, NamedTuple
from dpif.netlink.attributes import attribute, walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.constants.key import KeyAttr
from dpif.odp.lines.fields import Remembered
from dpif.odp.lines.keys import NOTHING, Forms, KeyWriter, Mode
from dpif.odp.lines.templates import Piece, Value, field_values
from dpif.odp.model.attrs import FlagSet, PortNumber, Scalar, Structure
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import ETHERTYPE, FRAG, PROTO, Kind
from dpif.odp.model.nest import Nest, Nested
from dpif.odp.model.structs import Bits, Struct

_DECIDING: Final = (ETHERTYPE, PROTO, FRAG)
"""Kinds of field whose value says what follows. They take few values, which a template has as text."""
_OPTION_HEADER: Final = 4


class Span(NamedTuple):
    """Where the attributes of a nest stand: those of its value, and of its mask if that is not exact."""

    data: bytes
    start: int
    end: int
    mask: bytes | None = None
    mask_start: int = 0
    mask_end: int = 0


class NestPieces:
    """The pieces of one nest, whose attributes are written by `forms` where they are not read in place."""

    nest: type[Nest] = FlowKey

    def __init__(self, span: Span, forms: Forms, mode: Mode) -> None:
        self.span = span
        self.mode = mode
        self.values: list[tuple[int, int]] = []
        """Places of what may be another in a nest of the same shape."""
        self.decided: list[tuple[int, int]] = []
        """Places in these of what may not."""
        self._forms = forms
        self._at = {number: (start, end) for number, start, end in walk(span.data, span.start, span.end)}
        self._kept = self.nest.from_bytes(span.data[span.start : span.end])
        self._mask: Nest | None = None
        self._mask_at: dict[int, tuple[int, int]] = {}
        if span.mask is not None:
            self._mask = self.nest.from_bytes(span.mask[span.mask_start : span.mask_end])
            self._mask_at = {n: (start, end) for n, start, end in walk(span.mask, span.mask_start, span.mask_end)}

    def pieces(self) -> list[Piece]:
        """Return all of them."""
        parts = self._parts()
        pieces: list[Piece] = []
        for index, part in enumerate(parts):
            # As in `FlowKey.show`: Open vSwitch puts no comma behind an eth() that comes first.
            pieces += ["," if index and not (index == 1 and parts[0] == ["eth()"]) else "", *part]
        return [*pieces, *self._behind(bool(parts))]

    def compared(self) -> bytearray:
        """Return for each byte of the data whether it must be the same: all but the values."""
        compared = bytearray(b"\1" * len(self.span.data))
        for start, end in self.values:
            compared[start:end] = bytes(end - start)
        for start, end in self.decided:
            compared[start:end] = b"\1" * (end - start)
        return compared

    def start_of(self, number: int) -> int | None:
        """Return where an attribute's payload starts, if it is there."""
        return self._at[number][0] if number in self._at else None

    def _parts(self) -> list[list[Piece]]:
        """Return the pieces of each attribute that is shown."""
        return [part for number, kept in self._kept.kept() if (part := self._attribute(number, kept))]

    def _behind(self, is_any: bool) -> Iterator[Piece]:
        """Yield what stands behind all attributes; see `FlowKey.show`."""
        if isinstance(self._mask, FlowKey) and self._mask.eth_type is not None and KeyAttr.ETHERTYPE not in self._at:
            yield f",eth_type(0/0x{self._mask.eth_type:04x})"

    def _is_shown(self, number: int) -> bool:
        if self._mask is None or self.mode.verbose:
            return True
        type_ = self.nest.type_of(number)
        bits = self._mask.get_kept(number)
        return type_.always_shown or not (bits is None or type_.is_zero(bits))

    def _attribute(self, number: int, kept: Any) -> list[Piece]:
        """Return what shows one attribute, nothing for one that is not shown; see `Nest.show`."""
        self.values.append(self._at[number])
        if not self._is_shown(number):
            return ["eth()"] if self.nest is FlowKey and number == KeyAttr.ETHERNET else []
        type_ = self.nest.type_of(number)
        if isinstance(type_, Nested):
            return self._nested(number)
        bits = None if self._mask is None else self._mask.get_kept(number)
        if bits is None and self._mask is not None:
            bits = type_.zero(kept)
        before, after = self._around(number)
        start, _ = self._at[number]
        if isinstance(type_, Structure) and _is_plain(type_):
            return [before, *self._fields(type_.cls, start, bits), after]
        if isinstance(type_, Scalar) and type(type_).show is Scalar.show:
            return [before, *self._field(type_.kind, start, type_.order, bits), after]
        if isinstance(type_, PortNumber) and (bits is None or type_.is_full(bits)):
            return [before, self._port(start), after]
        return [self._written(number, isinstance(type_, FlagSet))]

    def _around(self, number: int) -> tuple[str, str]:
        """Return what stands before and behind an attribute's value."""
        return f"{self.nest.ATTRS[number].text_name}(", ")"

    def _nested(self, number: int) -> list[Piece]:
        inner = self._pieces_of(number)
        if inner is None:
            return [self._written(number, takes_few_values=False)]
        self.values.remove(self._at[number])
        pieces = inner.pieces()
        self.values += inner.values
        self.decided += inner.decided
        before, after = self._around(number)
        return [before, *pieces, after]

    def _pieces_of(self, number: int) -> NestPieces | None:
        """Return the pieces of a nest in this one whose values are read in place; None for one that is written."""
        span = self.span
        places = self._mask_at.get(number)
        if span.mask is not None and places is None:
            return None
        inner = Span(span.data, *self._at[number], span.mask, *(places or (0, 0)))
        mode = self.mode._replace(port_names=None)
        if number == KeyAttr.ENCAP:
            return NestPieces(inner, KeyWriter(mode).forms, mode)
        if number == KeyAttr.TUNNEL:
            from dpif.odp.lines.tunnel_pieces import TunnelPieces  # many flows have none

            return TunnelPieces(inner, mode)
        return None

    def _port(self, start: int) -> Value:
        names = self.mode.port_names or {}

        def show(data: bytes) -> str:
            return self.mode.style.port(struct.unpack("=I", data)[0])

        expression = "{{port_names.get({0}, {0})}}" if names else "{{{0}}}"
        return Value(start, "I", "=", expression, {"port_names": names}, show)

    def _written(self, number: int, takes_few_values: bool) -> Piece:
        """Return what shows an attribute by its writer."""
        start, end = self._at[number]
        head, mask = b"", NOTHING
        if self.span.mask is not None and number in self._mask_at:
            mask = self.span.mask[slice(*self._mask_at[number])]
        form = self._forms[struct.unpack_from("=I", self.span.data, start - NLA_HDRLEN)[0]]
        if form.is_nest:  # what writes it looks for its length
            head = self.span.data[start - NLA_HDRLEN : start]
            mask = attribute(number, mask)
        write, at = form.write, len(head)

        def show(data: bytes) -> str:
            return write(head + data, at, mask, at)

        code = f"{end - start}s"
        if takes_few_values:
            return Value(start, code, "=", f"{{{{text_{start}[{{0}}]}}}}", {f"text_{start}": Remembered(show)}, show)
        prefix = f"head_{start} + " if head else ""
        expression = f"{{{{write_{start}({prefix}{{0}}, {at}, mask_{start}, {at})}}}}"
        names = {f"write_{start}": write, f"mask_{start}": mask, f"head_{start}": head}
        return Value(start, code, "=", expression, names, show)

    def _fields(self, cls: type[Struct], start: int, mask: Struct | None) -> Iterator[Piece]:
        """Yield what shows the fields of a structure; see `Struct.show`."""
        offsets = {}
        for field in cls.FIELDS:
            offsets[field.index] = start
            start += field.kind.size
        shown = [
            field
            for field in cls.TEXT
            if mask is None or (self.mode.verbose and not field.kind.bare) or mask.raw[field.index] != field.kind.zero
        ]
        for field in shown:
            yield f"{'' if field is shown[0] else ','}{field.text_name}="
            bits = None if mask is None else mask.raw[field.index]
            yield from self._field(field.kind, offsets[field.index], "!", bits)

    def _field(self, kind: Kind[Any], offset: int, order: str, mask: Any) -> Iterator[Piece]:
        """Yield what shows one field; see `Kind.show_masked`."""
        if kind in _DECIDING:
            self.decided.append((offset, offset + kind.size))
            yield kind.show(struct.unpack_from(order + kind.code, self.span.data, offset)[0])
        else:
            yield from field_values(kind, offset, order)
        if mask is not None and not kind.is_full(mask):
            yield f"/{kind.show_mask(mask)}"


def _is_plain(type_: Structure[Any]) -> bool:
    """Tell whether the text of a structure is that of its fields, and these are whole bytes."""
    return type(type_).show is Structure.show and type_.cls.show is Struct.show and not issubclass(type_.cls, Bits)
