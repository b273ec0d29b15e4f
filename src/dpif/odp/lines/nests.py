"""The pieces of a key, and of the keys and tunnels in it: texts, and values with the places where they stand.

A nest with the same attributes of the same lengths has its values at the same places, so what stands in nests is read
in place as all else: scalars, plain structures, the data of Geneve options. Other attributes (flags, VLAN tags, MPLS
entries) are given to their writers; flags, which take few values, are remembered by their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dpif._typing import Any, NamedTuple
from dpif.netlink.attributes import attribute, walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.constants.key import KeyAttr
from dpif.odp.lines.in_place import InPlace, joined
from dpif.odp.lines.keys import NOTHING, Forms, KeyWriter, Mode
from dpif.odp.lines.templates import Piece
from dpif.odp.model.attrs import FlagSet
from dpif.odp.model.key import FlowKey
from dpif.odp.model.nest import Nest, Nested


class Span(NamedTuple):
    """Where the attributes of a nest stand: those of its value, and of its mask if that is not exact."""

    data: bytes
    start: int
    end: int
    mask: bytes | None = None
    mask_start: int = 0
    mask_end: int = 0


class NestPieces(InPlace):
    """The pieces of one nest, whose attributes are written by `forms` where they are not read in place."""

    nest: type[Nest] = FlowKey

    def __init__(self, span: Span, forms: Forms, mode: Mode) -> None:
        super().__init__(span.data, mode)
        self._span = span
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
        pieces = joined(parts)
        if parts and parts[0] == ["eth()"]:  # as in `FlowKey.show`: no comma behind an eth() that comes first
            del pieces[1:2]
        return [*pieces, *self._behind()]

    def _parts(self) -> list[list[Piece]]:
        """Return the pieces of each attribute that is shown."""
        return [part for number, kept in self._kept.kept() if (part := self._attribute(number, kept))]

    def _behind(self) -> Iterator[Piece]:
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
        read = self.read(type_, self._at[number][0], bits)
        return [self._by_writer(number, isinstance(type_, FlagSet))] if read is None else [before, *read, after]

    def _around(self, number: int) -> tuple[str, str]:
        """Return what stands before and behind an attribute's value."""
        return f"{self.nest.ATTRS[number].text_name}(", ")"

    def _nested(self, number: int) -> list[Piece]:
        inner = self._pieces_of(number)
        if inner is None:
            return [self._by_writer(number)]
        self.values.remove(self._at[number])
        pieces = inner.pieces()
        self.adopt(inner)
        before, after = self._around(number)
        return [before, *pieces, after]

    def _pieces_of(self, number: int) -> NestPieces | None:
        """Return the pieces of a nest in this one whose values are read in place; None for one that is written."""
        span = self._span
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

    def _by_writer(self, number: int, few: bool = False) -> Piece:
        """Return what shows an attribute by its writer; one that writes a nest looks for its length."""
        start, end = self._at[number]
        mask = NOTHING
        if self._span.mask is not None and number in self._mask_at:
            mask = self._span.mask[slice(*self._mask_at[number])]
        form = self._forms[struct.unpack_from("=I", self.data, start - NLA_HDRLEN)[0]]
        if form.is_nest:
            mask = attribute(number, mask)
        return self.written(form.write, start, end, mask, with_header=form.is_nest, few=few)
