"""What callers may write for keys, masks and actions."""

from __future__ import annotations

import pytest

from dpif.client.values import decode_match, encode_actions, encode_match
from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import Actions, Output, Recirc
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.ufid import Ufid

TEXT = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17)"
UFID = Ufid("00112233-4455-6677-8899-aabbccddeeff")


def test_a_text_brings_key_and_mask() -> None:
    key, mask = parse_match(TEXT)
    match = encode_match(TEXT)
    assert match == (key.to_bytes(), mask.to_bytes(), None)
    assert decode_match(match) == (key, mask)


def test_a_text_may_bring_a_ufid() -> None:
    assert encode_match(f"{UFID}, {TEXT}") == (*encode_match(TEXT)[:2], UFID)
    assert encode_match(f"{UFID} {TEXT}", ufid=b"another").ufid == b"another"


def test_a_given_mask_counts_more_than_the_texts() -> None:
    mask = FlowMask(in_port=0xFFFFFFFF)
    assert encode_match(TEXT, mask).mask == mask.to_bytes()


def test_a_key_without_mask_has_none() -> None:
    match = encode_match(FlowKey(in_port=1))
    assert match.mask is None
    assert decode_match(match) == (FlowKey(in_port=1), None)


def test_bytes_are_taken_as_they_are() -> None:
    assert encode_match(b"junk", b"more") == (b"junk", b"more", None)
    assert encode_actions(b"junk") == b"junk"


@pytest.mark.parametrize("nothing", ["", "drop", [], Actions()])
def test_no_actions_are_no_bytes(nothing: str | list[Output] | Actions) -> None:
    assert encode_actions(nothing) == b""


def test_actions_of_every_form_are_the_same() -> None:
    expected = bytes.fromhex("0800010002000000")
    assert encode_actions("2") == encode_actions([Output(2)]) == encode_actions(Actions([Output(2)])) == expected


def test_a_port_or_an_action_stands_for_a_list_of_it() -> None:
    assert encode_actions(2) == encode_actions(Output(2)) == encode_actions("2")
    assert encode_actions(Recirc(5)) == encode_actions("recirc(0x5)")


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_a_number_that_is_no_port_is_refused(number: int) -> None:
    with pytest.raises(EncodeError, match=r"Output: .* is not a number of 32 bits"):
        encode_actions(number)


def test_a_mask_may_be_a_text() -> None:
    text = "in_port(0xffffffff),eth(dst=ff:ff:ff:ff:ff:ff)"
    mask = FlowMask(in_port=0xFFFFFFFF, eth={"dst": "ff:ff:ff:ff:ff:ff"})
    for key in (TEXT, parse_match(TEXT)[0], b"junk"):
        assert encode_match(key, text).mask == mask.to_bytes()


def test_a_bad_text_of_a_mask_says_where() -> None:
    with pytest.raises(ParseError, match="a mask has no masks itself") as caught:
        encode_match(TEXT, "ipv4(src=10.0.0.0/8)")
    assert caught.value.position == 17
    with pytest.raises(ParseError, match="ipv5"):
        encode_match(TEXT, "ipv5()")


def test_a_bad_text_says_where() -> None:
    with pytest.raises(ParseError) as caught:
        encode_match("in_port(1),ipv5()")
    assert caught.value.position == 11
    with pytest.raises(EncodeError):
        encode_match(TEXT, ufid=b"x" * 17)
