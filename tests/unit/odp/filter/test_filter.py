"""The language of filters: what it picks, and how it says what is wrong."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.filter.language import Filter, parse_filter
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import GeneveOptions
from dpif.odp.model.ufid import Ufid


class Sample(NamedTuple):
    """A flow as a filter reads it."""

    key: FlowKey | None
    mask: FlowMask | None
    actions: Actions | None
    packets: int = 0
    bytes: int = 0
    tcp_flags: int = 0
    used: float | None = None
    ufid: bytes | None = None


def flow(text: str, actions: str = "drop", **told: object) -> Sample:
    """Return a flow of its texts."""
    return Sample(*parse_match(text), parse_actions(actions), **told)  # type: ignore[arg-type]


TCP = flow(
    "in_port(3),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(dst=10.1.0.0/255.255.0.0,proto=6,ttl=0/0),"
    "tcp(src=0/0,dst=80),ct_state(+trk+est-new),ct_mark(0x10/0xf0)",
    "push_vlan(vid=5,pcp=0),2,clone(ct(commit),7)",
    packets=150,
    bytes=9000,
    tcp_flags=0x12,
    used=90.0,
)
TAGGED = flow(
    "in_port(1),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x86dd),ipv6(dst=fe80::1,proto=17),udp())"
)
TUNNEL = flow("tunnel(tun_id=0x7,src=1.2.3.4,flags(-df)),in_port(1),eth_type(0x8847),mpls(label=9,tc=0,ttl=1,bos=1)")


@pytest.mark.parametrize(
    "text",
    [
        "ipv4.dst in 10.0.0.0/8 and packets > 100",
        "ipv4.dst in 10.1.0.0/255.255.0.0",
        "ipv4.dst == 10.1.0.0",
        "ipv4.dst.mask == 255.255.0.0",
        "in_port == 3 or eth_type == 0x0806",
        "in_port == veth3",
        "not udp",
        "tcp and not (udp or arp)",
        "eth.src == 02:00:00:00:00:01",
        "eth.src in 02:00:00:00:00:00/ff:00:00:00:00:00",
        "tcp.dst >= 80 and tcp.dst <= 80 and tcp.dst != 81",
        "ct_state in +trk+est",
        "ct_mark in 0x10/0x10",
        "actions has push_vlan and actions has output and actions has ct",
        "output == 2 and output == 7",
        "bytes",
        "used < 10.5 and used >= 10",
        "flags == syn|ack",
        "flags in +syn-fin",
        "  ( packets==150 )  ",
    ],
)
def test_what_holds(text: str) -> None:
    wanted = parse_filter(text, {"veth3": 3})
    assert wanted.matches(TCP, now=100.0)
    assert not parse_filter(f"not ({text})", {"veth3": 3}).matches(TCP, now=100.0)


@pytest.mark.parametrize(
    "text",
    [
        "udp",
        "tcp.src",
        "tcp.src >= 0",
        "tcp.src != 5",
        "ipv4.ttl < 255",
        "ipv4.dst in 10.1.2.0/24",
        "ipv6.dst in ::/0",
        "eth.dst",
        "skb_mark",
        "ct_state in +est+new",
        "ct_mark in 0x10/0xff",
        "actions has drop",
        "actions has recirc",
        "output == 3",
        "packets > 150 or packets < 150",
        "used > 10 or used < 10",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not parse_filter(text).matches(TCP, now=100.0)


UFID = "fa080783-115c-46bf-b605-2b1e8a1e9b1e"
SEEN = flow(
    "tunnel(tun_id=0x7,src=1.2.3.4,geneve({class=0x102,type=0x80,len=4,0x10002/0x7fffffff}),flags(+key-df)),in_port(1),"
    "ct_state(+new-est+trk),eth(src=fa:16:3e:00:00:00/ff:ff:ff:00:00:00,dst=01:00:00:00:00:00/01:00:00:00:00:00),"
    "eth_type(0x0800),ipv4(proto=6),tcp_flags(+syn-ack)",
    "ct(commit,zone=5,nat(src=10.0.0.1)),userspace(pid=1,slow_path(match)),2",
    ufid=Ufid(UFID),
    tcp_flags=2,
)


@pytest.mark.parametrize(
    "text",
    [
        "ct_state has new",
        "ct_state has new|trk",
        "ct_state == +new-est+trk",
        "ct_state==+trk+new-est",
        "ct_state != +new+trk",
        "tcp_flags has syn",
        "tcp_flags == +syn-ack",
        "flags has syn",
        "actions has nat",
        "actions has slow_path and actions has userspace",
        f"ufid == {UFID}",
        f"ufid == ufid:{UFID.upper()} and ufid",
        "used == never",
        "used==never and not used != never",
        "eth.src in fa:16:3e:00:00:00/24",
        "eth.dst in 01:00:00:00:00:00/01:00:00:00:00:00",
        "eth.src == fa:16:3e:00:00:00/24",
        "eth.src == fa:16:3e:00:00:00/ff:ff:ff:00:00:00",
        "eth.src != fa:16:3e:00:00:00/32",
        "eth_type == ip and eth_type == ipv4 and eth_type == 0x800",
        "ipv4.proto == tcp and ipv4.proto != udp",
        "tunnel.geneve.class == 0x102 and tunnel.geneve.type == 0x80",
        "tunnel.geneve.data == 0x10002 and tunnel.geneve.data in 2/0xffff",
        "tunnel.geneve.data == 0x10002/0x7fffffff and tunnel.geneve.data.mask == 0x7fffffff",
    ],
)
def test_what_is_asked_for_as_it_is_shown(text: str) -> None:
    assert parse_filter(text).matches(SEEN)
    assert not parse_filter(f"not ({text})").matches(SEEN)


@pytest.mark.parametrize(
    "text",
    [
        "ct_state has est",
        "ct_state has inv",
        "ct_state == +new+trk",
        "ct_state != +new-est+trk",
        "tcp_flags has ack",
        "flags has syn|ack",
        "actions has controller",
        "actions has sFlow",
        "ufid == 00000000-0000-0000-0000-000000000000",
        "used != never",
        "eth.src == fa:16:3e:00:00:00/32",
        "eth.src in fa:16:3e:00:00:00/32",
        "eth_type == arp or ipv4.proto == icmp",
        "tunnel.geneve.class == 0x103 or tunnel.geneve.data == 2",
        "ct_mark == 0/1",
    ],
)
def test_what_is_not_there_as_it_is_asked_for(text: str) -> None:
    assert not parse_filter(text).matches(SEEN)


def test_a_flow_that_was_used() -> None:
    assert parse_filter("used != never").matches(TCP)
    assert not parse_filter("used == never or ufid").matches(TCP)
    assert not parse_filter("actions has nat").matches(TCP)


def test_options_that_cannot_be_told_apart() -> None:
    key = FlowKey(tunnel=Tunnel(geneve=GeneveOptions.of_raw(bytes.fromhex("0102801f"))))
    assert not parse_filter("tunnel.geneve.class").matches(Sample(key, None, None))
    assert parse_filter("tunnel.geneve").matches(Sample(key, None, None))


def test_within_a_tag() -> None:
    assert parse_filter("udp and ipv6.dst in fe80::/10 and vlan.vid == 5 and eth_type == 0x8100").matches(TAGGED)
    assert parse_filter("encap.eth_type == 0x86dd and actions has drop").matches(TAGGED)
    assert not parse_filter("used >= 0 or ipv4 or encap.ipv4.dst").matches(TAGGED)


@pytest.mark.parametrize("actions", ["drop", "drop(42)", "2,drop", "clone(drop(1)),2"])
def test_packets_are_dropped_by_no_action_or_one(actions: str) -> None:
    assert parse_filter("actions has drop").matches(flow("in_port(1)", actions))
    assert not parse_filter("actions has drop").matches(flow("in_port(1)", "clone(drop),2"))


def test_tunnels_and_labels() -> None:
    assert parse_filter("tunnel.tun_id == 7 and tunnel.src in 1.2.3.4 and mpls.label == 9").matches(TUNNEL)
    assert not parse_filter("mpls.label > 9 or tunnel.ipv6_src").matches(TUNNEL)


def test_without_key_or_mask() -> None:
    assert parse_filter("not in_port and packets == 0").matches(Sample(None, None, None))
    assert parse_filter("skb_mark in 0/0xffffffff").matches(Sample(FlowKey(skb_mark=0), None, None))


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a field such as ipv4.dst"),
        ("ipv4.tt == 1", 5, "did you mean 'ttl'"),
        ("ip4.dst == 1", 0, "did you mean 'ipv4'"),
        ("ipv4.dst == 1", 12, "a dotted quad"),
        ("ipv4.dst in 10.0.0.0/33", 21, "at most /32"),
        ("in_port == 3 and", 16, "expected a field"),
        ("in_port = 3", 8, "'==' compares"),
        ("tcp 80", 4, "for example: ipv4.dst in"),
        ("tcp and tp_src=80", 8, "unknown field 'tp_src'"),
        ("tcp == 3", 4, "no value"),
        ("in_port.x", 7, "expected a comparison"),
        ("udp.src.x", 7, "expected a comparison"),
        ("(udp", 4, "expected ')'"),
        ("actions has pushvlan", 12, "did you mean 'push_vlan'"),
        ("actions", 7, "'has' and an action"),
        ("tcp.dst == 65536", 11, "at most 0xffff"),
        ("used in 3", 5, "does not apply"),
        ("in_port == nosuch", 11, "a port number"),
        ("((" * 20, 31, "levels deep"),
        ("ipv4.dst has new", 9, "asks for a flag"),
        ("ct_state has nev", 13, "did you mean 'new'"),
        ("ct_state > +new", 9, "no order"),
        ("eth.src < 02:00:00:00:00:00/8", 8, "no order"),
        ("eth.src in 02:00:00:00:00:00/49", 29, "at most /48"),
        ("used < never", 5, "no order"),
        ("eth_type == arpp", 12, "did you mean 'arp'"),
        ("ipv4.proto == tpc", 14, "did you mean 'tcp'"),
        ("ufid == 12", 8, "hexadecimal digits"),
        ("tunnel.geneve.clas == 1", 14, "did you mean 'class'"),
        ("actions has controler", 12, "did you mean 'controller'"),
    ],
)
def test_mistakes(text: str, position: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_filter(text)
    assert message in str(caught.value)
    assert caught.value.position == position


WORDS = (
    "ipv4.dst in_port tunnel.tun_id mpls.label eth.src ct_state tcp_flags packets used flags output udp encap nsh "
    "ipv6.dst .mask ct_label actions has ct nat slow_path never new arp tcp ufid tunnel.geneve.data drop "
    "not and or in ( ) == != < >= = 10.0.0.0 /8 /0xff 0x1f 3 fe80::1 "
    "02:00:00:00:00:01 +est-new syn|ack no later 1.5 é 9" + "9" * 50
).split()


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except ParseError:
        return
    assert isinstance(wanted, Filter)
    for sample in (TCP, TAGGED, TUNNEL):
        assert wanted.matches(sample, now=100.0) in (True, False)
