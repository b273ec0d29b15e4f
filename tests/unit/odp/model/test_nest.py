"""Collections of attributes as values: reading, building, changing, comparing, masking."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layers import Ethernet, Ipv4, Mpls
from dpif.odp.model.tunnel import Tunnel

KEY = FlowKey(in_port=1, eth=Ethernet(src="02:00:00:00:00:01"), eth_type=0x0800, ipv4={"src": "10.0.0.1", "ttl": 64})


def test_attributes_are_read_by_name_and_keep_their_order() -> None:
    assert [name for name, _ in KEY.items()] == ["in_port", "eth", "eth_type", "ipv4"]
    assert KEY.ipv4 == Ipv4(src="10.0.0.1", ttl=64)
    assert KEY.ipv6 is None
    assert "eth" in KEY
    assert "ipv6" not in KEY
    assert len(KEY) == 4
    assert FlowKey()
    assert [number for number, _ in FlowKey.from_bytes(KEY.to_bytes()).kept()] == [3, 4, 6, 7]


def test_order_is_no_part_of_the_value() -> None:
    one, other = FlowKey(in_port=1, skb_mark=2), FlowKey(skb_mark=2, in_port=1)
    assert one == other
    assert hash(one) == hash(other)
    assert one.to_bytes() != other.to_bytes()
    assert one != FlowKey(in_port=1)
    assert one != Tunnel()


def test_unknown_attributes_stay_where_they_are() -> None:
    data = bytes.fromhex("06006300 01020000 08000300 01000000")
    key = FlowKey.from_bytes(data)
    assert key.to_bytes() == data
    assert key.unknown == ((0x63, b"\1\2"),)
    assert str(key) == "key99(01 02),in_port(1)"


def test_flag_bits_of_an_attribute_s_type_are_not_part_of_its_number() -> None:
    assert FlowKey.from_bytes(bytes.fromhex("08000380 01000000")) == FlowKey(in_port=1)


def test_replace_changes_adds_and_takes_out() -> None:
    key = KEY.replace(in_port=2, eth=None, skb_mark=5)
    assert key == FlowKey(in_port=2, eth_type=0x0800, ipv4=KEY.ipv4, skb_mark=5)
    assert KEY.in_port == 1
    assert Tunnel(df=True, csum=True).replace(df=False) == Tunnel(csum=True)


def test_masking_clears_what_the_mask_does_not_cover() -> None:
    mask = FlowMask(in_port=0xFF, ipv4=Ipv4(src="255.0.0.0"), skb_mark=1)
    assert FlowKey(in_port=0x101, ipv4=Ipv4(src="10.1.1.1", ttl=5), skb_priority=7).masked(mask) == FlowKey(
        in_port=1, ipv4=Ipv4(src="10.0.0.0"), skb_priority=0
    )
    tunnel = FlowKey(tunnel=Tunnel(tun_id=5, ttl=64, df=True))
    assert tunnel.masked(FlowMask(tunnel=Tunnel(ttl=0xF))) == FlowKey(tunnel=Tunnel(tun_id=0, ttl=0))


def test_an_exact_mask_matches_every_attribute_of_the_key() -> None:
    mask = FlowMask.exact(
        FlowKey(in_port=1, ct_state=0x20, mpls=(Mpls(label=1), Mpls(label=2)), tunnel=Tunnel(df=True))
    )
    assert mask == FlowMask(
        in_port=0xFFFFFFFF, ct_state=0xFF, mpls=(Mpls.full(), Mpls.full()), tunnel=Tunnel(df=True)
    )
    assert KEY.zero_mask() == FlowMask(in_port=0, eth=Ethernet(), eth_type=0, ipv4=Ipv4())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"in_port": -1}, "in_port: -1 is out of range"),
        ({"in_port": "v0"}, "in_port: expected an int"),
        ({"eth": 5}, "eth: expected Ethernet or a mapping"),
        ({"ipv4": {"src": "nowhere"}}, "ipv4.Ipv4.src: expected an IPv4 address"),
        ({"ipv6": {"src": "10.0.0.1"}}, "ipv6.Ipv6.src: expected an IPv6 address"),
        ({"eth": {"src": "1:2"}}, "eth.Ethernet.src: expected a MAC address"),
        ({"mpls": []}, "mpls: expected 1 to 3 entries"),
        ({"mpls": 5}, "mpls: expected Mpls entries"),
        ({"ct_label": 1 << 128}, "ct_label: expected a number of up to 128 bits"),
        ({"tunnel": 1}, "tunnel: expected Tunnel or a mapping"),
        ({"tunnel": {"df": 1}}, "tunnel.df: expected True"),
        ({"tcp_flags": 1 << 16}, "tcp_flags: expected flags"),
        ({"ipv6_exthdrs": 5}, "ipv6_exthdrs: expected up to"),
    ],
    ids=lambda item: str(item)[:30],
)
def test_impossible_values_are_encode_errors_with_the_path(values: dict[str, object], message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        FlowKey(**values)
    assert str(caught.value).startswith(message)


def test_a_name_that_is_none_suggests_a_close_one() -> None:
    with pytest.raises(TypeError, match="did you mean 'in_port'"):
        FlowKey(in_prot=1)
    with pytest.raises(TypeError, match="did you mean 'src'"):
        Ethernet(scr="00:00:00:00:00:01")
    with pytest.raises(TypeError, match="it has src, dst"):
        Ethernet(zzz=1)


@pytest.mark.parametrize(
    ("wire", "path", "offset"),
    [
        ("07000300 010000", "IN_PORT", 4),
        ("08000300 01000000 08000300 01000000", "IN_PORT", 12),
        ("0c001000 05000400 40000000 00", "", 12),
        ("0c001000 06000400 40000000", "TUNNEL.TTL", 8),
        ("0300", "", 0),
    ],
)
def test_malformed_bytes_are_decode_errors_with_path_and_offset(wire: str, path: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        FlowKey.from_bytes(bytes.fromhex(wire))
    assert caught.value.path == path
    assert caught.value.offset == offset


def test_the_last_attribute_of_a_nest_needs_no_padding() -> None:
    assert FlowKey.from_bytes(bytes.fromhex("0a000100 06000600 0800")).encap == FlowKey(eth_type=0x0800)


def test_nests_without_end_are_a_decode_error() -> None:
    data = b""
    for _ in range(16000):
        data = (len(data) + 4).to_bytes(2, "little") + b"\1\0" + data
    with pytest.raises(DecodeError, match="nested more than"):
        FlowKey.from_bytes(data)


def test_repr_tells_the_text() -> None:
    assert repr(FlowKey(in_port=1)) == "<FlowKey in_port(1)>"
    assert repr(FlowMask()) == "<FlowMask empty>"


def test_an_attribute_that_is_there_is_taken_by_its_name() -> None:
    key = FlowKey(in_port=2, ipv4={"dst": "10.0.0.2"})
    assert key["in_port"] == 2
    assert key["ipv4"] == key.ipv4
    with pytest.raises(KeyError, match="there is no 'udp' here; those that are: in_port, ipv4"):
        key["udp"]
    with pytest.raises(KeyError, match="there is no 'replace' here"):
        key["replace"]
    with pytest.raises(TypeError, match="by its name, not by 0"):
        list(key)  # type: ignore[call-overload]
