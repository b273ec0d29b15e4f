"""The text of keys and masks: notations, defaults, and errors that say where and what (odp-util.c's grammar)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from dpif.errors import ParseError
from dpif.odp.constants import CtState, FragType, TcpFlag
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key, parse_match
from dpif.odp.model.layers import Ethernet, Ipv4, Mpls, Vlan
from dpif.packet.addresses import Mac


def shown(text: str, **style: object) -> str:
    key, mask = parse_match(text)
    return format_key(key, mask, **style)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("eth()eth_type(0x800)", "eth()eth_type(0x0800)"),
        ("in_port(1), eth()\teth_type(0x0800),\r\n", "in_port(1),eth(),eth_type(0x0800)"),
        (",,in_port(1),,", "in_port(1)"),
        ("in_port(010)", "in_port(8)"),
        ("in_port(0x10)", "in_port(16)"),
        ("eth(src=1:2:3:4:5:6,)", "eth(src=01:02:03:04:05:06)"),
        ("ipv4(src=1.1.1.1,src=2.2.2.2)", "ipv4(src=2.2.2.2)"),
        ("ipv4(ttl=5,src=1.1.1.1)", "ipv4(src=1.1.1.1,ttl=5)"),
        ("ipv4(src=10.1.2.3/255.255.255.0)", "ipv4(src=10.1.2.3/255.255.255.0)"),
        ("ipv4(src=10.0.0.0/8,dst=10.0.0.1/32)", "ipv4(src=10.0.0.0/255.0.0.0,dst=10.0.0.1)"),
        ("ipv4(src=10.0.0.0/0,ttl=1)", "ipv4(ttl=1)"),
        ("arp(sip=10.0.0.0/23)", "arp(sip=10.0.0.0/255.255.254.0)"),
        ("ipv6(src=fc00::/64,dst=fc00::1/128)", "ipv6(src=fc00::/ffff:ffff:ffff:ffff::,dst=fc00::1)"),
        ("ipv6(src=fc00::/1:2::)", "ipv6(src=fc00::/1:2::)"),
        ("tunnel(src=10.0.0.0/8)", "tunnel(src=10.0.0.0/255.0.0.0)"),
        ("tcp_flags(2|0x10)", "tcp_flags(syn|ack)"),
        ("tcp_flags(+syn-ack)", "tcp_flags(+syn-ack)"),
        ("ct_state(0x20/0x21)", "ct_state(-new+trk)"),
        ("ct_state(+trk)", "ct_state(+trk)"),
        ("ct_label(0x12/0xff)", "ct_label(0x12/0xff)"),
        ("ct_label(18)", "ct_label(0x12)"),
        ("vlan(vid=5)", "vlan(vid=5)"),
        ("vlan(vid=5/0xf,cfi=0)", "vlan(vid=5/0xf,cfi=0)"),
        ("mpls(label=5/0xff,bos=1)", "mpls(label=5/0xff,tc=0/0,ttl=0/0x0,bos=1/1)"),
        ("ct_tuple6(src=::1,tp_src=5)", "ct_tuple6(src=::1,src_port=5)"),
        ("ct_tuple6(src=::1,src_port=5)", "ct_tuple6(src=::1,src_port=5)"),
        ("key32(00 00/ff ff)", "key32(00 00/ff ff)"),
        ("key99(01 02/03 04)", "key99(01 02/03 04)"),
        ("eth(dst=01:80:c2:00:00:00),eth_type(0/0xffff)", "eth(dst=01:80:c2:00:00:00),eth_type(0/0xffff)"),
        ("packet_type(ns=1,id=0x800)", "packet_type(ns=1,id=0x800)"),
        ("nd_ext(nd_reserved=0x0,nd_options_type=2)", "nd_ext(nd_reserved=0x0,nd_options_type=2)"),
        ("skb_mark(0/0)", ""),
        ("recirc_id(5/0)", ""),
        ("<empty>", "<empty>"),
        ("ct_state(new|0x100)", "ct_state(+new-est-rel-rpl-inv-trk-snat-dnat+[100])"),
        ("ct_state(+new-[100])", "ct_state(+new-[100])"),
        ("key3(01 00 00 00/ff 00 00 00)", "in_port(1/0xff)"),
        ("key7(0a000001 00000000 00 00 00 00)", "ipv4(src=10.0.0.1,dst=0.0.0.0,proto=0,tos=0,ttl=0,frag=no)"),
        ("ipv4(frag=no/0xff)", "ipv4(frag=no)"),
        ("ipv4(frag=first/0,ttl=1)", "ipv4(ttl=1)"),
        ("ipv4(frag=7)", "ipv4(frag=0x7)"),
        ("ipv4(frag=later/0x1)", "ipv4(frag=later/0x1)"),
        ("ufid:00112233-4455-6677-8899-aabbccddeeff,in_port(1)", "in_port(1)"),
        ("ufid:00112233-4455-6677-8899-aabbccddeeff in_port(1)", "in_port(1)"),
    ],
)
def test_notations(text: str, plain: str) -> None:
    assert shown(text) == plain


@pytest.mark.parametrize(
    ("text", "verbose"),
    [
        ("skb_mark(5/0)", "skb_mark(0x5/0)"),
        ("ct_state(0x20/0x21)", "ct_state(0x20/0x21)"),
        ("eth(src=00:00:00:00:00:01)", "eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:00/00:00:00:00:00:00)"),
        ("vlan(vid=0/0)", "vlan(vid=0/0x0,pcp=0/0x0)"),
        ("ipv4(frag=no)", "ipv4(src=0.0.0.0/0.0.0.0,dst=0.0.0.0/0.0.0.0,proto=0/0,tos=0/0,ttl=0/0,frag=no)"),
        ("ipv4()", "ipv4(src=0.0.0.0/0.0.0.0,dst=0.0.0.0/0.0.0.0,proto=0/0,tos=0/0,ttl=0/0)"),
        ("eth_type(0x800/0)", "eth_type(0x0800/0x0000)"),
    ],
)
def test_verbose_text_tells_what_is_wildcarded(text: str, verbose: str) -> None:
    assert shown(text, verbose=True) == verbose


def test_what_is_left_out_is_wildcarded_and_what_has_no_mask_is_exact() -> None:
    key, mask = parse_match("ipv4(src=10.0.0.1,ttl=64/0xf0)")
    assert key.ipv4 == Ipv4(src="10.0.0.1", ttl=64)
    assert mask.ipv4 == Ipv4(src="255.255.255.255", ttl=0xF0)


def test_a_state_without_a_mask_is_matched_in_the_bits_that_there_are() -> None:
    _, mask = parse_match("ct_state(0x20)")
    assert mask.ct_state == 0xFF


def test_a_vlan_tag_is_there_unless_the_text_says_otherwise() -> None:
    key, mask = parse_match("vlan(vid=5/0xf)")
    assert key.vlan == Vlan(vid=5)
    assert key.to_bytes()[4:] == bytes.fromhex("10050000")
    assert mask.to_bytes()[4:] == bytes.fromhex("100f0000")


def test_an_empty_text_is_an_empty_key_and_shown_as_such() -> None:
    assert parse_match("") == (FlowKey(), FlowMask())
    assert format_key(FlowKey()) == "<empty>"


def test_the_tool_puts_no_comma_behind_an_eth_that_comes_first() -> None:
    assert shown("eth(),eth_type(0x0800)") == "eth()eth_type(0x0800)"
    assert shown("in_port(1),eth(),eth_type(0x0800)") == "in_port(1),eth(),eth_type(0x0800)"
    assert shown("packet_type(ns=0,id=0),eth()") == "packet_type(ns=0,id=0)"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("eth(),eth_type(0/0)", "eth(),eth_type(0/0x0000)"),
        ("eth(),eth_type(0/0xffff)", "eth(),eth_type(0/0xffff)"),
        ("skb_mark(0/0),eth_type(0/0xffff)", ",eth_type(0/0xffff)"),
        ("encap(eth(),eth_type(0x0800))", "encap(eth()eth_type(0x0800))"),
        ("in_port(1),eth(),packet_type(),eth_type(0x0800)", "in_port(1),eth(),eth_type(0x0800)"),
        ("packet_type(),eth(),eth_type(0x0800)", "eth()eth_type(0x0800)"),
        ("packet_type(ns=0,id=0),eth(),eth_type(0x0800)", "packet_type(ns=0,id=0),eth_type(0x0800)"),
        ("eth(),packet_type(ns=0,id=0),eth_type(0x0800)", "eth()packet_type(ns=0,id=0),eth_type(0x0800)"),
    ],
)
def test_how_the_tool_says_that_a_packet_has_an_ethernet_header(text: str, plain: str) -> None:
    """As odp_flow_format (lib/odp-util.c) does it."""
    assert shown(text) == plain
    assert parse_match(plain)


def test_ports_go_by_name_where_names_are_known() -> None:
    key, mask = parse_match("in_port(v0)", {"v0": 3, "1x": 4})
    assert key.in_port == 3
    assert parse_key("in_port(1x)", {"1x": 4}).in_port == 4
    assert format_key(key, mask, port_names={3: "v0"}) == "in_port(v0)"
    assert format_key(key, FlowMask(in_port=0xFF), port_names={3: "v0"}) == "in_port(3/0xff)"
    assert format_key(key, mask, port_names={4: "v0"}) == "in_port(3)"


def test_ports_within_a_nest_have_no_names() -> None:
    key, mask = parse_match("encap(in_port(3))")
    assert format_key(key, mask, port_names={3: "v0"}) == "encap(in_port(3))"


def test_natural_values() -> None:
    key = parse_key(
        "in_port(1),ct_state(+trk+new),eth(src=02:00:00:00:00:01),eth_type(0x0800),"
        "ipv4(src=10.0.0.1,frag=first),tcp_flags(syn|ack),mpls(label=5,bos=1),ct_label(0x100)"
    )
    assert key.eth is not None
    assert key.eth.src == Mac("02:00:00:00:00:01")
    assert key.ipv4 is not None
    assert key.ipv4.src == IPv4Address("10.0.0.1")
    assert key.ipv4.frag is FragType.FIRST
    assert key.ct_state == CtState.TRACKED | CtState.NEW
    assert key.tcp_flags == TcpFlag.SYN | TcpFlag.ACK
    assert key.mpls == (Mpls(label=5, bos=1),)
    assert key.ct_label == 0x100
    assert key.ipv6 is None
    assert "ipv4" in key
    assert parse_key("ipv6(src=fe80::1)").ipv6.src == IPv6Address("fe80::1")  # type: ignore[union-attr]


def test_a_key_shown_without_a_mask_tells_everything() -> None:
    key = parse_key("ct_zone(5),ct_mark(1),tunnel(tun_id=5,dst=1.1.1.1)")
    assert str(key) == "ct_zone(0x5),ct_mark(0x1),tunnel(tun_id=0x5,dst=1.1.1.1,flags(key))"


def test_a_wildcarded_packet_without_an_ethertype_tells_the_mask_behind() -> None:
    key, mask = FlowKey(eth=Ethernet()), FlowMask(eth=Ethernet.full(), eth_type=0xFFFF)
    assert format_key(key, mask) == "eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00),eth_type(0/0xffff)"


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("in_prot(1)", 0, "did you mean 'in_port'"),
        ("IPV4()", 0, "did you mean 'ipv4'"),
        ("ipv4(sorc=1.1.1.1)", 5, "did you mean 'src'"),
        ("in_port(1", 9, "expected ')', found the end of the text"),
        ("in_port(1))", 10, "unbalanced ')'"),
        ("in_port(-1)", 8, "expected a port number, found '-'"),
        ("in_port(v0)", 8, "port names are not known here"),
        ("in_port(4294967296)", 8, "at most 0xffffffff"),
        ("in_port(1)in_port(2)", 10, "in_port is given twice"),
        ("eth(src=1)", 8, "a MAC address such as"),
        ("eth(src=1:2:3:4:5:6:7)", 8, "a MAC address"),
        ("eth(,)", 4, "expected a field (src, dst), found ','"),
        ("eth(src=00:00:00:00:00:01,,)", 26, "expected a field"),
        ("eth( src=00:00:00:00:00:01)", 4, "found ' '"),
        ("eth_type(0x12345)", 9, "at most 0xffff"),
        ("eth_type(0x12zz)", 9, "found '0x12zz'"),
        ("ipv4(src=10.0.0.1/33)", 18, "no prefix is longer than 32 bits"),
        ("ipv4(src=10.0.0.256)", 9, "each part is at most 255"),
        ("ipv4(proto=256)", 11, "at most 0xff"),
        ("ipv4(frag=maybe)", 10, "one of: first, later, no"),
        ("ipv4(frag=no/yes)", 13, "expected a number"),
        ("ipv4(frag=256)", 10, "at most 0xff"),
        ("ipv6(src=fe80::1/129)", 17, "no prefix is longer than 128 bits"),
        ("ipv4(src=10.0.0.1/0x8)", 19, "expected ')'"),
        ("ipv6(src=::g)", 11, "expected ')'"),
        ("ipv6(label=0x100000)", 11, "at most 0xfffff"),
        ("vlan(vid=4096)", 9, "at most 0xfff"),
        ("recirc_id(1/1)", 11, "takes no mask but /0"),
        ("recirc_id(0/4294967295)", 11, "takes no mask but /0"),
        ("ct_state(+new+new)", 13, "only once"),
        ("ct_state(foo)", 9, "one of: dnat, est"),
        ("ct_state(0x100000000)", 9, "at most 0xffffffff"),
        ("ct_state(+[300])", 10, "unknown flag '[300]'"),
        ("ct_label(0x1ffffffffffffffffffffffffffffffff)", 9, "is too large"),
        ("tcp_flags(syn-ack)", 13, "expected ')'"),
        ("mpls(label=1,label=2,label=3,label=4)", 29, "more than 3 labels"),
        ("key8(00)", 5, "these bytes are no ipv6: expected 40 bytes, found 1"),
        ("key8(0)", 5, "pairs of hexadecimal digits"),
        ("key16384(00)", 0, "unknown field 'key16384'"),
        ("key99(0)", 6, "pairs of hexadecimal digits"),
        ("ufid:123", 5, "8-4-4-4-12"),
        ("encap(" * 40, 186, "nested more than 31 levels"),
        ("in_port(1);eth()", 10, "found ';'"),
        ("tcp(src=65536)", 8, "at most 0xffff"),
        ("eth_type(0800)", 9, "found '0800'"),
    ],
)
def test_errors_say_where_and_what(text: str, position: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_match(text)
    assert caught.value.position == position
    assert message in str(caught.value)


def test_an_unknown_port_name_suggests_a_known_one() -> None:
    with pytest.raises(ParseError, match="did you mean 'eth0'"):
        parse_match("in_port(eht0)", {"eth0": 1})
    with pytest.raises(ParseError, match="behind a port name, found '/'"):
        parse_match("in_port(eth0/0xff)", {"eth0": 1})


def test_the_caret_stands_under_the_position() -> None:
    with pytest.raises(ParseError) as caught:
        parse_match("in_port(1),ipv4(sorc=1.1.1.1)")
    text, caret = caught.value.caret().split("\n")
    assert text[caret.index("^") :].startswith("sorc")


def test_a_key_formats_itself_as_the_function_does() -> None:
    key, mask = parse_match("in_port(1),eth(),eth_type(0x0800),ipv4(src=1.2.3.4)")
    assert key.format(mask) == "in_port(1),eth(),eth_type(0x0800),ipv4(src=1.2.3.4)"
    shown = key.format(mask, verbose=True, port_names={1: "v0"})
    assert shown == format_key(key, mask, verbose=True, port_names={1: "v0"})
    assert shown.startswith("in_port(v0),eth(src=00:00:00:00:00:00/00:00:00:00:00:00")
