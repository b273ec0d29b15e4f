from __future__ import annotations

import pytest
from by_hand.megaflow import Identity, Megaflow, MegaflowTable, encode_outputs, identify

from dpif.errors import DecodeError
from dpif.odp.actions import Actions
from dpif.odp.extraction import extract
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key
from dpif.packet.build import arp_request, ethernet, vlan

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
MAC_A, MAC_B = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")
ARP = arp_request(A, "10.0.0.1", "10.0.0.2")


def seen(packet: bytes, in_port: int = 1) -> tuple[Identity, bytes]:
    """What the switch makes of a packet, and the key that a datapath would send up with it."""
    key = extract(packet, in_port).to_bytes()
    return identify(packet, key), key


def shown(packet: bytes) -> str:
    """The text of the flow for a packet."""
    identity, key = seen(packet)
    flow = Megaflow(identity, key, now=0)
    return format_key(FlowKey.from_bytes(flow.key), FlowMask.from_bytes(flow.mask))


def test_an_untagged_packet_is_identified_by_port_and_addresses() -> None:
    identity, _ = seen(ethernet(A, B, ARP), in_port=7)
    assert identity == Identity(7, b"\0\0" + MAC_A, b"\0\0" + MAC_B, b"")


def test_an_untagged_flow_matches_port_and_addresses_alone() -> None:
    assert shown(ethernet(A, B, ARP)) == f"in_port(1),eth(src={A},dst={B})"


def test_a_tagged_flow_matches_the_vlan_and_the_ethertype_but_not_the_priority() -> None:
    assert shown(ethernet(A, B, vlan(5, ARP))) == (
        f"in_port(1),eth(src={A},dst={B}),eth_type(0x8100),vlan(vid=5),encap(eth_type(0x0806))"
    )


def test_of_an_inner_tag_a_flow_matches_that_it_is_there() -> None:
    assert shown(ethernet(A, B, vlan(5, vlan(0, ARP), tpid=0x88A8))) == (
        f"in_port(1),eth(src={A},dst={B}),eth_type(0x88a8),vlan(vid=5),"
        "encap(eth_type(0x8100),vlan(),encap(eth_type(0x0806)))"
    )


@pytest.mark.parametrize("inner", [ARP, vlan(6, ARP)])
def test_stations_of_different_vlans_are_different(inner: bytes) -> None:
    five, _ = seen(ethernet(A, B, vlan(5, inner)))
    six, _ = seen(ethernet(A, B, vlan(6, inner)))
    assert five.source != six.source
    assert five.destination != six.destination
    assert five.source == b"\0\5" + MAC_A


def test_priority_and_inner_vlan_are_no_part_of_the_identity() -> None:
    one, _ = seen(ethernet(A, B, vlan(5, vlan(6, ARP), pcp=1)))
    other, _ = seen(ethernet(A, B, vlan(5, vlan(7, ARP), pcp=2)))
    assert one == other
    assert one.ufid() == other.ufid()


def test_whatever_a_flow_matches_is_part_of_its_ufid() -> None:
    packets = [
        ethernet(A, B, ARP),
        ethernet(B, A, ARP),
        ethernet(A, B, vlan(5, ARP)),
        ethernet(A, B, vlan(6, ARP)),
        ethernet(A, B, vlan(5, ARP, tpid=0x88A8)),
        ethernet(A, B, vlan(5, vlan(6, ARP))),
        ethernet(A, B, vlan(5, b"", ethertype=0x1234)),
    ]
    ufids = {seen(packet, in_port)[0].ufid() for packet in packets for in_port in (1, 2)}
    assert len(ufids) == 2 * len(packets)
    assert {len(ufid) for ufid in ufids} == {16}


def test_a_tag_that_is_cut_short_is_no_tag() -> None:
    identity, _ = seen(ethernet(A, B, b"\0\5", ethertype=0x8100))
    assert identity.tags == b""


@pytest.mark.parametrize(
    ("packet", "key"),
    [
        (b"short", FlowKey(in_port=1).to_bytes()),
        (ethernet(A, B, ARP), b""),
        (ethernet(A, B, ARP), FlowKey(skb_mark=1).to_bytes()),
        (ethernet(A, B, ARP), b"\x08\0\x03"),
    ],
)
def test_what_cannot_be_switched_is_refused(packet: bytes, key: bytes) -> None:
    with pytest.raises(DecodeError):
        identify(packet, key)


def test_more_tags_than_a_flow_key_has_are_refused() -> None:
    tag = "eth_type(0x8100),vlan(vid=1,pcp=0)"
    key = parse_key(f"in_port(1),eth(),{tag},encap({tag},encap({tag},encap()))").to_bytes()
    with pytest.raises(DecodeError, match="two VLAN tags"):
        identify(ethernet(A, B, vlan(1, ARP)), key)


def test_outputs() -> None:
    assert str(Actions.from_bytes(encode_outputs((0, 2, 65534)))) == "0,2,65534"
    assert encode_outputs(()) == b""


def test_a_table_finds_flows_by_what_they_concern() -> None:
    table = MegaflowTable()
    flows = [Megaflow(*seen(ethernet(src, dst, ARP)), now=0) for src, dst in ((A, B), (B, A), (A, A))]
    for flow in flows:
        table.add(flow)
    a, b = b"\0\0" + MAC_A, b"\0\0" + MAC_B
    assert table.of_station(a) == set(flows)
    assert table.of_station(b) == set(flows[:2])
    assert table.of_ufid(flows[1].ufid) is flows[1]
    assert table.get(flows[2].identity) is flows[2]
    for flow in flows[:2]:
        table.remove(flow)
        assert flow not in table
    assert table.of_station(b) == set()
    assert list(table) == flows[2:]
    table.remove(flows[0])
    assert len(table) == 1
