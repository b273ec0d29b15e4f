"""What a packet's key says. Every packet here is of a kind that is compared with the kernel's upcalls elsewhere."""

from __future__ import annotations

import struct
from random import Random

import pytest

from dpif.odp.constants import FragType, Ipv6ExtHdr
from dpif.odp.extraction import extract, extract_flat, extract_for
from dpif.odp.kernel.match import explain_match
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.kernel.swkey import ETHERNET_METADATA, get
from dpif.odp.model.key import FlowKey, parse_key
from dpif.odp.model.layers import Arp, Icmp, Ipv4, Ipv6, NeighborDiscovery, Tcp, Udp
from dpif.odp.model.tunnel import Tunnel
from dpif.testing import odd_packets

MACS = bytes.fromhex("020000000002 020000000001")
UDP = struct.pack("!HHHH", 53, 99, 8, 0)
TCP = struct.pack("!HHIIHHHH", 1000, 80, 1, 2, 0x5012, 0, 0, 0)


def frame(eth_type: int, payload: bytes = b"") -> bytes:
    return MACS + struct.pack("!H", eth_type) + payload


def ipv4(proto: int, payload: bytes, *, words: int = 5, fragment: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x40 | words, 4, 20, 1, fragment, 64, proto, 0)
    return frame(0x0800, head + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + bytes(4 * (words - 5)) + payload)


def ipv6(proto: int, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 0x60512345, len(payload), proto, 64)
    return frame(0x86DD, head + bytes(15) + b"\1" + bytes(15) + b"\2" + payload)


def flat(packet: bytes, features: Features = Features()) -> int:  # noqa: B008
    return extract_flat(packet, ETHERNET_METADATA, features)


def test_a_whole_key_in_the_kernels_order() -> None:
    assert str(extract(ipv4(17, UDP), 3)) == (
        "recirc_id(0),dp_hash(0),skb_priority(0),in_port(3),skb_mark(0),ct_state(0),ct_zone(0),ct_mark(0),ct_label(0),"
        "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
        "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0x4,ttl=64,frag=no),udp(src=53,dst=99)"
    )


def test_tcp_has_its_flags() -> None:
    key = extract(ipv4(6, TCP, words=6), 1)
    assert (key.tcp, key.tcp_flags) == (Tcp(src=1000, dst=80), 0x12)


@pytest.mark.parametrize("offset", [4, 6, 15])
def test_a_tcp_header_that_does_not_fit_leaves_zero_ports(offset: int) -> None:
    key = extract(ipv4(6, TCP[:12] + bytes([offset << 4]) + TCP[13:]), 1)
    assert (key.tcp, key.tcp_flags) == (Tcp(), 0)


def test_a_cut_transport_header_leaves_zero_ports() -> None:
    assert extract(ipv4(17, UDP[:7]), 1).udp == Udp()
    assert extract(ipv4(1, bytes([8, 0, 0, 0])), 1).icmp == Icmp()


@pytest.mark.parametrize(
    ("fragment", "frag", "has_ports"),
    [(0x4000, FragType.NONE, True), (0x2000, FragType.FIRST, True), (0x2001, FragType.LATER, False), (1, 2, False)],
)
def test_ipv4_fragments(fragment: int, frag: int, has_ports: bool) -> None:
    key = extract(ipv4(17, UDP, fragment=fragment), 1)
    assert key.ipv4 is not None
    assert key.ipv4.frag == frag
    assert (key.udp is not None) == has_ports


@pytest.mark.parametrize("packet", [ipv4(17, b"")[:33], ipv4(17, UDP).replace(b"\x45\4", b"\x44\4"), frame(0x0800)])
def test_a_bad_ipv4_header_is_all_zero(packet: bytes) -> None:
    key = extract(packet, 1)
    assert key.ipv4 == Ipv4()
    assert key.udp is None


def test_ipv6() -> None:
    key = extract(ipv6(17, UDP), 1)
    assert key.ipv6 == Ipv6(src="::1", dst="::2", label=0x12345, proto=17, tclass=5, hlimit=64)
    assert key.udp == Udp(src=53, dst=99)


def chain(*headers: int, last: int = 17, payload: bytes = UDP) -> bytes:
    """An IPv6 packet with extension headers of 8 bytes each."""
    body = b"".join([bytes([following]) + bytes(7) for following in [*headers[1:], last]])
    return ipv6(headers[0], body + payload)


HOP, ROUTER, FRAG, AUTH, DEST, NONE = 0, 43, 44, 51, 60, 59


@pytest.mark.parametrize(
    ("packet", "flags"),
    [
        (chain(HOP), Ipv6ExtHdr.HOP),
        (
            chain(HOP, DEST, ROUTER, FRAG, DEST),
            Ipv6ExtHdr.HOP | Ipv6ExtHdr.DEST | Ipv6ExtHdr.ROUTER | Ipv6ExtHdr.FRAG,
        ),
        (chain(DEST, HOP), Ipv6ExtHdr.DEST | Ipv6ExtHdr.UNSEQ),
        (chain(ROUTER, ROUTER), Ipv6ExtHdr.ROUTER | Ipv6ExtHdr.UNREP | Ipv6ExtHdr.UNSEQ),
        (chain(DEST, DEST, DEST), Ipv6ExtHdr.DEST | Ipv6ExtHdr.UNREP),
        (chain(HOP, last=NONE), Ipv6ExtHdr.HOP | Ipv6ExtHdr.NONEXT),
    ],
)
def test_ipv6_extension_headers(packet: bytes, flags: int) -> None:
    assert get(flat(packet), "ipv6.exthdrs") == flags


def test_an_authentication_header_behind_a_fragment_header() -> None:
    both = Ipv6ExtHdr.FRAG | Ipv6ExtHdr.AUTH
    assert get(flat(chain(FRAG, AUTH)), "ipv6.exthdrs") == both
    mistaken = Features(ah_follows_fragment=False)
    assert get(flat(chain(FRAG, AUTH), mistaken), "ipv6.exthdrs") == both | Ipv6ExtHdr.UNSEQ


def test_an_extension_header_that_is_longer_than_the_packet() -> None:
    packet = ipv6(HOP, bytes([17, 200]) + bytes(14))
    assert get(flat(packet), "ip.proto") == NONE
    assert get(flat(packet, Features(exthdrs_must_fit=False)), "ip.proto") == 17


def test_ipv6_fragments() -> None:
    first = ipv6(FRAG, struct.pack("!BBHI", 17, 0, 1, 7) + UDP)
    later = ipv6(FRAG, struct.pack("!BBHI", 17, 0, 8, 7) + UDP)
    behind = ipv6(FRAG, struct.pack("!BBHI", DEST, 0, 8, 7) + UDP)
    assert (get(flat(first), "ip.frag"), get(flat(first), "ip.proto")) == (FragType.FIRST, 17)
    assert (get(flat(later), "ip.frag"), get(flat(later), "ip.proto")) == (FragType.LATER, FRAG)
    # With more extension headers behind it, the kernel finds no later fragment and no protocol.
    assert (get(flat(behind), "ip.frag"), get(flat(behind), "ip.proto")) == (FragType.FIRST, NONE)


def solicitation(*options: bytes, code: int = 0) -> bytes:
    return ipv6(58, bytes([135, code]) + bytes(6) + bytes(15) + b"\3" + b"".join(options))


SOURCE = bytes([1, 1, 2, 0, 0, 0, 0, 1])
TARGET = bytes([2, 1, 2, 0, 0, 0, 0, 2])


def test_neighbour_discovery() -> None:
    nd = NeighborDiscovery(target="::3", sll="02:00:00:00:00:01", tll="02:00:00:00:00:02")
    assert extract(solicitation(SOURCE, TARGET), 1).nd == nd
    assert extract(solicitation(SOURCE, TARGET, bytes(8), SOURCE), 1).nd == nd  # an option without a length ends it
    assert extract(solicitation(SOURCE, SOURCE), 1).nd == NeighborDiscovery()
    assert extract(solicitation(SOURCE)[:-20], 1).nd == NeighborDiscovery()
    assert extract(solicitation(SOURCE, code=1), 1).nd == NeighborDiscovery()


def arp(operation: int, kind: str = "0001 0800 06 04") -> bytes:
    head = bytes.fromhex(kind) + struct.pack("!H", operation)
    return frame(0x0806, head + bytes([2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2]))


def test_arp() -> None:
    found = Arp(sip="10.0.0.1", tip="10.0.0.2", op=1, sha="02:00:00:00:00:01", tha="02:00:00:00:00:02")
    assert extract(arp(1), 1).arp == found
    assert extract(arp(257), 1).arp == found.replace(op=0)
    assert extract(arp(1, "0006 0800 06 04"), 1).arp == Arp()
    assert extract(arp(1)[:-1], 1).arp == Arp()


def test_vlan_tags() -> None:
    tagged = MACS + bytes.fromhex("88a80005 8100e006 8100e007 0800")
    key = extract(tagged, 1)
    assert (
        "eth_type(0x88a8),vlan(vid=5,pcp=0),encap(eth_type(0x8100),vlan(vid=6,pcp=7),encap(eth_type(0x8100)))"
        in str(key)
    )


def test_a_tag_that_is_cut_short_is_told_as_an_empty_one() -> None:
    key = extract(MACS + bytes.fromhex("81000005 00"), 1)
    assert (key.eth_type, key.encap) == (0, FlowKey())
    assert key.vlan is not None
    assert key.vlan.to_bytes() == b"\0\0"


@pytest.mark.parametrize(
    ("llc", "eth_type"),
    [
        ("aaaa03 000000 0806", 0x0806),
        ("aaaa07 000000 0806", 0x0806),  # the kernel does not look at the control field
        ("aaab03 000000 0806", None),
        ("aaaa03 000001 0806", None),
        ("aaaa03 000000 0005", None),
        ("aaaa03 000000 08", None),
    ],
)
def test_llc_snap(llc: str, eth_type: int | None) -> None:
    assert extract(frame(20, bytes.fromhex(llc)), 1).eth_type == eth_type


def labels(*entries: int) -> int | None:
    found = extract(frame(0x8847, struct.pack(f"!{len(entries)}I", *entries)), 1).mpls
    return None if found is None else len(found)


def test_mpls_labels() -> None:
    assert labels(0x1100) == 1
    assert labels(0x1000, 0x2000, 0x3100) == 3
    assert labels(0x1000, 0x2000, 0x3000, 0x4100) == 3
    assert labels(0x1000) == 0  # no bottom of the stack
    key = extract(frame(0x8847, b"\0"), 1)
    assert FlowKey.from_bytes(key.to_bytes()) == key


def nsh(first: int, mdtype: int, size: int) -> bytes:
    return frame(0x894F, struct.pack("!HBBI", first, mdtype, 3, 0x101) + bytes(size - 8))


def test_nsh() -> None:
    key = extract(nsh(63 << 6 | 6, 1, 24), 1)
    assert "nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1,si=1,c1=0x0" in str(key)
    key = extract(nsh(63 << 6 | 2, 2, 8), 1)
    assert key.nsh is not None
    assert key.nsh.md1 is None


@pytest.mark.parametrize(
    "packet",
    [
        frame(0x894F),
        nsh(1 << 14 | 6, 1, 24),  # version 1
        nsh(6, 1, 20),  # cut
        nsh(7, 1, 28),  # too long for its type
        nsh(6, 3, 24),  # no such type
    ],
)
def test_a_bad_nsh_header_is_refused(packet: bytes) -> None:
    with pytest.raises(RuleBroken, match="nsh-header"):
        extract(packet, 1)


def test_a_frame_without_a_whole_ethernet_header_is_refused() -> None:
    with pytest.raises(RuleBroken, match="short-packet"):
        extract(MACS + b"\x08", 1)


def test_a_packet_without_an_ethernet_header() -> None:
    key = extract(ipv4(17, UDP)[14:], 1, eth_type=0x0800)
    assert (key.eth, key.eth_type, key.udp) == (None, 0x0800, Udp(src=53, dst=99))
    with pytest.raises(RuleBroken, match="vlan-without-ethernet"):
        extract(b"", 1, eth_type=0x8100)


def test_metadata_by_keyword() -> None:
    tunnel = Tunnel(src="10.0.0.1", dst="10.0.0.2", ttl=64)
    key = extract(frame(0x1234), 5, skb_priority=1, skb_mark=2, recirc_id=3, dp_hash=4, ct_mark=6, tunnel=tunnel)
    assert (key.in_port, key.skb_priority, key.skb_mark, key.recirc_id, key.dp_hash) == (5, 1, 2, 3, 4)
    assert (key.ct_mark, key.tunnel) == (6, tunnel)
    with pytest.raises(RuleBroken, match="out-of-range"):
        extract(frame(0x1234), 1 << 16)


def test_a_conntrack_tuple_must_fit_the_packet() -> None:
    tuple4 = parse_key("ct_state(trk),ct_tuple4(src=10.0.0.9,dst=10.0.0.8,proto=17,tp_src=1,tp_dst=2)")
    tuple6 = parse_key("ct_state(trk),ct_tuple6(src=::9,dst=::8,proto=17,tp_src=1,tp_dst=2)")
    assert get(extract_for(ipv4(17, UDP), tuple4), "ipv4.ct_orig.src") == 0x0A000009
    assert get(extract_for(ipv6(17, UDP), tuple6), "ipv6.ct_orig.src") == 9
    for packet, key in ((ipv6(17, UDP), tuple4), (arp(1), tuple4), (ipv4(17, UDP), tuple6), (solicitation(), tuple6)):
        with pytest.raises(RuleBroken, match="ct-tuple"):
            extract_for(packet, key)


def test_no_packet_surprises_the_reader() -> None:
    """Whatever the bytes, there is a key or a refusal; the key survives the wire, and is one to install."""
    random = Random(5)
    for whole in odd_packets.packets(random):
        for packet in (whole, *odd_packets.mutations(whole, random, 3)):
            try:
                key = extract(packet, 1)
            except RuleBroken:
                continue
            assert FlowKey.from_bytes(key.to_bytes()) == key
            broken = explain_match(key)
            assert broken is None or broken.rule in (
                "mpls-labels",
                "eth-type",
                "vlan-unexpected",
                "missing-attribute",
            )
