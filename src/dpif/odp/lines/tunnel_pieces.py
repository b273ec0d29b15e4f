"""The pieces of a tunnel key; see `nests.py`."""

from __future__ import annotations

from dpif._typing import Any, Final
from dpif.odp.constants.key import TunnelKeyAttr
from dpif.odp.lines.keys import Mode
from dpif.odp.lines.nests import NestPieces, Span
from dpif.odp.lines.templates import Piece, Value
from dpif.odp.lines.tunnels import TunnelWriter, show_flags
from dpif.odp.model.attrs import Empty
from dpif.odp.model.kinds import sharp
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
        """Return what shows Geneve options; see `GeneveType.show`. Class, type and length belong to the shape."""
        at, _ = self._at[TunnelKeyAttr.GENEVE_OPTS]
        pieces: list[Piece] = ["geneve("]
        for option, bits in zip(options, self._masks(options), strict=True):
            self.decided.append((at, at + _HEADER))
            pieces += ["{", *self._option(at + _HEADER, option, bits), "}"]
            at += _HEADER + len(option.data)
        return [*pieces, ")"]

    def _masks(self, options: GeneveOptions) -> list[GeneveOption]:
        if self._mask is None:
            return [GeneveOption(0xFFFF, 0xFF, b"\xff" * len(option.data), 0x1F) for option in options]
        bits = self._mask.get_kept(TunnelKeyAttr.GENEVE_OPTS)
        return list((GeneveOptions.of_raw(bytes(len(options.raw))) if bits is None else bits).under(options))

    def _option(self, at: int, option: GeneveOption, bits: GeneveOption) -> list[Piece]:
        """Return what stands between the braces of an option whose data are at this place."""
        size = len(option.data)
        verbose = self.mode.verbose or self.mode.exact
        head = ",".join(GeneveType.show_head(option, bits, self.mode.style._replace(verbose=verbose)))
        if not size or not (verbose or any(bits.data)):
            return [head]
        pieces: list[Piece] = [f"{head}," if head else "", _data(at, size)]
        if bits.data != b"\xff" * size:
            pieces.append(f"/{sharp(int.from_bytes(bits.data, 'big'))}")
        return pieces


def _data(at: int, size: int) -> Value:
    """Return what shows the bytes of an option as a number."""

    def show(data: bytes) -> str:
        return sharp(int.from_bytes(data, "big"))

    if size in _NUMBERS:
        return Value(at, _NUMBERS[size], "!", "{{hex({0}) if {0} else 0}}", {}, show)
    number = "{{(hex(n) if (n := number({0}, big)) else 0)}}"
    return Value(at, f"{size}s", "=", number, {"number": int.from_bytes, "big": "big"}, show)
