"""Writers of attributes whose text follows from their bits in ways of their own: VLAN tags, MPLS entries, options.

Each stands beside the slow twin's `show` that it does the same as.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from dpif._typing import Any, Final
from dpif.odp.lines.fields import Writer
from dpif.odp.lines.keys import Mode, Unusual
from dpif.odp.model.attrs import PortNumber
from dpif.odp.model.kinds import U8, sharp
from dpif.odp.model.layers import MplsStack, Vlan
from dpif.odp.model.tunnel_options import ErspanType

_U16: Final = struct.Struct("!H")
_HOST_U32: Final = struct.Struct("=I")
_ALL_PORT: Final = 0xFFFFFFFF


def write_port(before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what writes a port's number or name; see `PortNumber.show`."""
    read = _HOST_U32.unpack_from
    known = mode.port_names or {}

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        (port,) = read(data, at)
        (bits,) = (_ALL_PORT,) if mode.exact else read(mask, mask_at)
        if bits == _ALL_PORT:
            return f"{before}{known.get(port, port)}{after}"
        if not bits and not (mode.always or mode.verbose):
            return ""
        return f"{before}{port}/{sharp(bits)}{after}"

    return write


def write_vlan(before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what writes a VLAN tag; see `Vlan.show`."""
    read = _U16.unpack_from
    exact, verbose, always = mode.exact, mode.verbose, mode.always or mode.verbose

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        (tci,) = read(data, at)
        (bits,) = (0xFFFF,) if exact else read(mask, mask_at)
        if not bits and not always:
            return ""
        vid, pcp = tci & 0xFFF, tci >> 13
        text = ""
        if vid or bits & 0xFFF or verbose:
            text = f",vid={vid}" if bits & 0xFFF == 0xFFF else f",vid={vid}/0x{bits & 0xFFF:x}"
        if pcp or bits >> 13 or verbose:
            text += f",pcp={pcp}" if bits >> 13 == 7 else f",pcp={pcp}/0x{bits >> 13:x}"
        if not tci & 0x1000:
            text += ",cfi=0"
        return f"{before}{text[1:]}{after}"

    return write


def write_mpls(before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what writes MPLS label stack entries; see `MplsStack.show`."""
    count = size // 4
    if not 0 < size < 256 or size % 4:
        raise Unusual
    read = struct.Struct(f"!{count}I").unpack_from
    full = (0xFFFFFFFF,) * count
    nothing = (0,) * count
    always = mode.always or mode.verbose

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        entries = read(data, at)
        if mode.exact or (masks := read(mask, mask_at)) == full:
            shown = [
                f"label={entry >> 12},tc={entry >> 9 & 7},ttl={entry & 255},bos={entry >> 8 & 1}" for entry in entries
            ]
        elif masks == nothing and not always:
            return ""
        else:
            shown = [
                f"label={entry >> 12}/{bits >> 12:#x},tc={entry >> 9 & 7}/{bits >> 9 & 7:x},"
                f"ttl={entry & 255}/{bits & 255:#x},bos={entry >> 8 & 1}/{bits >> 8 & 1:x}"
                for entry, bits in zip(entries, masks, strict=True)
            ]
        return f"{before}{','.join(shown)}{after}"

    return write


_ERSPAN: Final = struct.Struct("!IHH")
"""Of `Erspan` what follows the version: index, group, bits."""


def write_erspan(before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what writes the options of an ERSPAN tunnel; see `ErspanType.show`."""
    exact, verbose = mode.exact, mode.verbose

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        (version,) = _HOST_U32.unpack_from(data, at)
        index, _, bits = _ERSPAN.unpack_from(data, at + 4)
        if exact:
            version_mask = index_mask = hwid_mask = dir_mask = 0xFF
        else:
            version_mask = _HOST_U32.unpack_from(mask, mask_at)[0] & 0xFF
            index_mask, _, mask_bits = _ERSPAN.unpack_from(mask, mask_at + 4)
            hwid_mask, dir_mask = mask_bits >> 4 & 0x3F, mask_bits >> 3 & 1
        parts = []
        if verbose or version_mask:
            parts.append(f"ver={U8.show_masked(version & 0xFF, version_mask)}")
        if version == 1:
            parts.append(f"idx={sharp(index)}" if exact else f"idx={sharp(index)}/{sharp(index_mask)}")
        elif version == 2:
            direction, hwid = bits >> 3 & 1, bits >> 4 & 0x3F
            if verbose or dir_mask:
                parts.append(f"dir={direction}" if exact else f"dir={direction}/{sharp(dir_mask)}")
            if verbose or hwid_mask:
                shown = hwid_mask & 0xF if hwid <= 0xF else hwid_mask
                parts.append(f"hwid={sharp(hwid)}" if exact else f"hwid={sharp(hwid)}/{sharp(shown)}")
        return f"{before}{','.join(parts)}{after}"

    return write


BY_TYPE: Final[Mapping[type[Any], Callable[[str, str, int, Mode], Writer]]] = {
    ErspanType: write_erspan,
    PortNumber: write_port,
    MplsStack: write_mpls,
}
BY_STRUCT: Final[Mapping[type[Any], Callable[[str, str, int, Mode], Writer]]] = {Vlan: write_vlan}
