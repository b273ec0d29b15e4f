"""Framing and policies: what is packed is read back, and random bytes end in a value or a `DecodeError`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.ack import Ack, unpack_done, unpack_error
from dpif.netlink.attributes import RawAttr, align, attribute, raw_attribute, walk
from dpif.netlink.generic import Family, decode_family
from dpif.netlink.message import Message, pack_message, split
from dpif.netlink.policy import (
    BE16,
    BYTES,
    FLAG,
    PAD,
    S32,
    U8,
    U32_ARRAY,
    U64,
    AttributeSet,
    Decoded,
    ListOf,
    Nested,
    String,
    Structure,
)


class Attr(IntEnum):
    NAME = 0
    NUMBER = 1
    FLAG = 2
    PORT = 3
    LIST = 4
    NEST = 5
    PAD = 6
    ARRAY = 7
    BYTES = 8
    PAIR = 9
    SMALL = 10


INNER = AttributeSet("INNER", {Attr.NUMBER: U64, Attr.FLAG: FLAG, Attr.NAME: String(15)})
OUTER = AttributeSet(
    "OUTER",
    {
        Attr.NAME: String(15),
        Attr.NUMBER: S32,
        Attr.FLAG: FLAG,
        Attr.PORT: BE16,
        Attr.LIST: ListOf(Nested(INNER)),
        Attr.NEST: Nested(INNER),
        Attr.PAD: PAD,
        Attr.ARRAY: U32_ARRAY,
        Attr.BYTES: BYTES,
        Attr.PAIR: Structure("=QB", lambda *fields: fields),
        Attr.SMALL: U8,
    },
)

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, (1 << 64) - 1)
names = st.binary(max_size=15).map(lambda name: name.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
unknown_types = st.tuples(st.integers(11, 0x3FFF), st.sampled_from([0, 0x8000, 0x4000])).map(sum)
unknown = st.lists(st.builds(RawAttr, unknown_types, st.binary(max_size=20))).map(tuple)
inner = st.builds(
    Decoded,
    st.fixed_dictionaries({}, optional={Attr.NUMBER: u64, Attr.FLAG: st.just(True), Attr.NAME: names}),
    unknown,
)
outer = st.builds(
    Decoded,
    st.fixed_dictionaries(
        {},
        optional={
            Attr.NAME: names,
            Attr.NUMBER: st.integers(-(1 << 31), (1 << 31) - 1),
            Attr.FLAG: st.just(True),
            Attr.PORT: u16,
            Attr.LIST: st.lists(inner, max_size=3).map(tuple),
            Attr.NEST: inner,
            Attr.ARRAY: st.lists(u32, max_size=4).map(tuple),
            Attr.BYTES: st.binary(max_size=40),
            Attr.PAIR: st.tuples(u64, u8),
            Attr.SMALL: u8,
        },
    ),
    unknown,
)
# Bytes that look like attributes, so that more than the first length check is reached.
attribute_like = st.recursive(
    st.binary(max_size=24),
    lambda payload: st.lists(
        st.tuples(st.integers(0, 14), payload).map(lambda pair: attribute(*pair)), max_size=4
    ).map(b"".join),
    max_leaves=8,
)
damaged = st.tuples(attribute_like, st.integers(0, 200), st.integers(0, 3)).map(
    lambda parts: parts[0][: len(parts[0]) - parts[2]] if parts[1] % 3 else parts[0][parts[2] :]
)


@given(st.lists(st.tuples(u16, u16, u32, u32, st.binary(max_size=50)), max_size=5))
def test_messages_are_read_back(messages: list[tuple[int, int, int, int, bytes]]) -> None:
    datagram = b"".join(pack_message(*message) for message in messages)
    assert [(*message[:4], bytes(message.payload)) for message in split(datagram)] == messages


@given(st.lists(st.tuples(u16, st.binary(max_size=50)), max_size=5), st.binary(max_size=9))
def test_attributes_are_read_back(attributes: list[tuple[int, bytes]], head: bytes) -> None:
    buffer = head + b"".join(attribute(*one) for one in attributes)
    found = list(walk(buffer, len(head)))
    assert [raw_attribute(buffer, start, end) for _, start, end in found] == attributes
    assert [number for number, _, _ in found] == [type_ & 0x3FFF for type_, _ in attributes]


@given(st.integers(0, 1 << 20))
def test_align(length: int) -> None:
    assert align(length) % 4 == 0
    assert 0 <= align(length) - length < 4


def outcome(decode: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `decode` returns, or the `DecodeError` that it raises."""
    try:
        return decode(*arguments)
    except DecodeError as error:
        return error


@given(st.binary(max_size=100))
def test_random_bytes_as_messages(data: bytes) -> None:
    messages = outcome(lambda: list(split(data)))
    if isinstance(messages, DecodeError):
        assert 0 <= messages.offset < len(data)
    else:
        total = sum(16 + align(len(message.payload)) for message in messages)
        assert len(data) <= total < len(data) + 4


@given(st.one_of(st.binary(max_size=100), attribute_like))
def test_random_bytes_as_attributes(data: bytes) -> None:
    found = outcome(lambda: list(walk(data)))
    if isinstance(found, DecodeError):
        assert 0 <= found.offset < len(data)
    else:
        assert all(4 <= start <= end <= len(data) for _, start, end in found)


@given(outer)
def test_values_are_read_back_unknown_ones_too(value: Decoded) -> None:
    buffer = OUTER.encode(value.values, value.unknown)
    assert OUTER.decode(buffer) == value
    assert OUTER.decode(memoryview(b"####" + buffer), 4) == value


@given(st.one_of(st.binary(max_size=80), attribute_like, damaged))
def test_random_bytes_as_values(data: bytes) -> None:
    decoded = outcome(OUTER.decode, data)
    if isinstance(decoded, DecodeError):
        assert 0 <= decoded.offset <= len(data)
        assert decoded.path.startswith("OUTER")
    else:  # what was understood can be said again, and means the same
        assert OUTER.decode(OUTER.encode(decoded.values, decoded.unknown)) == decoded


@given(u16, st.integers(-4096, 1), st.one_of(st.binary(max_size=60), attribute_like))
def test_random_bytes_as_acknowledgements(flags: int, code: int, rest: bytes) -> None:
    for payload in (rest, struct.pack("=i", code) + rest):
        message = Message(2, flags, 1, 1, memoryview(payload))
        for unpack in (unpack_error, unpack_done):
            assert isinstance(outcome(unpack, message), (Ack, DecodeError))


@given(st.one_of(st.binary(max_size=60), attribute_like.map(lambda data: b"\x01\x02\0\0" + data)))
def test_random_bytes_as_families(payload: bytes) -> None:
    assert isinstance(outcome(decode_family, payload), (Family, DecodeError))
