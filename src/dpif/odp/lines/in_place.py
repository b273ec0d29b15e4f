"""Pieces of bytes whose values are read in place: fields of structures, numbers; the rest is given to writers.

`InPlace` is what the pieces of nests (`nests.py`) and of lists of actions (`action_pieces.py`) have in common. It
notes which bytes may be others in messages of the same shape.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dpif._typing import Any, Final
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.lines.fields import Remembered, Writer
from dpif.odp.lines.keys import NOTHING, Mode
from dpif.odp.lines.templates import Piece, Value, field_values
from dpif.odp.model.attrs import AttrType, PortNumber, Scalar, Structure
from dpif.odp.model.kinds import ETHERTYPE, FRAG, PROTO, Kind
from dpif.odp.model.structs import Bits, Record, Struct

_DECIDING: Final = (ETHERTYPE, PROTO, FRAG)
"""Kinds of field whose value says what follows. They take few values, which a template has as text."""


class InPlace:
    """The pieces of some of the bytes of `data`."""

    def __init__(self, data: bytes, mode: Mode) -> None:
        self.data = data
        self.mode = mode
        self.values: list[tuple[int, int]] = []
        """Places of what may be another in a message of the same shape."""
        self.decided: list[tuple[int, int]] = []
        """Places in these of what may not."""

    def compared(self) -> bytearray:
        """Return for each byte of the data whether it must be the same: all but the values."""
        compared = bytearray(b"\1" * len(self.data))
        for start, end in self.values:
            compared[start:end] = bytes(end - start)
        for start, end in self.decided:
            compared[start:end] = b"\1" * (end - start)
        return compared

    def adopt(self, inner: InPlace) -> None:
        """Take over what was noted of what is within."""
        self.values += inner.values
        self.decided += inner.decided

    def read(self, type_: AttrType[Any], start: int, mask: Any) -> Iterator[Piece] | None:
        """Return what reads an attribute under a mask in place; None for one that is written."""
        if isinstance(type_, Structure):
            is_plain = type(type_).show is Structure.show and type_.cls.show is Struct.show
            return self.fields(type_.cls, start, mask) if is_plain and not issubclass(type_.cls, Bits) else None
        if isinstance(type_, Scalar) and type(type_).show is Scalar.show:
            return self.field(type_.kind, start, type_.order, mask)
        if isinstance(type_, PortNumber) and (mask is None or type_.is_full(mask)):
            return iter([self.port(start)])
        return None

    def fields(self, cls: type[Record], start: int, mask: Record | None) -> Iterator[Piece]:
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
        order = cls._packer.format[0]
        for field in shown:
            yield f"{'' if field is shown[0] else ','}{field.text_name}="
            bits = None if mask is None else mask.raw[field.index]
            yield from self.field(field.kind, offsets[field.index], order, bits)

    def field(self, kind: Kind[Any], offset: int, order: str, mask: Any) -> Iterator[Piece]:
        """Yield what shows one field; see `Kind.show_masked`."""
        if kind in _DECIDING:
            self.decided.append((offset, offset + kind.size))
            yield kind.show(struct.unpack_from(order + kind.code, self.data, offset)[0])
        else:
            yield from field_values(kind, offset, order)
        if mask is not None and not kind.is_full(mask):
            yield f"/{kind.show_mask(mask)}"

    def port(self, start: int) -> Value:
        """Return what shows a port, by its name where it is known."""
        names = self.mode.port_names or {}

        def show(data: bytes) -> str:
            return self.mode.style.port(struct.unpack("=I", data)[0])

        return Value(start, "I", "=", "{port_names.get(@, @)}" if names else "{@}", {"port_names": names}, show)

    def written(
        self,
        write: Writer,
        start: int,
        end: int,
        mask: bytes = NOTHING,
        *,
        with_header: bool = False,
        few: bool = False,
    ) -> Piece:
        """Return what shows an attribute by its writer: `with_header` if that looks there for its length.

        If it takes `few` values its texts are remembered. The mask is laid out as the bytes are.
        """
        at = NLA_HDRLEN if with_header else 0
        head = self.data[start - at : start]

        def show(data: bytes) -> str:
            return write(head + data, at, mask, at)

        if start == end:
            return show(b"")
        code = f"{end - start}s"
        if few:
            return Value(start, code, "=", "{texts_@[@]}", {"texts_@": Remembered(show)}, show)
        before = "head_@ + " if head else ""
        names = {"write_@": write, "mask_@": mask, "head_@": head}
        return Value(start, code, "=", f"{{write_@({before}@, {at}, mask_@, {at})}}", names, show)


def joined(parts: list[list[Piece]]) -> list[Piece]:
    """Return the pieces of all parts, with commas between these."""
    return [piece for part in parts for piece in (",", *part)][1:]
