"""Headers that a userspace datapath puts before a packet."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError, EncodeError, ParseError
from dpif.odp.actions import Actions, TunnelPush, parse_actions
from dpif.odp.constants import VportType
from dpif.odp.model.attrs import Style
from dpif.packet.checksum import checksum

ETH4 = "eth(dst=02:00:00:00:00:02,src=02:00:00:00:00:01,dl_type=0x0800)"
ETH6 = "eth(dst=02:00:00:00:00:02,src=02:00:00:00:00:01,dl_type=0x86dd)"
IPV4 = "ipv4(src=1.1.1.1,dst=1.1.1.2,proto={},tos=0,ttl=64,frag=0x4000)"
IPV6 = "ipv6(src=2001:db8::1,dst=2001:db8::2,label=5,proto={},tclass=0x10,hlimit=64)"
UDP = "udp(src=0,dst=4789,csum=0x0)"

CASES = {
    "gre": (42, VportType.GRE, f"{ETH4},{IPV4.format(47)},gre((flags=0x2000,proto=0x6558),key=0x1e241)"),
    "gre6": (
        70,
        VportType.IP6GRE,
        f"{ETH6},{IPV6.format(47)},gre((flags=0xb000,proto=0x6558),csum=0x1,key=0x2,seq=0x3)",
    ),
    "vxlan": (50, VportType.VXLAN, f"{ETH4},{IPV4.format(17)},{UDP},vxlan(flags=0x8000000,vni=0x1c7)"),
    "geneve": (
        58,
        VportType.GENEVE,
        f"{ETH4},{IPV4.format(17)},{UDP},geneve(oam,crit,vni=0x1c7,options({{class=0xffff,type=0x80,len=4,0xa}}))",
    ),
    "gtpu": (50, VportType.GTPU, f"{ETH4},{IPV4.format(17)},{UDP},gtpu(flags=0x30,msgtype=255,teid=0x5)"),
    "erspan1": (50, VportType.ERSPAN, f"{ETH4},{IPV4.format(47)},erspan(ver=1,sid=0x3ff,idx=0x7)"),
    "erspan2": (74, VportType.IP6ERSPAN, f"{ETH6},{IPV6.format(47)},erspan(ver=2,sid=0x1,dir=1,hwid=0x1f)"),
    "srv6": (
        94,
        VportType.SRV6,
        f"{ETH6},{IPV6.format(43)},srv6(segments_left=1,segs(2001:db8::90,2001:db8::91))",
    ),
    "other": (3, 9, "010203"),
}


def text(name: str) -> str:
    size, tnl_type, headers = CASES[name]
    return f"tnl_push(tnl_port(6),header(size={size},type={int(tnl_type)},{headers}),out_port(1))"


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_can_be_read(name: str) -> None:
    actions = parse_actions(text(name))
    assert str(actions) == text(name)
    assert Actions.from_bytes(actions.to_bytes()) == actions


def header(name: str) -> bytes:
    (action,) = parse_actions(text(name))
    assert isinstance(action, TunnelPush)
    return action.header


def test_the_ipv4_header_is_whole() -> None:
    ip = header("vxlan")[14:34]
    assert ip[0] == 0x45
    assert checksum(ip) == 0


def test_segments_stand_in_the_header_from_the_last_to_the_first() -> None:
    srh = header("srv6")[54:]
    assert srh[:8] == bytes.fromhex("00 04 04 01 01 00 0000")
    assert srh[8:24].hex().endswith("91")


def test_erspan_has_a_gre_header_with_a_sequence_number() -> None:
    assert header("erspan1")[34:] == bytes.fromhex("1000 88be 00000000 100003ff 00000007")
    assert header("erspan2")[54:62] == bytes.fromhex("1000 22eb 00000000")


def test_headers_of_another_kind_are_shown_as_bytes() -> None:
    action = TunnelPush(6, 1, VportType.VXLAN, b"\1\2\3")
    assert str(action) == "tnl_push(tnl_port(6),header(size=3,type=4,010203),out_port(1))"
    assert parse_actions(str(action)) == (action,)


def test_ports_go_by_name() -> None:
    shown = TunnelPush(6, 1, 9, b"").show(style_with({6: "vx", 1: "p1"}))
    assert shown == "tnl_push(tnl_port(vx),header(size=0,type=9,),out_port(p1))"
    assert parse_actions(shown, {"vx": 6, "p1": 1}) == (TunnelPush(6, 1, 9, b""),)


def style_with(port_names: dict[int, str]) -> Style:
    return Style(port_names=port_names)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size=50", "size=51", "the headers have 50 bytes, not 51"),
        ("size=50", "size=513", "at most"),
        ("type=4", "type=99", "are not known"),
        ("type=4", "type=3", "expected 'gre"),
        (",ttl=64", "", "ipv4 needs ttl="),
        ("ttl=64", "ttl=64/1", "without a mask"),
        ("vni=0x1c7", "vni=0x1000000", "too large"),
    ],
)
def test_errors(old: str, new: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_actions(text("vxlan").replace(old, new))
    assert message in str(caught.value)


@pytest.mark.parametrize("segments", ["2001:db8::1", "::1,::2,::3", ""])
def test_there_is_one_segment_more_than_are_left(segments: str) -> None:
    with pytest.raises(ParseError, match="asks for 2"):
        parse_actions(text("srv6").replace("2001:db8::90,2001:db8::91", segments))


def test_the_length_has_a_limit() -> None:
    with pytest.raises(EncodeError, match="more than 512"):
        TunnelPush(1, 2, 3, bytes(513))
    with pytest.raises(DecodeError):
        TunnelPush.from_payload(bytes(15))
    with pytest.raises(DecodeError, match="announced"):
        TunnelPush.from_payload(bytes(8) + (5).to_bytes(4, "little") + bytes(4))
