"""Matches encoded by their elements are those that are parsed whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import ParseError
from dpif.odp.model.key import parse_match
from dpif.odp.text import matches as match_texts
from dpif.odp.text.matches import encode_match_text, read_match

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


texts = st.tuples(
    st.lists(elements(), max_size=4),
    st.sampled_from([",", ",", ",", ", ", ""]),
    st.sampled_from(["{}", "{}", "{}", "ufid:12345678,{}", "{})", " {}"]),
).map(lambda parts: parts[2].format(parts[1].join(parts[0])))


@given(st.lists(texts, max_size=6))
def test_both_ways_agree(matches: list[str]) -> None:
    for text in [*matches, *matches]:
        encoded = encode_match_text(text)
        if encoded is not None:
            key, mask = parse_match(text)
            assert encoded == (key.to_bytes(), mask.to_bytes())
            assert read_match(text) == (key, mask)


@pytest.mark.parametrize("text", ["", "in_port(v0)", "udp(dst=65536)", "udp(dst=1),udp(dst=2)", "packet_type(ns=0)"])
def test_what_is_unusual_is_left_to_the_slow_way(text: str) -> None:
    assert encode_match_text(text) is None


def test_an_element_of_a_known_form_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert encode_match_text("in_port(1),eth(src=02:00:00:00:aa:01,dst=02:00:00:00:aa:02/ff:00:00:00:00:00)")
    expected = parse_match("in_port(1),eth(src=02:00:00:00:bb:01,dst=02:00:00:00:bb:02/ff:00:00:00:00:00)")

    def refuse(text: str) -> None:
        raise ParseError("not to be parsed", text)

    monkeypatch.setattr(match_texts, "parse_match", refuse)
    text = "in_port(1),eth(src=02:00:00:00:bb:01,dst=02:00:00:00:bb:02/ff:00:00:00:00:00)"
    assert encode_match_text(text) == tuple(value.to_bytes() for value in expected)
