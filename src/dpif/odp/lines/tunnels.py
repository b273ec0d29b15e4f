"""Tunnel keys and NSH keys to text by writers: nests whose text is no plain list of their attributes."""

from __future__ import annotations

import struct

from dpif._typing import Any, Final
from dpif.netlink.attributes import ATTRIBUTE_HEADER
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.constants import NshKeyAttr
from dpif.odp.constants.key import TunnelKeyAttr
from dpif.odp.lines.fields import Remembered, Writer
from dpif.odp.lines.keys import Forms, Mode, Unusual, length_at, write_attribute
from dpif.odp.model.attrs import Empty, Structure
from dpif.odp.model.kinds import TUNNEL_FLAGS, sharp
from dpif.odp.model.nest import Attr, Nested
from dpif.odp.model.nsh import NSH_M_TYPE1, Nsh
from dpif.odp.model.tunnel import FLAGS, Tunnel
from dpif.odp.model.tunnel_options import GeneveOption, GeneveType, VxlanOptions

_FLAG_BITS: Final = sum(1 << number for number in (TunnelKeyAttr.ID, *FLAGS))
_MDTYPE: Final = NLA_HDRLEN + 2
"""Where the type of metadata stands in an NSH key."""
_OPTION_WORD: Final = struct.Struct("!I")


def _nothing(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
    return ""


def show_flags(present: int, matched: int, mode: Mode) -> str:
    """Return ``flags(…)``, from a bit for each attribute that is in the key and in the mask; empty if not shown."""

    def flags(bits: int) -> int:
        return sum(flag for number, flag in FLAGS.items() if bits >> number & 1)

    key = present >> TunnelKeyAttr.ID & 1 and TUNNEL_FLAGS.names["key"]
    value = flags(present) | key
    if mode.exact:
        return f"flags({TUNNEL_FLAGS.show(value)})"
    bits = flags(matched) | key
    return f"flags({TUNNEL_FLAGS.show_masked(value, bits)})" if bits or mode.verbose else ""


class TunnelWriter:
    """Writes tunnel keys; see `Tunnel.show`."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode._replace(port_names=None)
        self.forms = Forms(Tunnel, self._make)
        self._flags = Remembered(lambda bits: show_flags(bits[0], bits[1], self._mode))

    def write(self, data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        """Write one, its length being that of the header before it."""
        end = at + length_at(data, at)
        if self._mode.exact:
            walked = self.forms.walk(data, at, end, data, at, end)
        else:
            walked = self.forms.walk(data, at, end, mask, mask_at, mask_at + length_at(mask, mask_at))
        flags = self._flags[walked.present & _FLAG_BITS, walked.matched & _FLAG_BITS]
        if flags:
            walked.texts.append(flags)
        return f"tunnel({','.join(walked.texts)})"

    def _make(self, attr: Attr[Any], size: int) -> Writer:
        type_, name = attr.type, attr.text_name
        if isinstance(type_, Empty):
            if size:
                raise Unusual
            return _nothing
        if not attr.told:
            return _nothing
        if isinstance(type_, GeneveType):
            return _GeneveWriter(f"{name}(", size, self._mode).write
        if isinstance(type_, Nested):
            return _VxlanWriter(f"{name}(", self._mode).write
        before, after = (f"{name}(", ")") if type_.enclosed else (f"{name}=", "")
        return write_attribute(type_, before, after, size, self._mode)


class _VxlanWriter:
    """Writes the options of a VXLAN tunnel."""

    def __init__(self, before: str, mode: Mode) -> None:
        self._before = before
        self._mode = mode
        self._forms = Forms(VxlanOptions, self._make)

    def _make(self, attr: Attr[Any], size: int) -> Writer:
        return write_attribute(attr.type, f"{attr.text_name}(", ")", size, self._mode)

    def write(self, data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        """Write one."""
        if self._mode.exact:
            mask, mask_at = data, at
        mask_end = mask_at + length_at(mask, mask_at)
        walked = self._forms.walk(data, at, at + length_at(data, at), mask, mask_at, mask_end)
        return f"{self._before}{','.join(walked.texts)})"


class _GeneveWriter:
    """Writes Geneve options of so many bytes; see `GeneveType.show`."""

    def __init__(self, before: str, size: int, mode: Mode) -> None:
        if size % 4 or size > 252:
            raise Unusual
        self._before = before
        self._size = size
        self._mode = mode
        self._heads = Remembered(lambda words: self._show_head(*words))

    def write(self, data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        """Write them."""
        exact, verbose = self._mode.exact, self._mode.verbose
        end = at + self._size
        text = self._before
        while at < end:
            (word,) = _OPTION_WORD.unpack_from(data, at)
            (mask_word,) = (0xFFFFFF1F,) if exact else _OPTION_WORD.unpack_from(mask, mask_at)
            size = (word & 0x1F) * 4
            at += 4
            mask_at += 4
            if at + size > end:
                raise Unusual
            text += self._heads[word, mask_word]
            if size:
                full = _FULL[size]
                bits = full if exact else mask[mask_at : mask_at + size]
                if bits == full:
                    text += f"0x{data[at : at + size].hex().lstrip('0')}" if any(data[at : at + size]) else "0"
                elif any(bits) or verbose:
                    number = int.from_bytes(data[at : at + size], "big")
                    text += f"{sharp(number)}/{sharp(int.from_bytes(bits, 'big'))}"
                else:
                    text = text.removesuffix(",")
            text += "}"
            at += size
            mask_at += size
        return f"{text})"

    def _show_head(self, word: int, mask: int) -> str:
        """Return what stands before the data, without these, and a comma if they may follow."""
        option = GeneveOption(word >> 16, word >> 8 & 0xFF, bytes(4 * (word & 0x1F)))
        bits = GeneveOption(mask >> 16, mask >> 8 & 0xFF, bytes(4 * (word & 0x1F)), mask & 0x1F)
        style = self._mode.style._replace(verbose=self._mode.verbose or self._mode.exact)
        size = 4 * (word & 0x1F)
        head = ",".join(GeneveType.show_head(option, bits, style))
        return f"{{{head}," if head and size else f"{{{head}"


_FULL: Final = [b"\xff" * size for size in range(125)]


class NshWriter:
    """Writes NSH keys; see `Nsh.show`."""

    def __init__(self, mode: Mode) -> None:
        self._exact = mode.exact
        self._forms = Forms(Nsh, self._make)

    def _make(self, attr: Attr[Any], size: int) -> Writer:
        if not isinstance(attr.type, Structure):
            return _nothing
        return write_attribute(attr.type, "", "", size, Mode(exact=self._exact))

    def write(self, data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        """Write one."""
        end = at + length_at(data, at)
        if self._exact:
            mask, mask_at, mask_end = data, at, end
        else:
            mask_end = mask_at + length_at(mask, mask_at)
        walked = self._forms.walk(data, at, end, mask, mask_at, mask_end)
        self._check(data, at, walked.present)
        return f"nsh({','.join(walked.texts)})"

    def _check(self, data: bytes, at: int, present: int) -> None:
        """Insist on a base that comes first, with metadata of type 1 just where they are shown."""
        has_context = bool(present >> NshKeyAttr.MD1 & 1)
        _, first = ATTRIBUTE_HEADER.unpack_from(data, at)
        if not present or first & NLA_TYPE_MASK != NshKeyAttr.BASE:
            raise Unusual
        if self._exact and has_context != (data[at + _MDTYPE] == NSH_M_TYPE1):
            raise Unusual
