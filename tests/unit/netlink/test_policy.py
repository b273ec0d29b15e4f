from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, NamedTuple

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import RawAttr, attribute
from dpif.netlink.constants import NLA_F_NESTED
from dpif.netlink.policy import (
    BE16,
    BE32,
    BE64,
    BYTES,
    FLAG,
    PAD,
    S32,
    S64,
    U8,
    U16,
    U32,
    U32_ARRAY,
    U64,
    AttributeSet,
    Binary,
    Decoded,
    Kind,
    ListOf,
    Nested,
    String,
    Structure,
)


class Pair(NamedTuple):
    left: int
    right: int


class Inner(IntEnum):
    ID = 0
    DONT_FRAGMENT = 5


class Outer(IntEnum):
    NAME = 1
    NUMBER = 2
    TUNNEL = 3
    PAD = 4
    ITEMS = 5


INNER = AttributeSet("INNER", {Inner.ID: BE64, Inner.DONT_FRAGMENT: FLAG}, required={Inner.ID})
OUTER = AttributeSet(
    "OUTER",
    {
        Outer.NAME: String(15),
        Outer.NUMBER: U32,
        Outer.TUNNEL: Nested(INNER),
        Outer.PAD: PAD,
        Outer.ITEMS: ListOf(Nested(INNER)),
    },
    required={Outer.NAME},
)
NAME = attribute(Outer.NAME, b"br0\0")

PAYLOADS: list[tuple[Kind[Any], object, bytes]] = [
    (U8, 0xFE, b"\xfe"),
    (U16, 0x1234, struct.pack("=H", 0x1234)),
    (U32, 0x12345678, struct.pack("=I", 0x12345678)),
    (U64, 1 << 63, struct.pack("=Q", 1 << 63)),
    (S32, -1, b"\xff" * 4),
    (S64, -2, struct.pack("=q", -2)),
    (BE16, 0x0800, b"\x08\x00"),
    (BE32, 0x0A000001, b"\x0a\0\0\x01"),
    (BE64, 1, b"\0\0\0\0\0\0\0\x01"),
    (FLAG, True, b""),
    (BYTES, b"anything", b"anything"),
    (Binary(1, 16), b"x", b"x"),
    (String(), "", b"\0"),
    (String(15), "fifteen-letters", b"fifteen-letters\0"),
    (String(15), "\udcff", b"\xff\0"),
    (U32_ARRAY, (), b""),
    (U32_ARRAY, (1, 2), struct.pack("=II", 1, 2)),
    (Structure("=QI", Pair), Pair(1, 2), struct.pack("=QI", 1, 2)),
    (ListOf(U8), (7, 8), attribute(1, b"\x07") + attribute(2, b"\x08")),
    (ListOf(U8, first=0), (7,), attribute(0, b"\x07")),
    (Nested(INNER), Decoded({Inner.ID: 1}), attribute(Inner.ID, bytes(7) + b"\x01")),
]


@pytest.mark.parametrize(("kind", "value", "payload"), PAYLOADS)
def test_kind_encodes_and_decodes(kind: Kind[Any], value: object, payload: bytes) -> None:
    assert kind.encode(value) == payload
    decoded = kind.decode(b"##" + payload + b"##", 2, 2 + len(payload))
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (U8, b"", "0 bytes where 1 belong"),
        (U32, bytes(3), "3 bytes where 4 belong"),
        (BE64, bytes(9), "9 bytes where 8 belong"),
        (FLAG, b"\0", "1 bytes where 0 belong"),
        (Binary(1, 16), b"", "0 bytes where 1 to 16 belong"),
        (Binary(12, 12), bytes(13), "13 bytes where 12 belong"),
        (Binary(14), bytes(13), "13 bytes where at least 14 belong"),
        (String(), b"", "does not end with a NUL"),
        (String(15), b"br0", "does not end with a NUL"),
        (String(3), b"four\0", "4 bytes of text where at most 3 belong"),
        (U32_ARRAY, bytes(6), "6 bytes where a multiple of 4 belongs"),
        (Structure("=QI", Pair), bytes(11), "11 bytes where 12 belong"),
        (ListOf(U8), bytes(3), "3 bytes are too few"),
    ],
)
def test_kind_refuses_wrong_payloads(kind: Kind[Any], payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        kind.decode(b"####" + payload, 4, 4 + len(payload))
    assert caught.value.offset == 4


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (U8, 256),
        (U32, -1),
        (U32, "1"),
        (S32, 1 << 31),
        (FLAG, 1),
        (PAD, b""),
        (BYTES, "text"),
        (Binary(1, 16), b""),
        (Binary(1, 16), bytes(17)),
        (String(3), "four"),
        (String(), "a\0b"),
        (String(), b"bytes"),
        (String(), "\ud800"),
        (U32_ARRAY, (1, -1)),
        (U32_ARRAY, 7),
        (Structure("=QI", Pair), (1,)),
        (Structure("=QI", Pair), None),
    ],
)
def test_kind_refuses_wrong_values(kind: Kind[Any], value: object) -> None:
    with pytest.raises(EncodeError):
        kind.encode(value)


def test_a_name_ends_at_its_first_nul() -> None:
    assert String(15).decode(b"br0\0rest", 0, 8) == "br0"


def test_decode_gives_typed_values_and_keeps_what_is_unknown() -> None:
    buffer = (
        NAME
        + attribute(0x8000 | 77, b"new!")
        + attribute(Outer.PAD, b"")
        + attribute(0x8000 | Outer.TUNNEL, attribute(Inner.ID, bytes(8)) + attribute(9, b"x"))
        + attribute(77, b"")
    )
    decoded = OUTER.decode(buffer)
    assert decoded.values == {
        Outer.NAME: "br0",
        Outer.TUNNEL: Decoded({Inner.ID: 0}, (RawAttr(9, b"x"),)),
    }
    assert decoded.unknown == (RawAttr(0x8000 | 77, b"new!"), RawAttr(77, b""))


def test_encode_keeps_the_order_and_leaves_out_none_and_false() -> None:
    assert OUTER.encode(
        {
            Outer.TUNNEL: {Inner.DONT_FRAGMENT: False, Inner.ID: 1},
            Outer.NUMBER: None,
            Outer.NAME: "br0",
        },
        [RawAttr(0x8000 | 77, b"new!")],
    ) == (attribute(Outer.TUNNEL, attribute(Inner.ID, bytes(7) + b"\x01")) + NAME + attribute(0x8000 | 77, b"new!"))


def test_an_inner_decoded_value_is_encoded_with_its_unknown_attributes() -> None:
    value = Decoded({Inner.ID: 0}, (RawAttr(9, b"x"),))
    buffer = OUTER.encode({Outer.NAME: "a", Outer.TUNNEL: value})
    assert OUTER.decode(buffer).values[Outer.TUNNEL] == value


def test_nested_attributes_are_marked_where_a_set_asks_for_it() -> None:
    marked = AttributeSet("MARKED", OUTER.entries, nested_flag=True)
    payload = marked.encode({Outer.NUMBER: 7, Outer.TUNNEL: {Inner.ID: 1}, Outer.ITEMS: [{Inner.ID: 2}]})
    assert payload == OUTER.encode({Outer.NUMBER: 7}) + attribute(
        Outer.TUNNEL | NLA_F_NESTED, INNER.encode({Inner.ID: 1})
    ) + attribute(Outer.ITEMS | NLA_F_NESTED, attribute(1, INNER.encode({Inner.ID: 2})))
    assert marked.decode(NAME + payload) == OUTER.decode(NAME + payload)


def test_the_last_of_two_counts_unless_they_must_be_unique() -> None:
    buffer = attribute(Outer.NUMBER, bytes(4)) + attribute(Outer.NUMBER, b"\x01\0\0\0") + NAME
    (expected,) = struct.unpack("=I", b"\x01\0\0\0")
    assert OUTER.decode(buffer).values[Outer.NUMBER] == expected
    unique = AttributeSet("KEY", OUTER.entries, unique=True)
    with pytest.raises(DecodeError, match="given twice") as caught:
        unique.decode(buffer)
    assert (caught.value.path, caught.value.offset) == ("KEY.NUMBER", 12)


def test_decode_errors_name_path_and_offset() -> None:
    head = bytes(8)
    bad = attribute(Outer.TUNNEL, attribute(Inner.ID, bytes(8)) + attribute(Inner.DONT_FRAGMENT, b"x"))
    with pytest.raises(DecodeError) as caught:
        OUTER.decode(head + NAME + bad, 8)
    # 8 of head, 8 of name, 4 of header, 12 of ID, 4 of header
    assert str(caught.value) == "OUTER.TUNNEL.DONT_FRAGMENT at byte 36: 1 bytes where 0 belong"


def test_decode_errors_name_the_item_of_a_list() -> None:
    items = attribute(1, attribute(Inner.ID, bytes(8))) + attribute(2, b"")
    with pytest.raises(DecodeError) as caught:
        OUTER.decode(attribute(Outer.ITEMS, items))
    assert (caught.value.path, caught.value.offset) == ("OUTER.ITEMS.[1].ID", 24)


def test_missing_attributes() -> None:
    with pytest.raises(DecodeError, match=r"OUTER\.NAME at byte 4: missing"):
        OUTER.decode(bytes(4), 4)


def test_encode_errors_name_the_path() -> None:
    with pytest.raises(EncodeError, match=r"OUTER\.TUNNEL\.ID: -1 is not an integer of 64 bits"):
        OUTER.encode({Outer.TUNNEL: {Inner.ID: -1}})
    with pytest.raises(EncodeError, match=r"OUTER\.ITEMS\.\[1\]\.ID: "):
        OUTER.encode({Outer.ITEMS: [{Inner.ID: 1}, {Inner.ID: "x"}]})
    with pytest.raises(EncodeError, match="OUTER: there is no attribute 99"):
        OUTER.encode({99: 1})
    huge = AttributeSet("HUGE", {Outer.NAME: BYTES})
    with pytest.raises(EncodeError, match=r"HUGE\.NAME: 65532 bytes are too long"):
        huge.encode({Outer.NAME: bytes(65532)})
