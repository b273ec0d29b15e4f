"""`Mac`, an Ethernet address.

IPv4 and IPv6 addresses are those of the standard library's `ipaddress`; only Ethernet has none there.
"""

from __future__ import annotations

from dpif._equality import is_text_of
from dpif._lazy import pattern
from dpif.errors import EncodeError, ParseError, brief

__all__ = ["BROADCAST", "Mac"]

_TEXT = pattern(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}")


class Mac(bytes):
    """An Ethernet (48-bit) address.

    Made from text (``"00:11:22:33:44:55"``), 6 bytes, or an int. It *is* its 6 bytes on the wire: it goes into a
    packet as it is, it equals and hashes like a slice of a packet, so that a table keyed by `Mac` is looked up by
    ``packet[6:12]``, and it sorts in numeric order. ``str()`` gives the usual text, ``int()`` the number. It equals
    its text too, ``key.eth.dst == "02:00:00:00:00:01"``; but in sets, and as keys of dictionaries, texts are others.

    Raises `ParseError` for a text, `EncodeError` for bytes or an int, that is no Ethernet address.
    """

    __slots__ = ()

    def __new__(cls, value: str | bytes | bytearray | memoryview | int) -> Mac:
        """Check and convert `value`."""
        if isinstance(value, str):
            return super().__new__(cls, _from_text(value))
        if isinstance(value, int):
            return super().__new__(cls, _from_int(value))
        if len(value) != 6:
            raise EncodeError(f"an Ethernet address has 6 bytes, not {len(value)}")
        return super().__new__(cls, value)

    def __eq__(self, other: object) -> bool:
        return is_text_of(self, other) if isinstance(other, str) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = bytes.__hash__

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"Mac('{self}')"

    def __int__(self) -> int:
        return int.from_bytes(self)

    @property
    def is_multicast(self) -> bool:
        """The group bit is set; true of the broadcast address too."""
        return bool(self[0] & 1)

    @property
    def is_broadcast(self) -> bool:
        """``ff:ff:ff:ff:ff:ff``."""
        return self == BROADCAST

    @property
    def is_local(self) -> bool:
        """The address is locally administered, not from a vendor's block."""
        return bool(self[0] & 2)


def _from_text(text: str) -> bytes:
    if not _TEXT.fullmatch(text):
        raise ParseError(f"{brief(text)} is not an Ethernet address", hint="six hexadecimal bytes: 00:11:22:33:44:55")
    return bytes(int(part, 16) for part in text.split(":"))


def _from_int(number: int) -> bytes:
    try:
        return number.to_bytes(6)
    except OverflowError:
        raise EncodeError(f"{brief(number)} does not fit an Ethernet address of 48 bits") from None


BROADCAST = Mac(b"\xff" * 6)
"""The Ethernet broadcast address."""
