"""The common headers as values: read from a packet, packed into bytes.

Each class is one header with natural values (`Mac`, `ipaddress`, int). ``read(packet, offset)`` raises
`DecodeError` when the packet ends before the header; it judges nothing else. ``pack()`` gives the header's bytes
just as the fields say, except that `Ipv4` always carries its right header checksum; lengths and the transport
checksums are filled in by `build`.

This is for people, tests and programs that answer packets. The datapath reads flow keys elsewhere, faster.
"""

from __future__ import annotations

import ipaddress
from struct import Struct, error

from dpif._addresses import IPv4Address, IPv6Address
from dpif._typing import Any, NamedTuple
from dpif.errors import DecodeError, EncodeError
from dpif.packet.addresses import Mac
from dpif.packet.checksum import Buffer, checksum

__all__ = ["Arp", "Ethernet", "Icmp", "Ipv4", "Ipv6", "Mpls", "Tcp", "Udp", "Vlan"]

_ETHERNET = Struct("!6s6sH")
_VLAN = Struct("!HH")
_MPLS = Struct("!I")
_ARP = Struct("!HHBBH6s4s6s4s")
_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_UDP = Struct("!HHHH")
_TCP = Struct("!HHIIHHHH")
_ICMP = Struct("!BBHI")

_ARP_ETHERNET_IPV4 = (1, 0x0800, 6, 4)


def _read(form: Struct, packet: Buffer, offset: int, what: str) -> tuple[Any, ...]:
    try:
        return form.unpack_from(packet, offset)
    except error:
        raise DecodeError(f"the packet ends before its {what} header does", offset=offset) from None


def _pack(form: Struct, what: str, *values: int | bytes) -> bytes:
    try:
        return form.pack(*values)
    except error as reason:
        raise EncodeError(f"a field of the {what} header is out of range: {reason}") from None


class Ethernet(NamedTuple):
    """Ethernet II; `ethertype` is a length in an 802.3 frame."""

    src: Mac
    dst: Mac
    ethertype: int

    @classmethod
    def read(cls, packet: Buffer, offset: int = 0) -> Ethernet:
        """Read the header at `offset`."""
        dst, src, ethertype = _read(_ETHERNET, packet, offset, "Ethernet")
        return cls(Mac(src), Mac(dst), ethertype)

    def pack(self) -> bytes:
        """Return the 14 bytes."""
        return _pack(_ETHERNET, "Ethernet", self.dst, self.src, self.ethertype)


class Vlan(NamedTuple):
    """What follows a VLAN EtherType (IEEE 802.1Q): tag control information, and the next EtherType."""

    tci: int
    ethertype: int

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Vlan:
        """Read the 4 bytes behind the tag's EtherType."""
        return cls(*_read(_VLAN, packet, offset, "VLAN"))

    @property
    def vid(self) -> int:
        """VLAN id, 12 bits."""
        return self.tci & 0xFFF

    @property
    def pcp(self) -> int:
        """Priority code point, 3 bits."""
        return self.tci >> 13

    def pack(self) -> bytes:
        """Return the 4 bytes."""
        return _pack(_VLAN, "VLAN", self.tci, self.ethertype)


class Mpls(NamedTuple):
    """One MPLS label stack entry (RFC 3032)."""

    label: int
    tc: int
    bottom: bool
    ttl: int

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Mpls:
        """Read the entry at `offset`."""
        (entry,) = _read(_MPLS, packet, offset, "MPLS")
        return cls(entry >> 12, entry >> 9 & 7, bool(entry & 0x100), entry & 0xFF)

    def pack(self) -> bytes:
        """Return the 4 bytes."""
        return _pack(_MPLS, "MPLS", self.label << 12 | self.tc << 9 | self.bottom << 8 | self.ttl)


class Arp(NamedTuple):
    """ARP for IPv4 on Ethernet (RFC 826)."""

    operation: int
    sender_mac: Mac
    sender: ipaddress.IPv4Address
    target_mac: Mac
    target: ipaddress.IPv4Address

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Arp:
        """Read the header at `offset`; `DecodeError` also when it is not for IPv4 on Ethernet."""
        *kind, operation, sha, spa, tha, tpa = _read(_ARP, packet, offset, "ARP")
        if tuple(kind) != _ARP_ETHERNET_IPV4:
            raise DecodeError("the ARP header is not for IPv4 on Ethernet", offset=offset)
        return cls(operation, Mac(sha), IPv4Address(spa), Mac(tha), IPv4Address(tpa))

    def pack(self) -> bytes:
        """Return the 28 bytes."""
        addresses = (self.sender_mac, self.sender.packed, self.target_mac, self.target.packed)
        return _pack(_ARP, "ARP", *_ARP_ETHERNET_IPV4, self.operation, *addresses)


class Ipv4(NamedTuple):
    """IPv4 (RFC 791). `length` is the total length; `fragment` the 16 bits of flags and fragment offset."""

    src: ipaddress.IPv4Address
    dst: ipaddress.IPv4Address
    protocol: int
    length: int
    tos: int = 0
    ttl: int = 64
    ident: int = 0
    fragment: int = 0
    options: bytes = b""

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Ipv4:
        """Read the header at `offset`; `DecodeError` also when its own length is wrong."""
        first, tos, length, ident, fragment, ttl, protocol, _, src, dst = _read(_IPV4, packet, offset, "IPv4")
        end = offset + (first & 0x0F) * 4
        if end < offset + 20 or end > len(packet):
            raise DecodeError("the IPv4 header length is wrong", offset=offset)
        options = bytes(packet[offset + 20 : end])
        return cls(IPv4Address(src), IPv4Address(dst), protocol, length, tos, ttl, ident, fragment, options)

    @property
    def size(self) -> int:
        """The header's length in bytes."""
        return 20 + len(self.options)

    def pack(self) -> bytes:
        """Return the header with its checksum."""
        first = 0x40 | self.size // 4
        fields = (first, self.tos, self.length, self.ident, self.fragment, self.ttl, self.protocol)
        addresses = (self.src.packed, self.dst.packed)
        check = checksum(_pack(_IPV4, "IPv4", *fields, 0, *addresses) + self.options)
        return _IPV4.pack(*fields, check, *addresses) + self.options


class Ipv6(NamedTuple):
    """IPv6 (RFC 8200). `length` is the payload's, extension headers included."""

    src: ipaddress.IPv6Address
    dst: ipaddress.IPv6Address
    next_header: int
    length: int
    traffic_class: int = 0
    hop_limit: int = 64
    label: int = 0

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Ipv6:
        """Read the header at `offset`."""
        first, length, next_header, hop_limit, src, dst = _read(_IPV6, packet, offset, "IPv6")
        traffic_class, label = first >> 20 & 0xFF, first & 0xFFFFF
        return cls(IPv6Address(src), IPv6Address(dst), next_header, length, traffic_class, hop_limit, label)

    def pack(self) -> bytes:
        """Return the 40 bytes."""
        first = 6 << 28 | self.traffic_class << 20 | self.label
        fields = (first, self.length, self.next_header, self.hop_limit)
        return _pack(_IPV6, "IPv6", *fields, self.src.packed, self.dst.packed)


class Udp(NamedTuple):
    """UDP (RFC 768)."""

    src: int
    dst: int
    length: int
    checksum: int = 0

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Udp:
        """Read the header at `offset`."""
        return cls(*_read(_UDP, packet, offset, "UDP"))

    def pack(self) -> bytes:
        """Return the 8 bytes."""
        return _pack(_UDP, "UDP", *self)


class Tcp(NamedTuple):
    """TCP (RFC 9293). `flags` are the low 12 bits beside the data offset."""

    src: int
    dst: int
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    checksum: int = 0
    urgent: int = 0
    options: bytes = b""

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Tcp:
        """Read the header at `offset`; `DecodeError` also when its own length is wrong."""
        src, dst, seq, ack, bits, window, check, urgent = _read(_TCP, packet, offset, "TCP")
        end = offset + (bits >> 12) * 4
        if end < offset + 20 or end > len(packet):
            raise DecodeError("the TCP header length is wrong", offset=offset)
        options = bytes(packet[offset + 20 : end])
        return cls(src, dst, seq, ack, bits & 0xFFF, window, check, urgent, options)

    @property
    def size(self) -> int:
        """The header's length in bytes."""
        return 20 + len(self.options)

    def pack(self) -> bytes:
        """Return the header."""
        bits = (self.size // 4) << 12 | self.flags
        fields = (self.src, self.dst, self.seq, self.ack, bits, self.window, self.checksum, self.urgent)
        return _pack(_TCP, "TCP", *fields) + self.options


class Icmp(NamedTuple):
    """ICMP (RFC 792) and ICMPv6 (RFC 4443). `rest` is the second word; of an echo, identifier and sequence."""

    type: int
    code: int
    checksum: int = 0
    rest: int = 0

    @classmethod
    def read(cls, packet: Buffer, offset: int) -> Icmp:
        """Read the header at `offset`."""
        return cls(*_read(_ICMP, packet, offset, "ICMP"))

    @property
    def ident(self) -> int:
        """An echo's identifier."""
        return self.rest >> 16

    @property
    def seq(self) -> int:
        """An echo's sequence number."""
        return self.rest & 0xFFFF

    def pack(self) -> bytes:
        """Return the 8 bytes."""
        return _pack(_ICMP, "ICMP", *self)
