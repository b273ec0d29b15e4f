"""User data of a userspace action to text by writers, one for each type of cookie; see `UserData.show`."""

from __future__ import annotations

import struct

from dpif._typing import Final
from dpif.errors import DecodeError
from dpif.odp.actions.cookies import COOKIE_HEADER, COOKIE_SIZE, Controller, Cookie, SFlow, SlowPath
from dpif.odp.lines.fields import Remembered, Writer, write_record
from dpif.odp.lines.keys import Mode, Unusual

_TYPE: Final = struct.Struct("=H")
_TCI: Final = struct.Struct("!H")
_OUTPUT: Final = struct.Struct("=4xI")


def write_userdata(size: int, mode: Mode) -> Writer:
    """Return what writes user data of so many bytes."""
    if size != COOKIE_SIZE:
        return lambda data, at, mask, mask_at: f"userdata({data[at : at + size].hex()})"
    writers = {number: _cookie_writer(cls, mode) for number, cls in Cookie.by_type.items()}

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        cookie = writers.get(_TYPE.unpack_from(data, at)[0])
        if cookie is None:
            return f"userdata({data[at : at + size].hex()})"
        return cookie(data, at + COOKIE_HEADER.size, mask, mask_at)

    return write


def _cookie_writer(cls: type[Cookie], mode: Mode) -> Writer:
    """Return what writes the part of a cookie that its type tells of."""
    if cls is SFlow:
        return _write_sflow
    if cls is Controller:
        return write_record(cls, f"{cls.WORD}(", ")")

    def show(part: bytes) -> str:
        try:
            return cls.from_payload(part).show(mode.style)
        except DecodeError:
            raise Unusual from None

    if cls is SlowPath:
        texts = Remembered(show)
        return lambda data, at, mask, mask_at: texts[data[at : at + cls.SIZE]]
    return lambda data, at, mask, mask_at: show(data[at : at + cls.SIZE])


def _write_sflow(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
    (tci,) = _TCI.unpack_from(data, at)
    (output,) = _OUTPUT.unpack_from(data, at)
    return f"sFlow(vid={tci & 0xFFF},pcp={tci >> 13},output={output})"
