"""Unique flow identifiers: up to 16 bytes that name a flow, and their text ``ufid:…``.

The text is that of a UUID whose four 32-bit words are in host order, as Open vSwitch prints it (odp_format_ufid);
it is not RFC 9562's order of bytes. The kernel takes identifiers of 1 to 16 bytes, and Open vSwitch's text form has
16; fewer are plain hexadecimal digits here.
"""

from __future__ import annotations

import os
import struct

from dpif._equality import is_text_of
from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Self
from dpif.errors import DecodeError, EncodeError, ParseError

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner

_WORDS = struct.Struct("=4I")
_UUID = pattern(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_SHORT = pattern(r"(?:[0-9a-fA-F]{2}){1,15}(?![0-9a-zA-Z-])")


class Ufid(bytes):
    """A flow's unique identifier: 1 to 16 bytes. It equals them, and its text; its hash is theirs."""

    __slots__ = ()

    @classmethod
    def told(cls, data: bytes) -> Self:
        """Return the one that a datapath told; raise `DecodeError` for bytes that are none."""
        try:
            return cls(data)
        except EncodeError as error:
            raise DecodeError(error.reason, "FLOW.UFID") from None

    def __new__(cls, value: bytes | str) -> Self:
        """Make one of its bytes, or of its text with or without ``ufid:``."""
        if isinstance(value, str):
            value = _parse(value)
        if not 1 <= len(value) <= 16:
            raise EncodeError(f"a UFID has 1 to 16 bytes, not {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def random(cls) -> Self:
        """Return a new random identifier of 16 bytes."""
        return cls(os.urandom(16))

    def __eq__(self, other: object) -> bool:
        return is_text_of(self, other) if isinstance(other, str) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = bytes.__hash__

    def __str__(self) -> str:
        """Return ``ufid:`` and the identifier; a short one as plain hexadecimal."""
        return f"ufid:{show_uuid(self) if len(self) == 16 else self.hex()}"

    def __repr__(self) -> str:
        return f"Ufid({str(self)!r})"


def _parse(text: str) -> bytes:
    from dpif.odp.model.scanner import Scanner  # who prints never loads it

    scanner = Scanner(text if text.startswith("ufid:") else f"ufid:{text}")
    ufid = scan_ufid(scanner)
    if not scanner.at_end or ufid is None:
        raise ParseError("unexpected text after the UFID", scanner.text, scanner.position)
    return ufid


def scan_ufid(scanner: Scanner) -> Ufid | None:
    """Take ``ufid:…`` if it comes next."""
    if not scanner.take("ufid:"):
        return None
    short = scanner.match(_SHORT)
    return Ufid(scan_uuid(scanner) if short is None else bytes.fromhex(short))


def show_uuid(data: bytes) -> str:
    """Return the text of 16 bytes."""
    digits = "".join([f"{word:08x}" for word in _WORDS.unpack(data)])
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def scan_uuid(scanner: Scanner) -> bytes:
    """Take the text of 16 bytes."""
    digits = scanner.require(_UUID, "8-4-4-4-12 hexadecimal digits").replace("-", "")
    return _WORDS.pack(*[int(digits[at : at + 8], 16) for at in range(0, 32, 8)])


def skip_ufid(scanner: Scanner) -> None:
    """Pass over a ``ufid:…`` and what separates it from a key."""
    if scan_ufid(scanner) is not None:
        scanner.skip_separators()


def split_ufid(text: str) -> tuple[Ufid | None, str]:
    """Return the identifier that a flow's text starts with, if any, and the rest of the text."""
    from dpif.odp.model.scanner import Scanner  # who prints never loads it

    scanner = Scanner(text)
    scanner.skip_separators()
    ufid = scan_ufid(scanner)
    scanner.skip_separators()
    return ufid, text[scanner.position :]
