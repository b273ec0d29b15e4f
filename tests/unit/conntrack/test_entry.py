from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.conntrack.constants import CtAttr, Status, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.nfnetlink import pack_header
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_ICMPV6, Tuple
from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import RawAttr

# A TCP connection just opened, with its source translated, as Linux 6.1 lists it.
CAPTURED = bytes.fromhex(
    "020000003400018014000180080001000a000001080002000a0000021c00028005000100060000000600020003e800000600"
    "0300005000003400028014000180080001000a000002080002000a0909091c00028005000100060000000600020000500000"
    "0600030003e800000800030000000098080008000000000508000c00215cf9ea08000b000000000108000700000000773000"
    "04802c0001800500010001000000050002000000000005000300000000000600040000000000060005000000000014001600"
    "bc0a0000000000000000000000000010"
)


BYTE = st.none() | st.integers(0, 255)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, 2**64 - 1)
NOTHING = st.none()
ICMP = st.sampled_from([IPPROTO_ICMP, IPPROTO_ICMPV6])
NO_ICMP = st.sampled_from([0, 6, 17, 47, 132, 255])


def rows(factory: type[Any], *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A named tuple with all its fields: `st.builds` would invent those that have a default."""
    return st.tuples(*fields).map(factory._make)


def addresses(version: int) -> st.SearchStrategy[Any]:
    ip = st.ip_addresses(v=4) if version == 4 else st.ip_addresses(v=6)
    port = NOTHING | U16
    return rows(Tuple, ip, ip, NO_ICMP, port, port, NOTHING, NOTHING, NOTHING, port) | rows(
        Tuple, ip, ip, ICMP, NOTHING, NOTHING, port, BYTE, BYTE, NOTHING
    )


TUPLES = addresses(4) | addresses(6)
FLAGS = NOTHING | rows(TcpFlags, st.integers(0, 255), st.integers(0, 255))
COUNTERS = NOTHING | rows(Counters, U64, U64)
PROTOINFO = (
    NOTHING
    | rows(TcpInfo, st.integers(0, 255), BYTE, BYTE, FLAGS, FLAGS)
    | rows(SctpInfo, st.integers(0, 255), NOTHING | U32, NOTHING | U32)
)
UNKNOWN = st.lists(rows(RawAttr, st.integers(40, 0x3FFF), st.binary(max_size=8)), max_size=2).map(tuple)
ENTRIES = rows(
    Entry,
    TUPLES,
    TUPLES,
    U32,
    U16,
    st.sampled_from([Status(0), Status.CONFIRMED | Status.ASSURED, Status.HW_OFFLOAD]),
    U32,
    U32,
    st.integers(0, 2**128 - 1),
    COUNTERS,
    COUNTERS,
    NOTHING | U64,
    NOTHING | U64,
    PROTOINFO,
    st.sampled_from(["", "ftp", "tftp"]),
    NOTHING | TUPLES,
    U32,
    UNKNOWN,
)


def test_an_entry_of_the_kernel() -> None:
    entry = Entry.from_payload(CAPTURED)
    assert str(entry.orig.src) == "10.0.0.1"
    assert (entry.orig.protocol, entry.orig.src_port, entry.orig.dst_port) == (6, 1000, 80)
    assert (str(entry.reply.dst), entry.reply.dst_port) == ("10.9.9.9", 1000)
    assert entry.status == Status.CONFIRMED | Status.SRC_NAT | Status.SRC_NAT_DONE
    assert entry.protoinfo == TcpInfo(TcpState.SYN_SENT, 0, 0, TcpFlags(), TcpFlags())
    assert (entry.mark, entry.labels, entry.zone, entry.unknown) == (5, 0xABC | 1 << 124, 0, ())


def test_the_tuple_of_a_request_is_marked_as_nested() -> None:
    entry = Entry.from_payload(CAPTURED)
    first, second = struct.unpack_from("=HHHH", entry.to_payload(), 4)[1::2]
    assert (first, second) == (CtAttr.TUPLE_ORIG | 0x8000, 1 | 0x8000)


def test_labels_of_more_than_128_bits() -> None:
    with pytest.raises(EncodeError, match=r"CONNTRACK\.LABELS: labels of 0x1[0]{32} are no 128 bits"):
        Entry.from_payload(CAPTURED)._replace(labels=1 << 128).to_payload()


def test_an_entry_needs_its_tuples() -> None:
    with pytest.raises(DecodeError, match=r"CONNTRACK\.TUPLE_ORIG at byte 4: missing"):
        Entry.from_payload(pack_header(2))


@given(ENTRIES)
def test_entries_survive_the_wire(entry: Entry) -> None:
    assert Entry.from_payload(entry.to_payload()) == entry


@given(st.binary(max_size=120))
def test_any_bytes_are_an_entry_or_refused(noise: bytes) -> None:
    with contextlib.suppress(DecodeError):  # any other error is a failure
        Entry.from_payload(noise)


@given(st.integers(4, len(CAPTURED) - 1), st.integers(0, 255))
def test_a_changed_byte_makes_another_entry_or_is_refused(position: int, byte: int) -> None:
    with contextlib.suppress(DecodeError):
        Entry.from_payload(CAPTURED[:position] + bytes([byte]) + CAPTURED[position + 1 :])
