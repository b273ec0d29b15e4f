from __future__ import annotations

import struct

import pytest

from dpif.errors import DecodeError
from dpif.netlink.message import pack_message, split

# A GETFAMILY request for nlctrl as strace shows it: 16 + 4 + 4 + 7 bytes and one of padding.
GOLDEN = bytes.fromhex("1f000000 1000 0500 01000000 2a000000 03010000 0b000200 6e6c6374726c00")


def test_golden_message() -> None:
    payload = bytes.fromhex("030100000b0002006e6c6374726c00")
    assert pack_message(0x10, 5, 1, 42, payload) == GOLDEN + b"\0"


def test_split_reads_every_message_with_and_without_final_padding() -> None:
    first = pack_message(20, 1, 7, 8, b"abcde")
    second = pack_message(21, 2, 9, 10, b"")
    for datagram in (first + second + GOLDEN, first + second + GOLDEN + b"\0"):
        messages = list(split(datagram))
        assert [(m.type, m.flags, m.seq, m.port_id, bytes(m.payload)) for m in messages] == [
            (20, 1, 7, 8, b"abcde"),
            (21, 2, 9, 10, b""),
            (16, 5, 1, 42, GOLDEN[16:]),
        ]


def test_split_of_nothing_is_nothing() -> None:
    assert list(split(b"")) == []


@pytest.mark.parametrize("length", [0, 15, 21, 0xFFFFFFFF])
def test_impossible_length(length: int) -> None:
    good = pack_message(20, 0, 0, 0, b"1234")
    bad = struct.pack("=IHHII", length, 20, 0, 0, 0) + b"1234"
    messages = split(good + bad)
    assert next(messages).type == 20
    with pytest.raises(DecodeError, match=f"length of {length} where 20 bytes") as caught:
        next(messages)
    assert caught.value.offset == len(good)


def test_too_short_for_a_header() -> None:
    with pytest.raises(DecodeError, match="15 bytes are too few"):
        list(split(bytes(15)))
