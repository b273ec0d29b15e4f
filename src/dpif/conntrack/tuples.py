"""Tuples: what identifies a connection in one of its directions."""

from __future__ import annotations

import ipaddress
from socket import AF_INET, AF_INET6

from dpif._addresses import IPv4Address, IPv6Address
from dpif._typing import Final, NamedTuple, TypeAlias
from dpif.conntrack.constants import IpAttr, ProtoAttr, TupleAttr
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import Buffer
from dpif.netlink.policy import BE16, U8, AttributeSet, Nested

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

IPPROTO_ICMP: Final = 1
IPPROTO_IGMP: Final = 2
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_DCCP: Final = 33
IPPROTO_ICMPV6: Final = 58
IPPROTO_SCTP: Final = 132
IPPROTO_UDPLITE: Final = 136


class Tuple(NamedTuple):
    """Addresses, IP protocol, and what tells the connections of a protocol apart.

    That is ports, or of an ICMP query its identifier, type and code, or nothing (None). ``zone`` is that of one
    direction alone, where directions have zones of their own; else the entry's counts.
    """

    src: Address
    dst: Address
    protocol: int
    src_port: int | None = None
    dst_port: int | None = None
    icmp_id: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    zone: int | None = None

    @property
    def family(self) -> int:
        """The address family, AF_INET or AF_INET6."""
        return AF_INET if self.src.version == 4 else AF_INET6


class _Address:
    """An IP address of one version: those that are given may be the standard library's, ours is a subclass."""

    def __init__(self, taken: type[Address], factory: type[Address], size: int) -> None:
        self._taken = taken
        self._factory = factory
        self._size = size

    def decode(self, buffer: Buffer, start: int, end: int) -> Address:
        """Check the length and make an address."""
        if end - start != self._size:
            raise DecodeError(f"{end - start} bytes where {self._size} belong", offset=start)
        return self._factory(bytes(buffer[start:end]))

    def encode(self, value: Address) -> bytes:
        """Check the version."""
        if not isinstance(value, self._taken):
            raise EncodeError(f"expected an {self._taken.__name__}, not {brief(value)}")
        return value.packed


_V4 = _Address(ipaddress.IPv4Address, IPv4Address, 4)
_V6 = _Address(ipaddress.IPv6Address, IPv6Address, 16)
_IP = AttributeSet("IP", {IpAttr.V4_SRC: _V4, IpAttr.V4_DST: _V4, IpAttr.V6_SRC: _V6, IpAttr.V6_DST: _V6})
_PROTO = AttributeSet(
    "PROTO",
    {
        ProtoAttr.NUM: U8,
        ProtoAttr.SRC_PORT: BE16,
        ProtoAttr.DST_PORT: BE16,
        ProtoAttr.ICMP_ID: BE16,
        ProtoAttr.ICMP_TYPE: U8,
        ProtoAttr.ICMP_CODE: U8,
        ProtoAttr.ICMPV6_ID: BE16,
        ProtoAttr.ICMPV6_TYPE: U8,
        ProtoAttr.ICMPV6_CODE: U8,
    },
    required=(ProtoAttr.NUM,),
)
_TUPLE = AttributeSet(
    "TUPLE",
    {TupleAttr.IP: Nested(_IP), TupleAttr.PROTO: Nested(_PROTO), TupleAttr.ZONE: BE16},
    required=(TupleAttr.IP, TupleAttr.PROTO),
    nested_flag=True,
)


class _NestedTuple:
    """The attributes of a tuple as a `Tuple`."""

    holds_attributes = True

    def decode(self, buffer: Buffer, start: int, end: int) -> Tuple:
        """Decode, and insist on two addresses of one version."""
        values = _TUPLE.decode_inner(buffer, start, end).values
        ip, proto = values[TupleAttr.IP].values, values[TupleAttr.PROTO].values
        src = ip.get(IpAttr.V4_SRC) or ip.get(IpAttr.V6_SRC)
        dst = ip.get(IpAttr.V4_DST) or ip.get(IpAttr.V6_DST)
        if src is None or dst is None or src.version != dst.version:
            raise DecodeError("expected a source and a destination address", "IP", start)
        icmp = _icmp_id(proto[ProtoAttr.NUM])
        return Tuple(
            src,
            dst,
            proto[ProtoAttr.NUM],
            src_port=proto.get(ProtoAttr.SRC_PORT),
            dst_port=proto.get(ProtoAttr.DST_PORT),
            icmp_id=proto.get(icmp),
            icmp_type=proto.get(icmp + 1),
            icmp_code=proto.get(icmp + 2),
            zone=values.get(TupleAttr.ZONE),
        )

    def encode(self, value: Tuple) -> bytes:
        """Encode what is set."""
        src, dst = (IpAttr.V4_SRC, IpAttr.V4_DST) if value.family == AF_INET else (IpAttr.V6_SRC, IpAttr.V6_DST)
        icmp = _icmp_id(value.protocol)
        proto = {
            ProtoAttr.NUM: value.protocol,
            ProtoAttr.SRC_PORT: value.src_port,
            ProtoAttr.DST_PORT: value.dst_port,
            icmp: value.icmp_id,
            icmp + 1: value.icmp_type,
            icmp + 2: value.icmp_code,
        }
        return _TUPLE.encode_inner(
            {TupleAttr.IP: {src: value.src, dst: value.dst}, TupleAttr.PROTO: proto, TupleAttr.ZONE: value.zone}
        )


def _icmp_id(protocol: int) -> ProtoAttr:
    """Return the attribute of the identifier; those of type and code follow it."""
    return ProtoAttr.ICMPV6_ID if protocol == IPPROTO_ICMPV6 else ProtoAttr.ICMP_ID


NESTED_TUPLE = _NestedTuple()
"""The kind of attributes that hold a tuple."""
