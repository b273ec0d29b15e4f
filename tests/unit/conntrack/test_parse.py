from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.conntrack.match import Masked, Match, TuplePattern
from dpif.conntrack.parse import format_match, parse_match, parse_zone
from dpif.conntrack.tuples import Tuple
from dpif.errors import ParseError

ALL = (1 << 32) - 1
A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
A6, B6 = IPv6Address("fc00::1"), IPv6Address("fc00::2")


@pytest.mark.parametrize(
    ("words", "match", "zone"),
    [
        ([], Match(), None),
        (["zone=5"], Match(), 5),
        (["mark=7"], Match(mark=Masked(7, ALL)), None),
        (["zone=0", "mark=0x7/0xf", "labels=16"], Match(mark=Masked(7, 15), labels=Masked(16, (1 << 128) - 1)), 0),
        (["labels=0x1000000000000000000/0xff000000000000000000"], Match(labels=Masked(1 << 72, 0xFF << 72)), None),
        (
            ["ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53"],
            Match(17, TuplePattern(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 1000, 53)),
            None,
        ),
        (
            ["ct_ipv6_src=fc00::1,ct_nw_proto=58,icmp_id=7,icmp_type=128,icmp_code=0"],
            Match(58, TuplePattern(src=IPv6Address("fc00::1"), icmp_id=7, icmp_type=128, icmp_code=0)),
            None,
        ),
        (["", "ct_nw_dst=10.0.0.1"], Match(reply=TuplePattern(dst=IPv4Address("10.0.0.1"))), None),
        (
            ["zone=1", "ct_nw_proto=6", "ct_tp_dst=80"],
            Match(6, reply=TuplePattern(dst_port=80)),
            1,
        ),
    ],
)
def test_matches(words: list[str], match: Match, zone: int | None) -> None:
    assert parse_match(words) == (match, zone)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ct_bogus=1"], "invalid conntrack tuple field: ct_bogus"),
        (["ct_nw_src"], "field ct_nw_src missing value"),
        (["ct_nw_src="], "field ct_nw_src missing value"),
        (["ct_nw_src=10.0.0"], "failed to parse field ct_nw_src"),
        (["ct_nw_proto=256"], "failed to parse field ct_nw_proto"),
        (["ct_nw_proto=6,ct_tp_src=65536"], "failed to parse field ct_tp_src"),
        (["ct_nw_proto=6,ct_tp_src=-1"], "failed to parse field ct_tp_src"),
        (["ct_nw_src=10.0.0.1,ct_ipv6_dst=::1"], "the L3 protocol does not match ::1"),
        (["ct_ipv6_src=::1", "ct_nw_src=10.0.0.1"], "the L3 protocol does not match 10.0.0.1"),
        (["ct_nw_src=10.0.0.1,ct_nw_src=10.0.0.2"], "ct_nw_src is set multiple times"),
        (["ct_nw_proto=6,ct_nw_proto=6"], "ct_nw_proto is set multiple times"),
        (["ct_nw_proto=6", "ct_nw_proto=6"], "ct_nw_proto is set multiple times"),
        (["ct_tp_src=1"], "port is set without protocol"),
        (["icmp_id=1"], "invalid L4 fields"),
        (["ct_nw_proto=6,icmp_type=1"], "invalid L4 fields"),
        (["ct_nw_proto=1,ct_tp_src=1"], "invalid L4 fields"),
        (["zone=x"], "failed to parse zone"),
        (["zone=65536"], "failed to parse zone"),
        (["mark="], "failed to parse mark"),
        (["mark=1/"], "failed to parse mark"),
        (["mark=0x100000000"], "failed to parse mark"),
        (["labels=zz"], "failed to parse labels"),
        (["mark=1", "zone=1"], "invalid conntrack tuple field: zone"),
        (["ct_nw_proto=6", "", ""], "invalid arguments"),
    ],
)
def test_mistakes(words: list[str], reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_match(words)
    assert caught.value.reason == reason


def test_zones() -> None:
    assert parse_zone("0x10") == 16
    with pytest.raises(ParseError, match="failed to parse zone"):
        parse_zone("010")


@given(st.lists(st.text("zonemarklabelsct_ips=/,0x1 ." + "\u0661", max_size=20), max_size=4))
def test_any_words_are_a_match_or_refused(words: list[str]) -> None:
    with contextlib.suppress(ParseError):  # any other error is a failure
        parse_match(words)


@pytest.mark.parametrize(
    ("tuple_", "words"),
    [
        (
            Tuple(A, B, 6, 1000, 80),
            "zone=5 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=1000,ct_tp_dst=80",
        ),
        (
            Tuple(A, B, 1, icmp_id=7, icmp_type=8, icmp_code=0),
            "zone=5 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_id=7,icmp_type=8,icmp_code=0",
        ),
        (Tuple(A6, B6, 47), "zone=5 ct_ipv6_src=fc00::1,ct_ipv6_dst=fc00::2,ct_nw_proto=47"),
    ],
)
def test_a_connection_has_words_that_mean_it(tuple_: Tuple, words: str) -> None:
    assert format_match(tuple_, 5) == words
    match, zone = parse_match(words.split())
    assert zone == 5
    assert match.protocol == tuple_.protocol
    assert match.orig == TuplePattern(tuple_.src, tuple_.dst, *tuple_[3:8])
