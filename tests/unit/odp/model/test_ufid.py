"""Unique flow identifiers."""

from __future__ import annotations

import sys

import pytest

from dpif.errors import DecodeError, EncodeError, ParseError
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.ufid import Ufid, split_ufid

TEXT = "ufid:00112233-4455-6677-8899-aabbccddeeff"


@pytest.mark.skipif(sys.byteorder != "little", reason="the words are in host order")
def test_the_text_is_of_words_in_host_order() -> None:
    assert Ufid(TEXT) == bytes.fromhex("33221100 77665544 bbaa9988 ffeeddcc")


def test_text_and_bytes() -> None:
    ufid = Ufid(TEXT)
    assert str(ufid) == TEXT
    assert repr(ufid) == f"Ufid({TEXT!r})"
    assert Ufid(TEXT.removeprefix("ufid:")) == ufid
    assert Ufid(bytes(ufid)) == ufid
    assert len(Ufid.random()) == 16
    assert Ufid.random() != Ufid.random()


def test_short_ones_are_shown_as_they_are() -> None:
    assert str(Ufid(b"\x12\x34")) == "ufid:1234"
    assert Ufid("ufid:1234") == Ufid("1234") == b"\x12\x34"
    assert split_ufid("ufid:1234,in_port(1)") == (Ufid("1234"), "in_port(1)")


@pytest.mark.parametrize("value", [b"", bytes(17)])
def test_the_length_has_limits(value: bytes) -> None:
    with pytest.raises(EncodeError, match="1 to 16 bytes"):
        Ufid(value)


@pytest.mark.parametrize("text", ["ufid:", "ufid:123", "ufid:1234-", TEXT + "0", "00112233445566778899aabbccddeeff"])
def test_malformed_texts_are_parse_errors(text: str) -> None:
    with pytest.raises(ParseError):
        Ufid(text)


def test_a_flow_s_text_may_start_with_one() -> None:
    assert split_ufid(f" {TEXT}, in_port(1)") == (Ufid(TEXT), "in_port(1)")
    assert split_ufid(f"{TEXT}") == (Ufid(TEXT), "")
    assert split_ufid("in_port(1)") == (None, "in_port(1)")


@pytest.mark.parametrize("size", [0, 17, 255])
def test_one_that_a_datapath_told_is_no_mistake_of_ours(size: int) -> None:
    with pytest.raises(DecodeError, match=rf"FLOW\.UFID at byte 0: a UFID has 1 to 16 bytes, not {size}"):
        Ufid.told(bytes(size))
    with pytest.raises(DecodeError):
        FlowRecord(key=b"", ufid=bytes(size)).flow_ufid()
