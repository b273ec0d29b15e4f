"""Matches and actions that are read by forms are those that are parsed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import parse_actions
from dpif.odp.model.key import parse_match
from dpif.odp.text import form, texts
from dpif.odp.text.matches import encode_actions_text, encode_match_text, read_actions, read_match

T = TypeVar("T")

ELEMENTS = [
    "in_port({})",
    "recirc_id({})",
    "skb_mark({}/0xff)",
    "eth(src=02:00:00:00:00:{:02x})",
    "eth(dst=02:00:00:00:{:02X}:01/ff:ff:00:00:00:00,src=02:00:00:00:00:02)",
    "eth(src=2:0:0:0:0:{},dst=00:00:00:00:00:00/ff:ff:ff:ff:ff:ff:00)",
    "eth()",
    "eth_type(0x0800)",
    "eth_type({})",
    "eth_type(0/{:#x})",
    "ipv4(src=10.0.0.{},proto=17,frag=no)",
    "ipv4(dst=10.0.0.{}/255.255.0.0,tos=0/0x3,frag=first)",
    "ipv4(src=10.0.0.{}/24)",
    "ipv4(src=1.2.3.4,src=10.0.0.{})",
    "ipv6(src=fe80::{:x}/ffff::,label={:#x},frag=later)",
    "vlan(vid={},pcp=1)",
    "vlan(vid={}/0xfff,cfi=0)",
    "tcp(src={0},dst={0}/0xff00)",
    "udp(dst={})",
    "tcp_flags(+syn-ack)",
    "arp(sip=1.1.1.{},op=1)",
    "ct_state(+trk-new)",
    "mpls(label={},tc=0,ttl=1,bos=1)",
    "tunnel(tun_id={:#x},src=1.1.1.1,flags(df|key))",
    "encap(eth_type(0x0800),ipv4(src=10.0.0.{}))",
    "packet_type(ns=1,id=0x800)",
    "nsh(flags=0,ttl=63,mdtype=1,np=4,spi={:#x},si=255)",
    "nsh(spi={:#x},si=255)",
    "nsh(np=1,c1={:#x})",
    "recirc_id({}/0)",
    "recirc_id({}/{})",
    "ipv4(proto={},frag=no/0xff)",
    "ipv4(frag={})",
    "ipv6(frag=first/{})",
    "ct_state({:#x})",
    "ct_state(+trk-[100])",
    "tcp_flags({:#x})",
    "tunnel(tun_id={:#x},geneve({{class=1,len=4}}),flags())",
    "tunnel(key6(bad key length 1, expected 0)(01)ttl={})",
    "packet_type(ns=0,id={:#x})",
    "key6({:04x})",
    "key6(0800)",
    "key3({:08x}/ff ff 00 00)",
    "key16(0500050040000000)",
    "key99(00 01)",
    "nonsense({})",
    "udp(dst={}",
]


@st.composite
def elements(draw: st.DrawFn) -> str:
    numbers = st.integers(0, 300) | st.integers(0, 2**33)
    return draw(st.sampled_from(ELEMENTS)).format(draw(numbers), draw(numbers))


lists = st.tuples(
    st.lists(elements(), max_size=4),
    st.sampled_from([",", ",", ",", ", ", ""]),
    st.sampled_from(["{}", "{}", "{}", "ufid:12345678,{}", "{})", " {}"]),
).map(lambda parts: parts[2].format(parts[1].join(parts[0])))


@given(st.lists(lists, max_size=6))
def test_both_ways_agree(matches: list[str]) -> None:
    for text in [*matches, *matches]:
        encoded = encode_match_text(text)
        if encoded is not None:
            key, mask = parse_match(text)
            assert encoded == (key.to_bytes(), mask.to_bytes())
            assert read_match(text) == (key, mask)


GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = [GOLDEN / "kinds-of-matches.txt", GOLDEN / "kinds-of-actions.txt"]
"""Texts of all kinds."""
VALUE = re.compile(r"(?<=[=(/,|:{+-])[0-9a-fA-FxX.:%]+")
NEAR_THE_EDGE = [
    *[str(number) for bits in (0, 1, 3, 5, 6, 8, 12, 16, 20, 32, 64) for number in ((1 << bits) - 1, 1 << bits)],
    *["0x0", "0X1F", "0xffffffff", "0x100000000", "0xffffffffffffffffffffffffffffffff", "9" * 45, "10", "100"],
    *["010", "00", "08", "0b1", "0B11", "0o7", "1_0", " 1", "1 ", "-1", "+1", "0x", "", "no", "first", "ffff"],
    *["02:00:00:00:00:01", "2:0:0:0:0:1", "02:00:00:00:00", "0200:00:00:00:0001", "0b:00:00:00:00:00"],
    *["10.0.0.1", "010.0.0.1", "10.0.0.256", "1.2.3", "1.1.1.1:5", "::", "fe80::1", "ffff:ff00::", "24", "33", "129"],
    *["100%", "100.1%", "0.0%", ".5%", "1e1%", "0/0", "1/1", "0x3/0xff", "\N{ARABIC-INDIC DIGIT THREE}"],
]
SIGNS = [*"(),=/{}+-|[]: 0123456789abcdefxX._#\t", "drop", "eth()", "flags(", "df"]


@st.composite
def damaged(draw: st.DrawFn, kinds: Path) -> str:
    """Return a text with some values near the edges of fields, and perhaps something that does not belong there."""
    text = draw(st.sampled_from(kinds.read_text().splitlines()))
    for _ in range(draw(st.integers(0, 3))):
        values = list(VALUE.finditer(text))
        if values and draw(st.integers(0, 9)):
            value = draw(st.sampled_from(values))
            number = st.integers(0, 2**40).map(str) | st.integers(0, 2**130).map(hex)
            text = text[: value.start()] + draw(st.sampled_from(NEAR_THE_EDGE) | number) + text[value.end() :]
        else:
            place = draw(st.integers(0, len(text)))
            text = text[:place] + draw(st.sampled_from(["", *SIGNS])) + text[place + draw(st.integers(0, 3)) :]
    return text


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make forms of whole lists at once, and compile them."""
    monkeypatch.setattr(texts, "SO_MANY_ALIKE", 0)
    monkeypatch.setattr(texts, "SO_MANY_ARE_NEW", 0)
    monkeypatch.setattr(form, "WORTH_COMPILING", 2)


def parsed(text: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(text)
    except (ParseError, EncodeError):
        return None


def encoded_slowly(text: str) -> tuple[bytes, bytes]:
    return tuple([value.to_bytes() for value in parse_match(text)])  # type: ignore[return-value]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(damaged(KINDS[0]))
def test_matches_near_the_edges_agree(eager: None, text: str) -> None:
    expected = parsed(text, encoded_slowly)
    for _ in range(2):
        encoded = encode_match_text(text)
        assert encoded is None or encoded == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(damaged(KINDS[1]))
def test_actions_near_the_edges_agree(eager: None, text: str) -> None:
    expected = parsed(text, parse_actions)
    for _ in range(2):
        encoded = encode_actions_text(text)
        assert encoded is None or (expected is not None and encoded == expected.to_bytes())
        assert parsed(text, read_actions) == expected
