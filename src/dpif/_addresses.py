"""IP addresses as the library gives them: those of `ipaddress`, which equal their texts, too.

``key.ipv4.dst == "10.0.0.1"`` would be False of the standard library's, whatever the address is. Importing this costs
what importing `ipaddress` does, so short command lines do without.
"""

from __future__ import annotations

import ipaddress

from dpif._equality import is_text_of

__all__ = ["IPv4Address", "IPv6Address", "ip_address"]


class IPv4Address(ipaddress.IPv4Address):
    """An IPv4 address, which equals its text as well as an `ipaddress.IPv4Address`.

    Its hash is that of the latter: in sets, and as keys of dictionaries, texts are others.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return is_text_of(self, other) if isinstance(other, str) else super().__eq__(other)

    __hash__ = ipaddress.IPv4Address.__hash__


class IPv6Address(ipaddress.IPv6Address):
    """An IPv6 address, which equals its texts as well as an `ipaddress.IPv6Address`; hashed as `IPv4Address` is."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return is_text_of(self, other) if isinstance(other, str) else super().__eq__(other)

    __hash__ = ipaddress.IPv6Address.__hash__


def ip_address(data: bytes) -> IPv4Address | IPv6Address:
    """Return the address of 4 bytes, or of 16."""
    return IPv4Address(data) if len(data) == 4 else IPv6Address(data)
