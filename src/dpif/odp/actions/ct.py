"""The connection tracking action and its address translation, ``ct(…,nat(…))``."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, ClassVar, NamedTuple

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions.base import NestAction
from dpif.odp.attrs import AttrType, Empty, Scalar, Style
from dpif.odp.constants import ActionAttr, CtAttr, NatAttr
from dpif.odp.kinds import IPV4, IPV6, LABELS, U32, Kind, UInt
from dpif.odp.nest import Attr, Attributes
from dpif.odp.scanner import Scanner
from dpif.odp.structs import scan_value_and_mask

_U16 = UInt(16, radix=10)
_WORD = re.compile(r"[^,) \t\r\n]+")


class Masked(NamedTuple):
    """A value, and the bits of it that are to be set."""

    value: int
    mask: int


class _MaskedKind(AttrType[Masked]):
    """A value and its mask, one after the other; kept as the two raw values."""

    def __init__(self, kind: Kind[int], size: int, *, always_mask: bool) -> None:
        self._kind = kind
        self._scalar = Scalar(kind, "=")
        self._size = size
        self._always_mask = always_mask

    def decode(self, data: bytes) -> tuple[Any, Any]:
        """Cut in two."""
        if len(data) != 2 * self._size:
            raise DecodeError(f"expected {2 * self._size} bytes, found {len(data)}")
        return self._scalar.decode(data[: self._size]), self._scalar.decode(data[self._size :])

    def encode(self, kept: tuple[Any, Any]) -> bytes:
        """Join."""
        return self._scalar.encode(kept[0]) + self._scalar.encode(kept[1])

    def keep(self, value: object) -> tuple[Any, Any]:
        """Accept a number, which is set whole, or a number and a mask."""
        if isinstance(value, tuple) and len(value) == 2:
            return self._kind.raw(value[0]), self._kind.raw(value[1])
        return self._kind.raw(value), self._kind.full

    def natural(self, kept: tuple[Any, Any]) -> Masked:
        """Return both as numbers."""
        return Masked(self._kind.value(kept[0]), self._kind.value(kept[1]))

    def full(self, kept: tuple[Any, Any]) -> None:
        """The mask is part of the value."""
        return

    def show(self, kept: tuple[Any, Any], mask: None, style: Style) -> str:
        """Return ``value/mask``."""
        shown = self._kind.show(kept[0])
        if self._kind.is_full(kept[1]) and not self._always_mask:
            return shown
        return f"{shown}/{self._kind.show_mask(kept[1])}"

    def scan(self, scanner: Scanner) -> tuple[tuple[Any, Any], None]:
        """Take ``value`` or ``value/mask``."""
        return scan_value_and_mask(self._kind, scanner), None


class _Text(AttrType[str]):
    """A name of 1 to `longest` bytes, with a NUL behind it."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def decode(self, data: bytes) -> str:
        """Return what stands before the NUL."""
        text, nul, _ = data.partition(b"\0")
        if not nul or not 0 < len(text) <= self._longest:
            raise DecodeError(f"expected a name of 1 to {self._longest} bytes and a NUL, found {data!r}")
        return text.decode("utf-8", "surrogateescape")

    def encode(self, kept: str) -> bytes:
        """Put a NUL behind the name."""
        return kept.encode("utf-8", "surrogateescape") + b"\0"

    def keep(self, value: object) -> str:
        """Accept text that can stand in the text form."""
        if not isinstance(value, str) or not _WORD.fullmatch(value) or "\0" in value:
            raise EncodeError(f"expected a name, not {value!r}")
        if len(value.encode("utf-8", "surrogateescape")) > self._longest:
            raise EncodeError(f"{value!r} is longer than {self._longest} bytes")
        return value

    def full(self, kept: str) -> None:
        """A name has no mask."""
        return

    def show(self, kept: str, mask: None, style: Style) -> str:
        """Return the name."""
        return kept

    def scan(self, scanner: Scanner) -> tuple[str, None]:
        """Take what stands before the next separator."""
        start = scanner.position
        name = scanner.require(_WORD, "a name")
        try:
            return self.keep(name), None
        except EncodeError as error:
            scanner.fail(error.reason, position=start)


class _Address(AttrType["IPv4Address | IPv6Address"]):
    """An address of either family; kept as its bytes."""

    def decode(self, data: bytes) -> bytes:
        """Tell the family by the length."""
        if len(data) not in (IPV4.size, IPV6.size):
            raise DecodeError(f"expected 4 or 16 bytes, found {len(data)}")
        return data

    def encode(self, kept: bytes) -> bytes:
        """Return the bytes."""
        return kept

    def keep(self, value: Any) -> bytes:
        """Accept an address of the standard library, its text or its bytes."""
        try:
            return ip_address(value).packed
        except ValueError as error:
            raise EncodeError(f"expected an IP address, not {value!r}") from error

    def natural(self, kept: bytes) -> IPv4Address | IPv6Address:
        """Return an address of the standard library."""
        return ip_address(kept)


class Nat(Attributes):
    """Translate an address: ``src`` or ``dst``, to one out of a range of addresses and ports.

    Without ``src`` and ``dst`` packets of known connections are translated as before. The last of a range may be
    left out. ``persistent``, ``proto_hash`` and ``proto_random`` say how one is chosen.
    """

    __slots__ = ()

    src = Attr(NatAttr.SRC, Empty())
    dst = Attr(NatAttr.DST, Empty())
    ip_min = Attr(NatAttr.IP_MIN, _Address())
    ip_max = Attr(NatAttr.IP_MAX, _Address())
    proto_min = Attr(NatAttr.PROTO_MIN, Scalar(_U16, "="))
    proto_max = Attr(NatAttr.PROTO_MAX, Scalar(_U16, "="))
    persistent = Attr(NatAttr.PERSISTENT, Empty())
    proto_hash = Attr(NatAttr.PROTO_HASH, Empty(), "hash")
    proto_random = Attr(NatAttr.PROTO_RANDOM, Empty(), "random")


class _NatType(AttrType[Nat]):
    """The address translation within a connection tracking action."""

    def decode(self, data: bytes) -> Nat:
        """Decode the attributes."""
        return Nat.from_payload(data)

    def encode(self, kept: Nat) -> bytes:
        """Encode the attributes."""
        return kept.payload()

    def keep(self, value: object) -> Nat:
        """Accept a `Nat`; True is one without anything."""
        if value is True:
            return Nat()
        if not isinstance(value, Nat):
            raise EncodeError(f"expected a Nat, not {value!r}")
        return value


class Ct(NestAction, number=ActionAttr.CT, word="ct"):
    """Track the packet's connection; see ``enum ovs_ct_attr``.

    ``mark`` and ``labels`` are set, whole or under a mask, when a connection is committed. ``eventmask`` chooses
    the events that are reported; Open vSwitch's text form does not tell it.
    """

    __slots__ = ()

    commit = Attr(CtAttr.COMMIT, Empty())
    force_commit = Attr(CtAttr.FORCE_COMMIT, Empty())
    zone = Attr(CtAttr.ZONE, Scalar(_U16, "="))
    mark = Attr(CtAttr.MARK, _MaskedKind(UInt(32, "x", radix=16), 4, always_mask=True))
    labels = Attr(CtAttr.LABELS, _MaskedKind(LABELS, 16, always_mask=False), "label")
    helper = Attr(CtAttr.HELPER, _Text(15))
    eventmask = Attr(CtAttr.EVENTMASK, Scalar(U32, "="))
    timeout = Attr(CtAttr.TIMEOUT, _Text(31))
    nat = Attr(CtAttr.NAT, _NatType())

    _UNTOLD: ClassVar[frozenset[str]] = frozenset({"eventmask"})
