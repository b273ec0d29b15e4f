"""The pieces of a list of actions; see `in_place.py`.

What an action holds (keys to set, arguments, other actions) is read in place as all else: lists of the same headers
have their values at the same places. What has a text of its own, `nat(…)` or user data, is given to its writer.
"""

from __future__ import annotations

import struct

from dpif._typing import Final
from dpif.netlink.attributes import ATTRIBUTE_HEADER, walk
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.actions.base import Action, ActionList, FieldAction, NestAction
from dpif.odp.actions.ct import Ct, MaskedType
from dpif.odp.actions.nat import NatType
from dpif.odp.actions.nested import Clone
from dpif.odp.actions.set import Set, SetMasked
from dpif.odp.actions.simple import Number, Output, Recirc
from dpif.odp.constants import CtAttr
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.arguments import ArgumentWriter
from dpif.odp.lines.fields import Writer
from dpif.odp.lines.in_place import InPlace, joined
from dpif.odp.lines.keys import Mode
from dpif.odp.lines.nests import NestPieces, Span
from dpif.odp.lines.templates import Piece, Shape, Value
from dpif.odp.model.attrs import Empty
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import U32, U32X
from dpif.odp.model.structs import Bits

_WORD: Final = struct.Struct("=I")


def shape_of(actions: bytes, writer: ActionWriter) -> Shape:
    """Return the shape of a list of actions that `writer` can write."""
    found = ActionPieces(actions, 0, len(actions), writer)
    return Shape(found.pieces(), actions, found.compared())


class ActionPieces(InPlace):
    """The pieces of the actions that stand between two places."""

    def __init__(self, data: bytes, start: int, end: int, writer: ActionWriter) -> None:
        super().__init__(data, writer.mode)
        self._places = list(walk(data, start, end))
        self._writer = writer

    def pieces(self) -> list[Piece]:
        """Return all of them."""
        return joined([self._action(*place) for place in self._places]) or ["drop"]

    def _action(self, number: int, start: int, end: int) -> list[Piece]:
        cls = Action.by_number[number]
        if cls is Set:
            return self._set(start, end)
        if cls is Clone:
            return ["clone(", *self._list(start, end), ")"]
        if issubclass(cls, NestAction):
            return self._arguments(cls, start, end)
        if cls is SetMasked:
            return self._set_masked(start, end)
        self.values.append((start, end))
        if issubclass(cls, Number):
            if cls is Output:
                return [self.port(start)]
            if cls is Recirc:
                return ["recirc(", *self.field(U32X, start, "=", None), ")"]
            if cls.show is Number.show:
                return [f"{cls.word}(", *self.field(U32, start, "=", None), ")"]
        elif issubclass(cls, FieldAction) and _is_plain(cls):
            return [f"{cls.word}(", *self.fields(cls, start, None), ")"]
        _, write = self._writer[self._header(start)]
        return [self.written(write, start, end)]

    def _header(self, start: int) -> int:
        """Return the header, as a word, of what starts here."""
        word: int = _WORD.unpack_from(self.data, start - NLA_HDRLEN)[0]
        return word

    def _list(self, start: int, end: int) -> list[Piece]:
        inner = ActionPieces(self.data, start, end, self._writer)
        pieces = inner.pieces()
        self.adopt(inner)
        return pieces

    def _set(self, start: int, end: int) -> list[Piece]:
        keys = self._writer.keys_set
        inner = NestPieces(Span(self.data, start, end), keys.forms, keys.mode)
        pieces = inner.pieces()
        self.adopt(inner)
        return ["set(", *pieces, ")"]

    def _set_masked(self, start: int, end: int) -> list[Piece]:
        """Return what shows a value that is set under a mask, which belongs to the shape."""
        _, type_ = ATTRIBUTE_HEADER.unpack_from(self.data, start)
        half, write = self._writer.masked(self._header(start + NLA_HDRLEN), end - start)
        start += NLA_HDRLEN
        mask = self.data[start + half : start + 2 * half]
        self.values.append((start, start + half))
        attr = FlowKey.ATTRS[type_ & NLA_TYPE_MASK]
        inner = InPlace(self.data, Mode())
        read = inner.read(attr.type, start, attr.type.decode(mask))
        if read is None:
            return ["set(", self.written(write, start, start + half, mask), ")"]
        pieces = [f"set({attr.text_name}(", *read, "))"]
        self.adopt(inner)
        return pieces

    def _arguments(self, cls: type[NestAction], start: int, end: int) -> list[Piece]:
        """Return what shows an action that holds attributes; see `ArgumentWriter`."""
        writer = ArgumentWriter(cls, end - start, self._writer)
        ranked = {}
        for number, at, behind in walk(self.data, start, end):
            _, rank, write = writer[self._header(at)]
            ranked[rank] = self._argument(cls, number, at, behind, write) if writer.is_told(rank) else []
        arguments = joined([part for _, part in sorted(ranked.items()) if part])
        return [f"{cls.word}(", *arguments, ")"] if arguments or cls is not Ct else ["ct"]

    def _argument(self, cls: type[NestAction], number: int, start: int, end: int, write: Writer) -> list[Piece]:
        attr = cls.ATTRS[number]
        type_, name = attr.type, attr.text_name
        if isinstance(type_, Empty):
            return [name]
        if isinstance(type_, ActionList):
            return [f"{name}(", *self._list(start, end), ")"]
        if isinstance(type_, MaskedType):
            return [f"{name}=", *self._masked(type_, start, end)]
        if cls is Ct and number == CtAttr.ZONE and not any(self.data[start:end]):
            return []
        self.values.append((start, end))
        read = None if attr.type.enclosed else self.read(type_, start, None)
        if read is None:
            return [self.written(write, start, end, with_header=isinstance(type_, NatType))]
        if cls is Ct and number == CtAttr.ZONE:  # the zone 0 is not told: that is another shape
            read = (part._replace(condition="@") if isinstance(part, Value) else part for part in read)
        return [f"{name}=", *read]

    def _masked(self, type_: MaskedType, start: int, end: int) -> list[Piece]:
        """Return what shows a value and the bits of it that are set, which belong to the shape."""
        middle = start + (end - start) // 2
        self.values.append((start, middle))
        _, mask = type_.decode(self.data[start:end])
        shown = "" if type_.kind.is_full(mask) and not type_.always_mask else f"/{type_.kind.show_mask(mask)}"
        return [*self.field(type_.kind, start, "=", None), shown]


def _is_plain(cls: type[FieldAction]) -> bool:
    """Tell whether the text of an action is always that of all its fields, and these are whole bytes."""
    return cls.show is FieldAction.show and not (
        issubclass(cls, Bits) or cls.UNTOLD or any(field.optional for field in cls.FIELDS)
    )
