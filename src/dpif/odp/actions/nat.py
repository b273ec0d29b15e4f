"""Address translation as part of connection tracking: ``nat(src=10.0.0.1-10.0.0.9:1024-65535,random)``."""

from __future__ import annotations

import re

from dpif._typing import TYPE_CHECKING, Any, Self
from dpif.errors import DecodeError, EncodeError, brief
from dpif.odp.constants import NatAttr
from dpif.odp.model.attrs import AttrType, Empty, Scalar
from dpif.odp.model.kinds import IPV4, IPV6, Plain, UInt
from dpif.odp.model.nest import Attr, Attributes
from dpif.odp.model.scanner import Scanner

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from dpif.odp.model.source import Source
else:
    IPv4Address = IPv6Address = Any  # see `dpif.odp.model.kinds`

_PORT = UInt(16, radix=10)
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9]++\.")


class _Address(AttrType[IPv4Address | IPv6Address]):
    """An address of either family; kept as its bytes."""

    def decode(self, data: bytes) -> bytes:
        """Tell the family by the length."""
        if len(data) not in (IPV4.size, IPV6.size):
            raise DecodeError(f"expected 4 or 16 bytes, found {len(data)}")
        return data

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Keep the bytes."""
        return source.octets(start, end)

    def encode(self, kept: bytes) -> bytes:
        """Return the bytes."""
        return kept

    def keep(self, value: Any) -> bytes:
        """Accept an address of the standard library, its text or its bytes."""
        import ipaddress

        try:
            return ipaddress.ip_address(value).packed
        except ValueError as error:
            raise EncodeError(f"expected an IP address, not {brief(value)}") from error

    def plain(self, kept: bytes, mask: None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Its text."""
        return str(self.natural(kept)), None

    def natural(self, kept: bytes) -> IPv4Address | IPv6Address:
        """Return an address, which equals its text."""
        from dpif._addresses import ip_address  # few lists of actions translate, and every command would wait for it

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
    proto_min = Attr(NatAttr.PROTO_MIN, Scalar(_PORT, "="))
    proto_max = Attr(NatAttr.PROTO_MAX, Scalar(_PORT, "="))
    persistent = Attr(NatAttr.PERSISTENT, Empty())
    proto_hash = Attr(NatAttr.PROTO_HASH, Empty(), "hash")
    proto_random = Attr(NatAttr.PROTO_RANDOM, Empty(), "random")

    def show(self) -> str:
        """Return ``nat``, with its arguments in parentheses where it translates anything anew."""
        if not self.src and not self.dst:
            return "nat"
        parts = [("src" if self.src else "dst") + self._show_range()]
        parts += [
            attr.text_name
            for attr in (Nat.persistent, Nat.proto_hash, Nat.proto_random)
            if self.get_kept(attr.number)
        ]
        return f"nat({','.join(parts)})"

    def _show_range(self) -> str:
        if self.ip_min is None:
            return ""
        bracketed = self.ip_min.version == 6 and bool(self.proto_min)
        shown = [f"[{ip}]" if bracketed else str(ip) for ip in self._ends(self.ip_min, self.ip_max)]
        ports = [str(port) for port in self._ends(self.proto_min, self.proto_max)] if self.proto_min else []
        return f"={'-'.join(shown)}" + (f":{'-'.join(ports)}" if ports else "")

    @staticmethod
    def _ends(first: Any, last: Any) -> list[Any]:
        """Return the ends of a range, the last only where it says something."""
        return [first] if last is None or not int(last) or last == first else [first, last]

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take the arguments in parentheses, where there are any."""
        kept: dict[int, Any] = {}
        start = scanner.position
        if scanner.take("("):
            while True:
                scanner.skip_separators()
                if scanner.take(")"):
                    break
                cls._scan_one(scanner, kept)
                scanner.expect_end_of("an argument")
        if NatAttr.SRC in kept and NatAttr.DST in kept:
            scanner.fail("nat translates src or dst, not both", position=start)
        if NatAttr.PROTO_HASH in kept and NatAttr.PROTO_RANDOM in kept:
            scanner.fail("nat chooses by hash or at random, not both", position=start)
        if kept and NatAttr.SRC not in kept and NatAttr.DST not in kept:
            scanner.fail("nat needs src or dst for the other arguments to mean anything", position=start)
        return cls.of_kept({number: kept[number] for number in cls.ATTRS if number in kept})

    @classmethod
    def _scan_one(cls, scanner: Scanner, kept: dict[int, Any]) -> None:
        names = {
            attr.text_name: attr for attr in (cls.src, cls.dst, cls.persistent, cls.proto_hash, cls.proto_random)
        }
        start = scanner.position
        name = scanner.word(f"an argument ({', '.join(names)})")
        if name not in names:
            scanner.unknown(name, names, "argument", start)
        kept[int(names[name].number)] = True
        if name in ("src", "dst") and scanner.take("="):
            cls._scan_range(scanner, kept)

    @classmethod
    def _scan_range(cls, scanner: Scanner, kept: dict[int, Any]) -> None:
        start = scanner.position
        first = _scan_address(scanner)
        kept[NatAttr.IP_MIN] = first
        if scanner.take("-"):
            last = _scan_address(scanner)
            if len(last) != len(first) or last < first:
                scanner.fail("the range of addresses ends before it starts", position=start)
            if last != first:
                kept[NatAttr.IP_MAX] = last
        start = scanner.position
        if scanner.take(":"):
            lowest = _PORT.scan(scanner)
            highest = _PORT.scan(scanner) if scanner.take("-") else lowest
            if highest < lowest:
                scanner.fail("the range of ports ends before it starts", position=start)
            if lowest:
                kept[NatAttr.PROTO_MIN] = lowest
            if lowest and highest != lowest:
                kept[NatAttr.PROTO_MAX] = highest


def _scan_address(scanner: Scanner) -> bytes:
    if _LOOKS_LIKE_IPV4.match(scanner.text, scanner.position):
        return int(IPV4.scan(scanner)).to_bytes(IPV4.size, "big")
    bracketed = scanner.take("[")
    address: bytes = IPV6.scan(scanner)
    if bracketed:
        scanner.expect("]")
    return address


class NatType(AttrType[Nat]):
    """The address translation within a connection tracking action."""

    def decode(self, data: bytes) -> Nat:
        """Decode the attributes."""
        return Nat.from_payload(data)

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Read every attribute in it where it stands."""
        return Nat.read_in(source, start, end)

    def encode(self, kept: Nat) -> bytes:
        """Encode the attributes."""
        return kept.payload()

    def keep(self, value: object) -> Nat:
        """Accept a `Nat`; True is one without anything."""
        if value is True:
            return Nat()
        if not isinstance(value, Nat):
            raise EncodeError(f"expected a Nat, not {brief(value)}")
        return value

    def plain(self, kept: Nat, mask: None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """A dict of the attributes."""
        return kept.plain(), None
