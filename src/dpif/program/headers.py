"""The headers of a packet as a program sees them: a view for each, whose fields are values that note their use.

Reading a field gives a `Value`, which notes nothing where the program wrote it before. Writing one,
``packet.ipv4.ttl -= 1``, puts a ``set(…)`` in front of where the packet goes; it is put there whatever the old value
was, so the old one need not be matched.
"""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from dpif.program.errors import ProgramError
from dpif.program.values import Address, FlagsValue, MacValue, Number, Value

if TYPE_CHECKING:
    from dpif.program.packet import Packet

__all__ = [
    "Arp",
    "Ct",
    "CtTuple",
    "Ethernet",
    "Header",
    "Icmp",
    "Ip",
    "Ipv4",
    "Ipv6",
    "Mpls",
    "Nd",
    "Nsh",
    "Ports",
    "Tcp",
    "Tunnel",
]

V = TypeVar("V", bound=Value)


class Field(Generic[V]):
    """A field of a header: ``suffix`` is what follows the header's prefix in the place's name."""

    __slots__ = ("kind", "suffix", "writable")

    def __init__(self, kind: type[V], *, writable: bool = False, suffix: str = "") -> None:
        self.kind = kind
        self.suffix = suffix
        self.writable = writable

    def __set_name__(self, owner: type, name: str) -> None:
        self.suffix = self.suffix or f".{name}"

    @overload
    def __get__(self, header: None, owner: type) -> Field[V]: ...
    @overload
    def __get__(self, header: Header, owner: type) -> V: ...
    def __get__(self, header: Header | None, owner: type) -> Field[V] | V:
        if header is None:
            return self
        found: V = header.packet.field(header.prefix + self.suffix, self.kind)
        return found

    def __set__(self, header: Header, value: Any) -> None:
        if not self.writable:
            raise ProgramError(f"no datapath can set {header.prefix}{self.suffix}")
        header.packet.write(header.prefix + self.suffix, value)


class Header:
    """A header that the packet has."""

    __slots__ = ("packet", "prefix")

    def __init__(self, packet: Packet, prefix: str) -> None:
        self.packet = packet
        self.prefix = prefix

    def __repr__(self) -> str:
        return f"<{self.prefix} of {self.packet!r}>"


class Ethernet(Header):
    """The Ethernet addresses."""

    __slots__ = ()
    src = Field(MacValue, writable=True)
    dst = Field(MacValue, writable=True)


class Arp(Header):
    """An ARP message (RFC 826)."""

    __slots__ = ()
    op = Field(Number)
    sip = Field(Address)
    tip = Field(Address)
    sha = Field(MacValue)
    tha = Field(MacValue)


class Ip(Header):
    """What IPv4 and IPv6 have in common."""

    __slots__ = ()
    src = Field(Address, writable=True)
    dst = Field(Address, writable=True)
    proto = Field(Number)
    frag = Field(Number)

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of a larger packet."""
        return bool(self.frag)


class Ipv4(Ip):
    """An IPv4 header."""

    __slots__ = ()
    tos = Field(Number, writable=True)
    ttl = Field(Number, writable=True)


class Ipv6(Ip):
    """An IPv6 header."""

    __slots__ = ()
    label = Field(Number, writable=True)
    tclass = Field(Number, writable=True)
    hlimit = Field(Number, writable=True)


class Ports(Header):
    """Ports of UDP or SCTP."""

    __slots__ = ()
    src = Field(Number, writable=True)
    dst = Field(Number, writable=True)


class Tcp(Ports):
    """Ports and flags of TCP."""

    __slots__ = ()

    @property
    def flags(self) -> FlagsValue:
        """The flags; ``flags.syn`` reads one bit."""
        return self.packet.field("tcp_flags", FlagsValue)


class Icmp(Header):
    """Type and code of ICMP or ICMPv6."""

    __slots__ = ()
    type = Field(Number)
    code = Field(Number)


class Nd(Header):
    """Neighbour discovery (RFC 4861)."""

    __slots__ = ()
    target = Field(Address)
    sll = Field(MacValue)
    tll = Field(MacValue)


class Mpls(Header):
    """The outermost MPLS label."""

    __slots__ = ()
    label = Field(Number, writable=True)
    tc = Field(Number, writable=True)
    ttl = Field(Number, writable=True)
    bos = Field(Number)


class Nsh(Header):
    """A network service header (RFC 8300)."""

    __slots__ = ()
    spi = Field(Number, suffix=".base.spi")
    si = Field(Number, suffix=".base.si")
    ttl = Field(Number, suffix=".base.ttl")
    flags = Field(Number, suffix=".base.flags")


class Tunnel(Header):
    """The outer header that the packet came in."""

    __slots__ = ()
    id = Field(Number)
    tos = Field(Number)
    ttl = Field(Number)
    tp_src = Field(Number)
    tp_dst = Field(Number)

    @property
    def src(self) -> Address:
        """Where the outer packet came from."""
        return self._address("src")

    @property
    def dst(self) -> Address:
        """Whom the outer packet was sent to."""
        return self._address("dst")

    def _address(self, end: str) -> Address:
        places = self.packet.trace.layout.places
        name = f"tunnel.{end}" if f"tunnel.{end}" in places else f"tunnel.ipv6_{end}"
        return self.packet.field(name, Address)

    @property
    def df(self) -> bool:
        """Whether the outer packet may not be fragmented."""
        return self.packet.extra("tunnel.df")

    @property
    def csum(self) -> bool:
        """Whether the outer header has a checksum."""
        return self.packet.extra("tunnel.csum")

    @property
    def oam(self) -> bool:
        """Whether this is an OAM packet."""
        return self.packet.extra("tunnel.oam")

    @property
    def options(self) -> bytes:
        """The options as they are on the wire, empty where there are none; they are read whole."""
        for name in ("tunnel.geneve", "tunnel.vxlan", "tunnel.erspan"):
            if name in self.packet.trace.layout.places:
                data: bytes = self.packet.field(name, Value).value
                return data
        return b""


class CtTuple(Header):
    """The addresses and ports with which the connection began."""

    __slots__ = ()
    src = Field(Address)
    dst = Field(Address)
    proto = Field(Number)
    tp_src = Field(Number)
    tp_dst = Field(Number)


class Ct(Header):
    """What connection tracking says; all zero before a ``ct(…)``."""

    __slots__ = ()
    state = Field(FlagsValue, suffix="ct_state")
    zone = Field(Number, suffix="ct_zone")
    mark = Field(Number, suffix="ct_mark")
    label = Field(Number, suffix="ct_label")

    @property
    def orig(self) -> CtTuple | None:
        """The connection's original direction, None for a packet that has no connection."""
        for name in ("ct_tuple4", "ct_tuple6"):
            if self.packet.trace.ask(name):
                return CtTuple(self.packet, name)
        return None
