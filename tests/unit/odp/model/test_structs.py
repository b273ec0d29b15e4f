"""Fixed structures as values, and the kinds of their fields."""

from __future__ import annotations

import ipaddress
import pickle
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions import AddMpls, PushVlan
from dpif.odp.constants import CtState
from dpif.odp.model.kinds import (
    CT_STATE,
    ETHERTYPE,
    FRAG,
    IPV4,
    IPV6,
    LABELS,
    MAC,
    TCP_FLAGS,
    U8,
    U8X,
    OtherOrder,
    sharp,
)
from dpif.odp.model.layers import Arp, CtTuple6, Icmp, Ipv4, Ipv6, Mpls, PacketType, Vlan
from dpif.odp.model.structs import Struct
from dpif.packet.addresses import Mac


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (Icmp(type=8), "0800"),
        (Ipv4(src="1.2.3.4", proto=6, frag=2), "01020304 00000000 06000002"),
        (Vlan(vid=5, pcp=1), "3005"),
        (Vlan(vid=5, cfi=0), "0005"),
        (Mpls(label=5, tc=1, ttl=2, bos=1), "00005302"),
        (Arp(sip="1.2.3.4", op=1, sha="00:00:00:00:00:01"), "01020304 00000000 0001 000000000001 000000000000 0000"),
        (CtTuple6(tp_src=5, proto=6), "00" * 32 + "0005 0000 06 000000"),
        (PacketType(ns=1, id=0x800), "00010800"),
        (Ipv6(label=0xFFFFF), "00" * 32 + "000fffff 00000000"),
    ],
    ids=repr,
)
def test_values_and_bytes(value: Struct, wire: str) -> None:
    assert value.to_bytes() == bytes.fromhex(wire)
    assert type(value).from_bytes(bytes.fromhex(wire)) == value
    assert len(value.to_bytes()) == type(value).SIZE


def test_fields_are_natural_values_and_changeable_by_copy() -> None:
    ip = Ipv4(src="10.0.0.1", ttl=64)
    assert ip.src == IPv4Address("10.0.0.1")
    assert ip.replace(ttl=5, tos=1) == Ipv4(src="10.0.0.1", ttl=5, tos=1)
    assert repr(Icmp(type=8)) == "Icmp(type=8, code=0)"
    assert hash(Icmp(type=8)) == hash(Icmp(type=8))
    assert Icmp(type=8) != Icmp(type=9)


def test_masks_of_a_structure() -> None:
    assert Ipv6.full().label == 0xFFFFF
    assert Ipv6.full().is_full()
    assert not Ipv6().is_full()
    assert Ipv6.zero().is_zero()
    assert Ipv4(src="10.1.2.3", ttl=64).masked(Ipv4(src="255.0.0.0")) == Ipv4(src="10.0.0.0")


def test_fields_in_the_other_byte_order() -> None:
    action = AddMpls(label=1, tc=0, ttl=1, bos=1, eth_type=0x8847, tun_flags=1)
    assert action.payload()[6:] == (1).to_bytes(2, sys.byteorder)
    assert action.tun_flags == 1
    assert PushVlan(vid=1, pcp=2).replace(vid=5) == PushVlan(vid=5, pcp=2)
    kind = OtherOrder(16, "x")
    assert kind.show(kind.raw(0x102)) == "0x102"
    assert kind.show_mask(kind.raw(0xFF)) == "0xff"


def test_bytes_of_another_length_are_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="expected 12 bytes, found 11"):
        Ipv4.from_bytes(bytes(11))


@pytest.mark.parametrize("values", [{"ttl": 256}, {"ttl": -1}, {"ttl": "5"}, {"src": "1.2.3"}, {"src": 1 << 32}])
def test_impossible_values_are_encode_errors(values: dict[str, object]) -> None:
    with pytest.raises(EncodeError, match=r"Ipv4\."):
        Ipv4(**values)


def test_kinds_show_values_and_masks() -> None:
    assert sharp(0) == "0"
    assert U8.show_masked(5, 255) == "5"
    assert U8.show_masked(5, 0xF) == "5/0xf"
    assert U8X.show_masked(0, 0) == "0/0"
    assert ETHERTYPE.show_masked(0x800, 0xFF) == "0x0800/0x00ff"
    assert MAC.show_masked(b"\0" * 5 + b"\1", b"\xff" * 6) == "00:00:00:00:00:01"
    assert LABELS.show(LABELS.raw(0x102)) == "0x102"
    assert LABELS.show(bytes(16)) == "0"
    assert LABELS.raw(b"\1" + bytes(15)) == b"\1" + bytes(15)
    assert FRAG.show(2) == "later"
    assert FRAG.show(3) == "0x3"
    assert FRAG.show_masked(1, 1) == "first/0x1"
    assert FRAG.value(7) == 7


def test_sets_of_flags_show_what_has_no_name() -> None:
    assert CT_STATE.show(0x121) == "new|trk|0x100"
    assert CT_STATE.show_masked(0x20, 0x120) == "+trk-[100]"
    assert CT_STATE.show_masked(0x20, 0) == "0/0"
    assert CT_STATE.value(0x21) == CtState.NEW | CtState.TRACKED
    assert TCP_FLAGS.show(0x202) == "syn|[200]"
    assert TCP_FLAGS.show_masked(0x2, 0xFFF) == "syn"


def test_macs_are_taken_in_every_form() -> None:
    mac = Mac("02:00:00:00:00:01")
    assert MAC.raw(mac) == MAC.raw("02:00:00:00:00:01") == MAC.raw(bytes(mac)) == MAC.raw(0x020000000001)


@pytest.mark.parametrize(
    "address", [IPv4Address(0), IPv4Address("10.0.0.1"), IPv6Address("fe80::1"), IPv6Address((1 << 128) - 1)], ids=str
)
def test_addresses_are_those_that_the_standard_library_makes(address: IPv4Address | IPv6Address) -> None:
    made = IPV4.value(int(address)) if address.version == 4 else IPV6.value(address.packed)
    assert made == address
    assert hash(made) == hash(address)
    assert (str(made), repr(made), made.packed) == (str(address), repr(address), address.packed)
    assert pickle.loads(pickle.dumps(made)) == address
    assert made in ipaddress.ip_network(address)
    assert not made < address < made
