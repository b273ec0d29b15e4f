from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from dpif.conntrack.constants import IpAttr, ProtoAttr, TupleAttr
from dpif.conntrack.tuples import NESTED_TUPLE, Tuple
from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import attribute

V4 = attribute(IpAttr.V4_SRC, bytes([10, 0, 0, 1])) + attribute(IpAttr.V4_DST, bytes([10, 0, 0, 2]))
UDP = attribute(ProtoAttr.NUM, b"\x11")


def encoded(ip: bytes = V4, proto: bytes = UDP) -> bytes:
    return attribute(TupleAttr.IP | 0x8000, ip) + attribute(TupleAttr.PROTO | 0x8000, proto)


def decode(payload: bytes) -> Tuple:
    return NESTED_TUPLE.decode(payload, 0, len(payload))


def test_ports_are_big_endian() -> None:
    ports = attribute(ProtoAttr.SRC_PORT, b"\x03\xe8") + attribute(ProtoAttr.DST_PORT, b"\0\x35")
    tuple_ = Tuple(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 17, 1000, 53)
    assert decode(encoded(proto=UDP + ports)) == tuple_
    assert NESTED_TUPLE.encode(tuple_) == encoded(proto=UDP + ports)
    assert tuple_.family == 2


def test_icmpv6_has_attributes_of_its_own() -> None:
    tuple_ = Tuple(IPv6Address("fc00::1"), IPv6Address("fc00::2"), 58, icmp_id=7, icmp_type=128, icmp_code=0)
    payload = NESTED_TUPLE.encode(tuple_)
    assert attribute(ProtoAttr.ICMPV6_TYPE, b"\x80") in payload
    assert decode(payload) == tuple_
    assert tuple_.family == 10


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (encoded(ip=V4[:8]), "IP at byte 0: expected a source and a destination address"),
        (encoded(ip=V4[:8] + attribute(IpAttr.V6_DST, bytes(16))), "expected a source and a destination"),
        (encoded(ip=attribute(IpAttr.V4_SRC, bytes(5))), r"IP\.V4_SRC at byte 8: 5 bytes where 4 belong"),
        (encoded(proto=b""), r"PROTO\.NUM at byte 24: missing"),
        (b"", "IP at byte 0: missing"),
    ],
)
def test_bad_tuples(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(payload)


def test_addresses_of_two_versions() -> None:
    with pytest.raises(EncodeError, match=r"IP\.V4_DST: expected an IPv4Address"):
        NESTED_TUPLE.encode(Tuple(IPv4Address("10.0.0.1"), IPv6Address("fc00::2"), 17))
