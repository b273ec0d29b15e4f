"""Values and texts that no field takes are refused with the library's own errors, in one short line.

Python itself refuses to read or print numbers of thousands of digits, with an error of its own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from dpif.conntrack.parse import parse_match as parse_ct_match
from dpif.conntrack.timeouts import policy_name
from dpif.errors import EncodeError, ParseError, brief
from dpif.netlink.attributes import attribute
from dpif.odp.actions import (
    CheckPktLen,
    Ct,
    Hash,
    Meter,
    Nat,
    Output,
    Psample,
    PushMpls,
    PushVlan,
    Recirc,
    Sample,
    Trunc,
    TunnelPush,
    Userspace,
    parse_actions,
)
from dpif.odp.constants import FlowAttr
from dpif.odp.filter.language import parse_filter
from dpif.odp.filter.order import parse_order
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.messages.vport import VportRecord
from dpif.odp.model.attrs import Scalar, Structure
from dpif.odp.model.key import FlowKey, parse_match
from dpif.odp.model.nest import Nested
from dpif.odp.model.tunnel_options import GeneveOption
from dpif.odp.text.matches import encode_match_text
from dpif.packet import build
from dpif.packet.addresses import Mac

DIGITS = "9" * 5000
HUGE = int("f" * 5000, 16)
SURROGATE = "\ud800"


@pytest.mark.parametrize("digits", [DIGITS, "0" + "7" * 5000, "0x" + "f" * 5000, "1" * 100_000])
def test_long_numbers_in_texts(digits: str) -> None:
    texts: list[tuple[Callable[[str], object], list[str]]] = [
        (
            parse_match,
            ["in_port({})", "ct_label({})", "tunnel(tun_id={})", "ipv4(ttl={})", "ipv6(label={})", "nsh(c1={})"],
        ),
        (parse_match, ["tcp_flags({})", "ct_state(0/{})", "mpls(label={})", "ipv4(src=10.0.0.1/{})", "key{}(00)"]),
        (parse_match, ["tunnel(geneve({{class={}}}))", "tunnel(erspan(ver={}))", "ipv4(src={}.1.1)", "eth_type({})"]),
        (parse_actions, ["{}", "recirc({})", "ct(zone={})", "ct(mark={})", "ct(nat(src=1.1.1.1:{}))", "trunc({})"]),
        (parse_actions, ["sample(sample={}%)", "meter({})", "psample(group={})", "action{}", "hash(l4({}))"]),
        (parse_actions, ["userspace(pid={})", "push_vlan(vid={},pcp=0)", "set(skb_mark({}))", "push_nsh(md2={})"]),
        (parse_filter, ["in_port == {}", "packets > {}", "used < {}", "ipv4.dst in 10.0.0.0/{}", "tp_dst={}"]),
        (parse_filter, ["tcp,tp_dst={}", "in_port={}", "dl_vlan={}", "packet_type=({},0)", "ct_label == {}"]),
        (lambda text: parse_ct_match(text.split()), ["zone={}", "mark={}", "ct_nw_proto={}"]),
    ]
    for read, forms in texts:
        for form in forms:
            with pytest.raises(ParseError) as raised:
                read(form.format(digits))
            assert len(raised.value.reason) < 300, form


@pytest.mark.parametrize("name", ["actions", "actions.x", "actions.mask", "-actions"])
def test_actions_are_no_field(name: str) -> None:
    for parse in (parse_order, parse_filter):
        with pytest.raises(ParseError):
            parse(name)
    with pytest.raises(ParseError, match=r"actions have no value and no fields .*actions has ct"):
        parse_order(name)


def test_numbers_that_no_field_takes() -> None:
    for attr in FlowKey.ATTRS.values():
        if isinstance(attr.type, (Scalar, Structure)):
            fields = [("", attr.type.kind)] if isinstance(attr.type, Scalar) else _fields(attr.type.cls)
            for name, _ in fields:
                with pytest.raises(EncodeError, match="0xffff"):
                    FlowKey(**{attr.name: {name: HUGE} if name else HUGE})
        elif isinstance(attr.type, Nested) and attr.type.nest is not FlowKey:
            for inner in attr.type.nest.ATTRS.values():
                with pytest.raises(EncodeError):
                    FlowKey(**{attr.name: {inner.name: HUGE}})
        else:
            with pytest.raises(EncodeError):
                FlowKey(**{attr.name: HUGE})


def _fields(cls: Any) -> list[tuple[str, Any]]:
    return [(field.name, field.kind) for field in cls.FIELDS]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Output(HUGE),
        lambda: Recirc(HUGE),
        lambda: Meter(HUGE),
        lambda: Trunc(HUGE),
        lambda: Hash(alg=HUGE, basis=0),
        lambda: PushVlan(vid=HUGE, pcp=0),
        lambda: PushMpls(label=HUGE, tc=0, ttl=1, bos=1, eth_type=0x8847),
        lambda: Ct(zone=HUGE),
        lambda: Ct(mark=(HUGE, 1)),
        lambda: Ct(labels=HUGE),
        lambda: Ct(helper=SURROGATE),
        lambda: Ct(timeout=SURROGATE),
        lambda: Ct(nat=HUGE),
        lambda: Nat(src=True, ip_min=HUGE),
        lambda: Sample(probability=HUGE, actions=[]),
        lambda: Sample(probability=1, actions=HUGE),
        lambda: Sample.percent(float("inf"), []),
        lambda: Sample.percent(float("nan"), []),
        lambda: CheckPktLen(size=HUGE, greater=[], less_equal=[]),
        lambda: Psample(group=HUGE),
        lambda: Userspace(pid=HUGE),
        lambda: TunnelPush(HUGE, 1, 4, b""),
        lambda: GeneveOption(class_=HUGE).to_bytes(),
        lambda: GeneveOption(length=HUGE).to_bytes(),
        lambda: Mac(HUGE),
        lambda: FlowKey(eth={"src": HUGE}),
        lambda: VportRecord(port_no=HUGE).to_payload(),
        lambda: VportRecord(name=SURROGATE).to_payload(),
        lambda: VportRecord(dp_ifindex=HUGE).to_payload(),
        lambda: build.ethernet(bytes(6), bytes(6), b"", ethertype=HUGE),
        lambda: build.vlan(HUGE, b"", ethertype=1),
        lambda: build.mpls(HUGE, b""),
        lambda: build.ip("::1", "::2", HUGE),
        lambda: build.ip("::1", "::2", 6, label=HUGE),
        lambda: build.ip(HUGE, "::2", 6),
        lambda: build.options_header(HUGE, b""),
        lambda: build.fragment_header(6, b"", offset=HUGE),
        lambda: build.fragment_header(6, b"", ident=HUGE),
        lambda: build.icmpv6("::1", "::2", HUGE, 0, bytes(4)),
        lambda: build.echo("::1", "::2", ident=HUGE),
        lambda: build.udp("10.0.0.1", "10.0.0.2", HUGE, 1),
        lambda: policy_name(HUGE, 2, HUGE),
    ],
)
def test_values_that_nothing_takes(make: Callable[[], Any]) -> None:
    with pytest.raises((EncodeError, ParseError)) as raised:
        make()
    assert len(str(raised.value)) < 1000


def test_lone_surrogates_in_texts() -> None:
    for text in (f"ct(helper={SURROGATE})", f"ct(commit,timeout={SURROGATE})", f"ct(helper=a{SURROGATE})"):
        with pytest.raises(ParseError, match="has no form in bytes"):
            parse_actions(text)
    assert parse_actions("ct(helper=\udcff)").to_bytes().count(b"\xff\0") == 1
    for read in (parse_match, parse_actions, parse_filter, encode_match_text, parse_order):
        for text in (SURROGATE, f"in_port({SURROGATE})", f"1,{SURROGATE}", f"in_port == {SURROGATE}"):
            with contextlib.suppress(ParseError):
                assert read(text) is None


@pytest.mark.parametrize("pad", [b"", b"a", b"abcd", b"abcdefgh", bytes(16)])
def test_a_pad_with_a_payload_in_rows(pad: bytes) -> None:
    key, stats = attribute(FlowAttr.KEY, b""), attribute(FlowAttr.STATS, bytes(16))
    used = attribute(FlowAttr.USED, bytes(8))
    padding = attribute(FlowAttr.PAD, pad)
    for parts in ([key, padding], [padding, key], [key, stats, padding, used], [key, padding, stats, padding]):
        payload = bytes(OVS_HDRLEN) + b"".join(parts)
        rows = FlowRows()
        assert rows(payload) == rows(payload) == FlowRecord.from_reply(payload)


def test_what_a_message_says_of_a_value() -> None:
    assert brief(5) == "5"
    assert brief("a\n") == "'a\\n'"
    assert re.fullmatch("0xf{198}…", brief(HUGE))
    assert brief((HUGE,)) == "a tuple with a number of thousands of digits"
    assert len(brief("x" * 1000)) == 201
