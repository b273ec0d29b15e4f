"""The actions whose payload is one number or one small structure, or nothing at all."""

from __future__ import annotations

import struct

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions.base import Action
from dpif.odp.attrs import Style
from dpif.odp.constants import ActionAttr
from dpif.odp.scanner import Scanner

_U32 = struct.Struct("=I")


class _Number(Action):
    """An action whose payload is one u32 in host order, ``value``."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            raise EncodeError(f"{value!r} is not a number of 32 bits", self.word or "output")
        self.value = value

    def payload(self) -> bytes:
        """Pack the number."""
        return _U32.pack(self.value)

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Unpack the number."""
        if len(data) != _U32.size:
            raise DecodeError(f"expected 4 bytes, found {len(data)}")
        return cls(_U32.unpack(data)[0])

    def show(self, style: Style) -> str:
        """Return ``word(number)``."""
        return f"{self.word}({self.value})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the number in parentheses."""
        scanner.expect("(")
        value = scanner.integer(0xFFFFFFFF)
        scanner.expect(")")
        return cls(value)


class Output(_Number, number=ActionAttr.OUTPUT):
    """Send the packet out of port ``value``."""

    __slots__ = ()

    @property
    def port(self) -> int:
        """The port's number."""
        return self.value

    def show(self, style: Style) -> str:
        """Return the number, or the port's name where it is known."""
        return (style.port_names or {}).get(self.value, str(self.value))

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take a bare number."""
        return cls(scanner.integer(0xFFFFFFFF, "a port number"))


class Recirc(_Number, number=ActionAttr.RECIRC, word="recirc"):
    """Look the packet up again with recirculation id ``value``."""

    __slots__ = ()

    def show(self, style: Style) -> str:
        """The id is hexadecimal."""
        return f"recirc({self.value:#x})" if self.value else "recirc(0)"


class Trunc(_Number, number=ActionAttr.TRUNC, word="trunc"):
    """Cut the packet to ``value`` bytes on its next output; the kernel asks for at least 14."""

    __slots__ = ()


class Meter(_Number, number=ActionAttr.METER, word="meter"):
    """Pass the packet through meter ``value``, which may drop it."""

    __slots__ = ()
