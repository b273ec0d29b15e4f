"""Tunnel keys and their options, as values, bytes and text."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError, EncodeError, ParseError
from dpif.odp.actions import Actions, Set, parse_actions
from dpif.odp.constants import TunnelFlag
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key, parse_match
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import Erspan, Gbp, GeneveOption, GeneveOptions, Gtpu, VxlanOptions

VECTORS = [
    (
        "tun_id=0x1,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8))",
        "0c000000 0000000000000001 08000200 02020202 05000400 40000000 0c000b00 08000100 0a000800",
    ),
    (
        "dst=2.2.2.2,geneve({class=0x102,type=0x80,len=4,0xa}{class=0x1,type=0,len=0})",
        "08000200 02020202 10000800 01028001 0000000a 00010000",
    ),
    ("erspan(ver=2,dir=1,hwid=0x7)", "10000f00 02000000 00000000 00000078"),
    ("erspan(ver=2,dir=1,hwid=0x17)", "10000f00 02000000 00000000 00000178"),
    ("erspan(ver=1,idx=0x123)", "10000f00 01000000 00000123 00000000"),
    ("gtpu(flags=0x30,msgtype=255)", "06001000 30ff0000"),
    (
        "ipv6_src=::1,tp_dst=4789,flags(oam|df)",
        "14000c00 00000000000000000000000000000001 06000a00 12b50000 04000500 04000700",
    ),
]


@pytest.mark.parametrize(("text", "wire"), VECTORS, ids=lambda item: item[:20])
def test_text_and_bytes(text: str, wire: str) -> None:
    tunnel = parse_key(f"tunnel({text})").tunnel
    assert tunnel is not None
    assert tunnel.to_bytes() == bytes.fromhex(wire)
    assert Tunnel.from_bytes(bytes.fromhex(wire)) == tunnel


def test_options_are_values() -> None:
    tunnel = Tunnel(
        tun_id=5,
        dst="2.2.2.2",
        vxlan=VxlanOptions(gbp=Gbp(id=10, flags=8)),
        geneve=[GeneveOption(0x102, 0x80, b"\0\0\0\x0a")],
        erspan=Erspan(ver=2, dir=1, hwid=0x17),
        gtpu=Gtpu(flags=0x30, msgtype=255),
        df=True,
    )
    assert str(FlowKey(tunnel=tunnel)) == (
        "tunnel(tun_id=0x5,dst=2.2.2.2,vxlan(gbp(id=10,flags=0x8)),geneve({class=0x102,type=0x80,len=4,0xa}),"
        "erspan(ver=2,dir=1,hwid=0x17),gtpu(flags=0x30,msgtype=255),flags(df|key))"
    )
    again = Tunnel.from_bytes(tunnel.to_bytes())
    assert again == tunnel
    assert again.vxlan is not None
    assert again.vxlan.gbp == Gbp(id=10, flags=8)
    assert list(again.geneve or []) == [GeneveOption(0x102, 0x80, b"\0\0\0\x0a")]
    assert again.gtpu == Gtpu(flags=0x30, msgtype=255)
    assert again.flags == TunnelFlag.DF | TunnelFlag.KEY


def test_the_kernel_s_bridge_flag_has_the_number_of_gtpu_and_no_payload() -> None:
    tunnel = Tunnel.from_bytes(bytes.fromhex("04001000"))
    assert tunnel.gtpu == b""
    assert tunnel.to_bytes() == bytes.fromhex("04001000")
    assert str(FlowKey(tunnel=tunnel)) == "tunnel(gtpu(),flags(0))"


def test_padding_is_kept_and_not_shown() -> None:
    data = bytes.fromhex("04000e00 0c000000 0000000000000001")
    tunnel = Tunnel.from_bytes(data)
    assert tunnel.to_bytes() == data
    assert FlowKey(tunnel=tunnel).format() == "tunnel(tun_id=0x1,flags(key))"
    assert str(FlowKey(tunnel=tunnel)) == "tunnel(key14(),tun_id=0x1,flags(key))"


@pytest.mark.parametrize(
    ("text", "value", "mask"),
    [
        ("flags(df|csum)", ["csum", "df"], ["csum", "df", "oam"]),
        ("flags(+df-csum)", ["df"], ["csum", "df"]),
        ("flags(-oam)", [], ["oam"]),
        ("flags(0)", [], ["csum", "df", "oam"]),
        ("flags(0x2/0x3)", ["df"], ["df", "oam"]),
        ("flags(key)", [], ["csum", "df", "oam"]),
        ("flags()", [], ["csum", "df", "oam"]),
        ("flags(+key)", [], []),
    ],
)
def test_flags_are_attributes_but_for_key(text: str, value: list[str], mask: list[str]) -> None:
    key, bits = parse_match(f"tunnel({text})")
    assert key.tunnel is not None
    assert bits.tunnel is not None
    assert sorted(name for name, _ in key.tunnel.items()) == value
    assert sorted(name for name, _ in bits.tunnel.items()) == mask


@pytest.mark.parametrize(
    ("text", "plain", "verbose"),
    [
        ("tun_id=0x5/0,ttl=64", "ttl=64,flags(+key)", "tun_id=0x5/0,ttl=64,flags(+key)"),
        ("ttl=64/0", "", "ttl=64/0,flags(0/0)"),
        ("flags(+df)", "flags(+df)", "flags(+df)"),
        ("tun_id=1,flags(df|csum)", "tun_id=0x1,flags(df|csum|key)", "tun_id=0x1,flags(df|csum|key)"),
        ("vxlan(gbp(id=10/0xff))", "vxlan(gbp(id=10/0xff))", "vxlan(gbp(id=10/0xff,flags=0/0)),flags(0/0)"),
        ("erspan(ver=1,idx=0x7)", "erspan(ver=1,idx=0x7/0xffffffff)", "erspan(ver=1,idx=0x7/0xffffffff),flags(0/0)"),
        (
            "erspan(ver=2,dir=1/0,hwid=0x7)",
            "erspan(ver=2,hwid=0x7/0xf)",
            "erspan(ver=2,dir=1/0,hwid=0x7/0xf),flags(0/0)",
        ),
        (
            "geneve({class=0x102/0xff00,type=1/0,len=4,0xa/0xff})",
            "geneve({class=0x102/0xff00,len=4,0xa/0xff})",
            "geneve({class=0x102/0xff00,type=0x1/0,len=4,0xa/0xff}),flags(0/0)",
        ),
    ],
)
def test_masks_in_text(text: str, plain: str, verbose: str) -> None:
    key, mask = parse_match(f"tunnel({text})")
    assert format_key(key, mask) == f"tunnel({plain})"
    assert format_key(key, mask, verbose=True) == f"tunnel({verbose})"


def test_what_is_left_out_of_a_geneve_option_matches_anything() -> None:
    key, mask = parse_match("tunnel(geneve({len=8}{class=1,type=2,len=4}{type=3,len=4,0x1/0xf}))")
    assert key.tunnel is not None
    assert mask.tunnel is not None
    assert list(key.tunnel.geneve) == [
        GeneveOption(data=bytes(8)),
        GeneveOption(1, 2, bytes(4)),
        GeneveOption(0, 3, b"\0\0\0\1"),
    ]
    assert list(mask.tunnel.geneve.under(key.tunnel.geneve)) == [
        GeneveOption(data=bytes(8), length=0x1F),
        GeneveOption(0xFFFF, 0xFF, bytes(4), 0x1F),
        GeneveOption(0, 0xFF, b"\0\0\0\x0f", 0x1F),
    ]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("dst=1.1.1.1,geneve({class=1,len=4})", "dst=1.1.1.1,geneve({class=0x1,type=0,len=4,0}),flags(0)"),
        ("vxlan(gbp(id=7)),flags()", "vxlan(gbp(id=7,flags=0)),flags(0)"),
        ("ttl=1,vxlan(gbp(id=0,flags=0))", "ttl=1,flags(0)"),
        ("erspan(ver=2,dir=1)", "erspan(ver=2,dir=1,hwid=0),flags(0)"),
    ],
)
def test_a_tunnel_is_set_whole(text: str, whole: str) -> None:
    (action,) = parse_actions(f"set(tunnel({text}))")
    assert isinstance(action, Set)
    assert str(action) == f"set(tunnel({whole}))"


def test_policies_of_no_bits_are_kept_where_they_came_in() -> None:
    action = Set(FlowKey(tunnel=Tunnel(vxlan={"gbp": {"id": 0}})))
    assert Actions([action]).format() == "set(tunnel(vxlan(gbp(id=0,flags=0)),flags(0)))"
    assert parse_actions(str(action)) == (action,)
    assert parse_key("tunnel(vxlan(gbp(id=0)))").tunnel == Tunnel(vxlan={"gbp": {"id": 0}})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("erspan(ver=1/0,idx=0x5/0)", "erspan(idx=0x5/0)"),
        ("erspan(idx=0x5/0)", "erspan(idx=0x5/0)"),
        ("erspan(ver=2/0,dir=1/0,hwid=0x7/0)", "erspan()"),
        ("erspan()", "erspan()"),
        ("gtpu()", "gtpu()"),
        ("gtpu(flags=0x30/0)", "gtpu()"),
        ("geneve()", "geneve()"),
    ],
)
def test_options_that_match_anything_are_read_as_they_are_shown(text: str, plain: str) -> None:
    assert format_key(*parse_match(f"tunnel({text})")) == f"tunnel({plain})"


def test_flags_that_an_old_version_does_not_know_again() -> None:
    old = "ttl=64,key6(bad key length 1, expected 0)(01)geneve({class=0x102,type=0x80,len=4,0x70006})"
    assert parse_key(f"tunnel({old},flags(key))") == parse_key(
        "tunnel(ttl=64,geneve({class=0x102,type=0x80,len=4,0x70006}),flags(csum))"
    )
    key, mask = parse_match("tunnel(key5(bad key length 1, expected 0)(00/(bad mask length 1, expected 0)(ff)ttl=1)")
    assert format_key(key, mask) == "tunnel(ttl=1,flags(-df))"


def test_a_mask_without_an_attribute_wildcards_it() -> None:
    key = parse_key("tunnel(tun_id=1,src=1.1.1.1,ttl=64,erspan(ver=1,idx=5),vxlan(gbp(id=1)),flags(df))")
    mask = FlowMask(tunnel=Tunnel(ttl=255))
    assert format_key(key, mask) == "tunnel(ttl=64,erspan(idx=0x5/0),vxlan(gbp()),flags(+key))"
    assert format_key(key, mask, verbose=True) == (
        "tunnel(tun_id=0x1/0,src=1.1.1.1/0.0.0.0,ttl=64,erspan(ver=1/0,idx=0x5/0),vxlan(gbp(id=1/0,flags=0/0)),"
        "flags(+key))"
    )


def test_an_exact_mask_of_geneve_options_leaves_the_reserved_bits_out() -> None:
    key = parse_key("tunnel(geneve({class=0x102,type=0x80,len=4,0xa}{class=0x1,type=0,len=0}))")
    mask = FlowMask.exact(key)
    assert mask.to_bytes()[8:] == bytes.fromhex("ffffff1f ffffffff ffffff1f")
    assert mask == parse_match(str(key))[1].replace(tunnel=mask.tunnel)


def test_masks_of_geneve_options_are_told_apart_by_the_value() -> None:
    options = GeneveOptions([GeneveOption(1, 2, bytes(4)), GeneveOption(3, 4)])
    mask = GeneveOptions([GeneveOption(0xFFFF, 0, b"\xff" * 4, 0x1F), GeneveOption(0, 0xFF, b"", 0x1F)])
    assert list(mask.under(options)) == [
        GeneveOption(0xFFFF, 0, b"\xff" * 4, 0x1F),
        GeneveOption(0, 0xFF, b"", 0x1F),
    ]
    assert len(options) == 2


def test_options_that_are_cut_short_are_shown_as_the_tool_shows_them() -> None:
    key = FlowKey(tunnel=Tunnel(geneve=GeneveOptions.of_raw(bytes.fromhex("00010205"))))
    assert key.format() == "tunnel(geneve(opt len 24 greater than remaining 4),flags(0))"
    assert str(key) == "tunnel(key8(00 01 02 05),flags(0))"
    mask = FlowMask(tunnel=Tunnel(geneve=GeneveOptions.of_raw(bytes(8))))
    assert format_key(key, mask) == "tunnel(geneve(value len 4 different from mask len 8))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tunnel(foo=1)", "unknown tunnel field 'foo'"),
        ("tunnel(ttl=1,ttl=2)", "given twice"),
        ("tunnel(ttl=1 dst=1.1.1.1)", "expected"),
        ("tunnel(flags(foo))", "unknown flag"),
        ("tunnel(flags(0x10))", "at most 0xf"),
        ("tunnel(flags(+[10]))", "at most 0xf"),
        ("tunnel(key4(0102))", "these bytes are no ttl: expected 1 bytes, found 2"),
        ("tunnel(key4(bad key length 2, expected 1)(0102))", "key4 has 2 bytes, which is not its length"),
        ("tunnel(erspan(idx=1))", "ver=1 or ver=2"),
        ("tunnel(erspan(ver=3))", "ver=1 or ver=2"),
        ("tunnel(erspan(ver=1,hwid=1))", "hwid does not go with ver=1"),
        ("tunnel(erspan(ver=2,hwid=0x40))", "out of range"),
        ("tunnel(geneve({class=1,len=5}))", "a multiple of 4"),
        ("tunnel(geneve({class=1,len=0,0x1}))", "too large"),
        ("tunnel(geneve({class=1))", "the option's data"),
        ("tunnel(vxlan(gbp(id=65536)))", "too large"),
        ("tunnel(vxlan(foo(1)))", "unknown field 'foo'"),
        ("tunnel(df(1))", "unknown tunnel field 'df'"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message.replace("(", r"\(")):
        parse_match(text)


@pytest.mark.parametrize(
    "wire",
    ["05000800 00000000", "08000f00 01000000", "05000500 00000000", "06000000 00000000", "0c000b00 06000100 0000"],
)
def test_malformed_bytes_are_decode_errors(wire: str) -> None:
    with pytest.raises(DecodeError):
        Tunnel.from_bytes(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "values",
    [
        {"geneve": [GeneveOption(data=b"123")]},
        {"geneve": [GeneveOption(class_=1 << 16)]},
        {"geneve": b"1234"},
        {"erspan": 5},
        {"gtpu": "x"},
        {"tun_id": 1 << 64},
    ],
    ids=str,
)
def test_impossible_values_are_encode_errors(values: dict[str, object]) -> None:
    with pytest.raises(EncodeError):
        Tunnel(**values)
