"""The pieces of a tunnel key; see `nests.py`."""

from __future__ import annotations

from dpif._typing import Any, Final
from dpif.odp.constants.key import TunnelKeyAttr
from dpif.odp.lines.in_place import joined
from dpif.odp.lines.keys import Mode
from dpif.odp.lines.nests import NestPieces, Span
from dpif.odp.lines.templates import Piece, Value
from dpif.odp.lines.tunnels import TunnelWriter, show_flags
from dpif.odp.model.attrs import Empty
from dpif.odp.model.kinds import U8, U8X, U16X, sharp
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import GeneveOption, GeneveOptions, GeneveType

_HEADER: Final = 4
"""Bytes of a Geneve option before its data."""
_NUMBERS: Final = {4: "I", 8: "Q"}


class TunnelPieces(NestPieces):
    """The pieces of a tunnel key."""

    nest = Tunnel

    def __init__(self, span: Span, mode: Mode) -> None:
        super().__init__(span, TunnelWriter(mode).forms, mode)

    def _parts(self) -> list[list[Piece]]:
        parts = super()._parts()
        present = sum(1 << number for number in self._at)
        flags = show_flags(present, sum(1 << number for number in self._mask_at), self.mode)
        return [*parts, [flags]] if flags else parts

    def _attribute(self, number: int, kept: Any) -> list[Piece]:
        attr = Tunnel.ATTRS[number]
        if isinstance(attr.type, Empty) or not attr.told:
            self.values.append(self._at[number])
            return []
        if isinstance(attr.type, GeneveType):
            self.values.append(self._at[number])
            return self._options(kept)
        return super()._attribute(number, kept)

    def _around(self, number: int) -> tuple[str, str]:
        attr = Tunnel.ATTRS[number]
        return (f"{attr.text_name}(", ")") if attr.type.enclosed else (f"{attr.text_name}=", "")

    def _options(self, options: GeneveOptions) -> list[Piece]:
        """Return what shows Geneve options; see `GeneveType.show`. Their lengths belong to the shape."""
        at, _ = self._at[TunnelKeyAttr.GENEVE_OPTS]
        pieces: list[Piece] = ["geneve("]
        for option, bits in zip(options, self._masks(options), strict=True):
            self.decided.append((at + _HEADER - 1, at + _HEADER))
            parts = self._option(at, option, bits)
            pieces += ["{", *joined(parts), "}"]
            at += _HEADER + len(option.data)
        return [*pieces, ")"]

    def _masks(self, options: GeneveOptions) -> list[GeneveOption]:
        if self._mask is None:
            return [GeneveOption(0xFFFF, 0xFF, b"\xff" * len(option.data), 0x1F) for option in options]
        bits = self._mask.get_kept(TunnelKeyAttr.GENEVE_OPTS)
        return list((GeneveOptions.of_raw(bytes(len(options.raw))) if bits is None else bits).under(options))

    def _option(self, at: int, option: GeneveOption, bits: GeneveOption) -> list[list[Piece]]:
        """Return what stands between the braces of an option at this place."""
        verbose = self.mode.verbose or self.mode.exact
        size = len(option.data)
        parts: list[list[Piece]] = []
        if verbose or bits.class_:
            parts.append(["class=", *self.field(U16X, at, "!", bits.class_)])
        if verbose or bits.type:
            parts.append(["type=", *self.field(U8X, at + 2, "!", bits.type)])
        length = size // 4 if bits.length is None else bits.length
        if verbose or length:
            parts.append([f"len={U8.show_masked(size, 0xFF if length == 0x1F else length)}"])
        if size and (verbose or any(bits.data)):
            is_full = bits.data == b"\xff" * size
            mask = [] if is_full else [f"/{sharp(int.from_bytes(bits.data, 'big'))}"]
            parts.append([_data(at + _HEADER, size), *mask])
        return parts


def _data(at: int, size: int) -> Value:
    """Return what shows the bytes of an option as a number."""

    def show(data: bytes) -> str:
        return sharp(int.from_bytes(data, "big"))

    if size in _NUMBERS:
        return Value(at, _NUMBERS[size], "!", "{hex(@) if @ else 0}", {}, show)
    number = "{(hex(n) if (n := number(@, big)) else 0)}"
    return Value(at, f"{size}s", "=", number, {"big": "big"}, show)
