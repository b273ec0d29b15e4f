from __future__ import annotations

import struct

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import RawAttr, align, attribute, nested, raw_attribute, walk


def test_align() -> None:
    assert [align(length) for length in (0, 1, 2, 3, 4, 5, 8)] == [0, 4, 4, 4, 4, 8, 8]


def test_attribute_is_padded_and_its_length_is_not() -> None:
    assert attribute(6, b"\x12\x34") == struct.pack("=HH", 6, 6) + b"\x12\x34\0\0"
    assert attribute(1, b"") == struct.pack("=HH", 4, 1)


def test_nested_sets_no_flag() -> None:
    inner = attribute(1, b"abcd")
    assert nested(9, inner) == struct.pack("=HH", 12, 9) + inner


def test_the_longest_attribute() -> None:
    assert len(attribute(1, bytes(65531))) == 65536
    with pytest.raises(EncodeError, match="65532 bytes are too long"):
        attribute(1, bytes(65532))


def test_walk_masks_the_flags_and_raw_attribute_keeps_them() -> None:
    buffer = b"head" + attribute(0x8001, b"abc") + attribute(0x4002, b"") + attribute(0, b"xyzw")
    spans = list(walk(buffer, 4))
    assert spans == [(1, 8, 11), (2, 16, 16), (0, 20, 24)]
    assert [raw_attribute(buffer, first, last) for _, first, last in spans] == [
        RawAttr(0x8001, b"abc"),
        RawAttr(0x4002, b""),
        RawAttr(0, b"xyzw"),
    ]


def test_walk_accepts_a_last_attribute_without_padding() -> None:
    assert list(walk(struct.pack("=HH", 5, 1) + b"a")) == [(1, 4, 5)]


def test_walk_stops_at_end() -> None:
    buffer = attribute(1, b"1234") + attribute(2, b"5678")
    assert list(walk(buffer, 0, 8)) == [(1, 4, 8)]


@pytest.mark.parametrize("length", [0, 3, 9, 0xFFFF])
def test_impossible_length(length: int) -> None:
    buffer = attribute(1, b"1234") + struct.pack("=HH", length, 2) + b"5678"
    with pytest.raises(DecodeError, match=f"length of {length} where 8 bytes") as caught:
        list(walk(buffer))
    assert caught.value.offset == 8


def test_left_over_bytes() -> None:
    with pytest.raises(DecodeError, match="3 bytes are too few") as caught:
        list(walk(attribute(1, b"1234") + b"abc"))
    assert caught.value.offset == 8
