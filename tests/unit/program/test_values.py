"""Values that note their use: each look marks the bits that it takes, and comes to what a plain value would."""

from __future__ import annotations

import copy
import operator
import pickle
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import EncodeError
from dpif.odp.constants import CtState
from dpif.odp.extraction import extract
from dpif.packet.addresses import Mac
from dpif.packet.build import ethernet, tcp
from dpif.program.layout import layout_of
from dpif.program.packet import Packet
from dpif.program.trace import Trace

FRAME = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", tcp("10.1.2.3", "10.2.0.1", 1000, 80, flags=0x12))


def packet(frame: bytes = FRAME, in_port: int = 1, **metadata: Any) -> Packet:
    layout, number = layout_of(extract(frame, in_port, **metadata).to_bytes())
    return Packet(Trace(layout, number), frame)


def read(seen: Packet, name: str) -> int:
    """The bits of a field that were read, as a mask of its number."""
    return seen.trace.layout.places[name].number(seen.trace.mask)


def ipv4(seen: Packet) -> Any:
    header = seen.ipv4
    assert header is not None
    return header


def test_naming_a_field_reads_nothing_of_it() -> None:
    seen = packet()
    _ = ipv4(seen).dst
    assert not read(seen, "ipv4.dst")


@pytest.mark.parametrize(
    "look",
    [int, hash, str, lambda v: f"{v}", lambda v: v + 1, lambda v: 1 - v, lambda v: v == 1000, lambda v: [0] * v,
     lambda v: v in {1000}, lambda v: v ^ 3, pickle.dumps, copy.copy, lambda v: range(2000)[v]],
)  # fmt: skip
def test_what_needs_the_whole_value_reads_it_whole(look: Any) -> None:
    seen = packet()
    port = seen.tcp.src if seen.tcp else None
    look(port)
    assert read(seen, "tcp.src") == 0xFFFF


def test_truth_reads_up_to_the_first_bit_that_is_set() -> None:
    seen = packet()
    assert seen.tcp
    assert seen.tcp.src  # 1000 is 0b1111101000
    assert read(seen, "tcp.src") == 0xFFFF >> 9 << 9


def test_repr_reads_nothing() -> None:
    seen = packet()
    before = seen.trace.mask
    assert "10.2.0.1" in repr(seen)
    header = seen.ipv4
    after_asking = seen.trace.mask
    assert "10.2.0.1" in repr(header.dst if header else None)
    assert seen.trace.mask == after_asking
    assert before != after_asking  # that it is IPv4 was asked


def test_an_equality_that_does_not_hold_reads_up_to_the_bit_that_tells() -> None:
    seen = packet()
    assert ipv4(seen).dst != "192.0.2.1"
    assert read(seen, "ipv4.dst") == 1 << 31
    assert ipv4(seen).dst != "224.0.0.5"  # what was read tells that already
    assert read(seen, "ipv4.dst") == 1 << 31
    assert ipv4(seen).dst != "10.3.0.1"  # the bits of 10, then those of 3
    assert read(seen, "ipv4.dst") == 0x8A030000
    assert ipv4(seen).dst == IPv4Address("10.2.0.1")
    assert read(seen, "ipv4.dst") == 0xFFFFFFFF


def test_a_text_that_is_no_address_is_said() -> None:
    with pytest.raises(EncodeError, match="IPv4"):
        _ = ipv4(packet()).dst == "10.2.0"
    assert ipv4(packet()).dst != None  # noqa: E711  # the comparison is what is tested


def test_a_network_reads_its_prefix_or_a_bit_that_tells() -> None:
    seen = packet()
    assert ipv4(seen).dst in ip_network("10.2.0.0/16")
    assert read(seen, "ipv4.dst") == 0xFFFF0000
    seen = packet()
    assert ipv4(seen).dst not in ip_network("192.168.0.0/16")
    assert read(seen, "ipv4.dst") == 1 << 31
    assert ipv4(seen).dst not in ip_network("2001:db8::/32")


def test_masks_shifts_and_orders_read_what_they_take() -> None:
    seen = packet()
    assert seen.tcp
    assert seen.tcp.src & 8 == 8
    assert read(seen, "tcp.src") == 8
    seen = packet()
    assert seen.tcp
    assert seen.tcp.src >> 8 == 3
    assert read(seen, "tcp.src") == 0xFF00
    seen = packet()
    assert seen.tcp
    assert seen.tcp.src < 4096
    assert read(seen, "tcp.src") == 0xFFFF >> 12 << 12
    assert 512 <= seen.tcp.src <= 1023


@pytest.mark.parametrize(
    ("bound", "bits"),
    [(64, 0xC0), (65, 0xFF), (63, 0xC0), (128, 0x80), (96, 0xE0), (0, 0), (-5, 0), (256, 0), (300, 0)],
)
def test_an_order_reads_no_further_than_to_the_bit_that_tells(bound: int, bits: int) -> None:
    seen = packet()
    assert seen.ipv4
    assert (seen.ipv4.ttl < bound) == (bound > 64)
    assert read(seen, "ipv4.ttl") == bits


@given(st.integers(0, 255), st.integers(-3, 260))
def test_orders_are_those_of_plain_numbers_and_decide_for_all_that_agree(ttl: int, bound: int) -> None:
    frame = bytearray(FRAME)
    frame[22] = ttl
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        seen = packet(bytes(frame))
        assert seen.ipv4
        found = compare(seen.ipv4.ttl, bound)
        assert found == compare(ttl, bound)
        bits = read(seen, "ipv4.ttl")
        assert all(compare(other, bound) == found for other in range(256) if not (other ^ ttl) & bits)


def test_flags_read_themselves() -> None:
    seen = packet(ct_state=0x21)
    assert seen.tcp
    assert seen.tcp.flags.syn
    assert not seen.tcp.flags.fin
    assert read(seen, "tcp_flags") == 3
    assert seen.ct.state.new
    assert CtState.TRACKED in seen.ct.state
    assert read(seen, "ct_state") == 0x21
    with pytest.raises(AttributeError, match="it has new, est"):
        _ = seen.ct.state.established


def test_presence_reads_what_decides_it() -> None:
    seen = packet()
    assert seen.udp is None
    assert read(seen, "ipv4.proto") == 0xFF
    assert read(seen, "ipv4.frag") == 0xFF
    assert read(seen, "eth_type") == 0xFFFF
    assert not read(seen, "tcp.dst")


def test_addresses_of_stations() -> None:
    seen = packet()
    assert seen.eth
    assert not seen.eth.dst.is_multicast
    assert read(seen, "eth.dst") == 1 << 40
    assert seen.eth.src == "02:00:00:00:00:01"
    assert seen.eth.src == Mac("02:00:00:00:00:01")
    assert {Mac("02:00:00:00:00:02"): 7}[seen.eth.dst] == 7  # type: ignore[index]  # it hashes like the plain value


def test_packets_are_built_of_values() -> None:
    seen: Any = packet()
    segment = tcp(seen.ipv4.dst, seen.ipv4.src, seen.tcp.dst, seen.tcp.src, flags=0x12)
    assert ethernet(seen.eth.dst, seen.eth.src, segment) == ethernet(
        "02:00:00:00:00:02", "02:00:00:00:00:01", tcp("10.2.0.1", "10.1.2.3", 80, 1000, flags=0x12)
    )
    assert read(seen, "eth.dst") == (1 << 48) - 1
    assert read(seen, "tcp.src") == 0xFFFF


def test_what_was_written_is_a_value_like_others_and_reads_nothing() -> None:
    seen = packet()
    assert seen.eth
    seen.eth.dst = "01:80:c2:00:00:07"
    header = ipv4(seen)
    header.dst = "10.2.0.9"
    header.ttl = 9
    before = seen.trace.mask
    assert seen.eth.dst == "01:80:c2:00:00:07"
    assert seen.eth.dst.prefix(44) == 0x0180C2000000
    assert seen.eth.dst.is_multicast
    assert header.dst in ip_network("10.2.0.0/16")
    assert header.dst == "10.2.0.9"
    assert header.dst.value == IPv4Address("10.2.0.9")
    assert header.ttl - 1 == 8
    assert seen.trace.mask == before
    assert not read(seen, "ipv4.dst")


values = st.integers(0, 0xFFFF)


@given(values, values, values)
def test_every_operation_comes_to_what_a_plain_number_gives(port: int, constant: int, other: int) -> None:
    frame = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", tcp("10.1.2.3", "10.2.0.1", port, 80))

    def value() -> Any:
        seen = packet(frame)
        assert seen.tcp
        return seen.tcp.src

    assert (value() == constant) is (port == constant)
    assert (value() != constant) is (port != constant)
    assert (value() < constant) is (port < constant)
    assert (value() >= constant) is (port >= constant)
    assert (value() & other == constant) is (port & other == constant)
    assert value() + constant == port + constant
    assert constant - value() == constant - port
    assert value() >> 3 == port >> 3
    assert int(value() & other) == port & other
    assert bool(value()) is bool(port)
