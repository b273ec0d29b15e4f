from __future__ import annotations

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from dpif.errors import EncodeError, ParseError
from dpif.packet import build
from dpif.packet.addresses import BROADCAST

A, B = "00:00:00:00:00:01", "00:00:00:00:00:02"
ETHER = Ether(src=A, dst=B)
V4 = ("10.0.0.1", "10.0.0.2")
V6 = ("fc00::1", "fc00::2")
IP4 = IP(src=V4[0], dst=V4[1], id=0)
IP6 = IPv6(src=V6[0], dst=V6[1], hlim=64)

# What we build, and the same built by scapy, which fills in lengths and checksums by itself.
SAME = {
    "arp request": (build.arp_request(A, *V4), ARP(hwsrc=A, psrc=V4[0], hwdst="00:00:00:00:00:00", pdst=V4[1])),
    "arp reply": (build.arp_reply(A, V4[0], B, V4[1]), ARP(op=2, hwsrc=A, psrc=V4[0], hwdst=B, pdst=V4[1])),
    "udp": (build.udp(*V4, 1234, 53, b"abc"), IP4 / UDP(sport=1234, dport=53) / b"abc"),
    "udp6": (build.udp(*V6, 1234, 53, b"abc"), IP6 / UDP(sport=1234, dport=53) / b"abc"),
    "udp empty": (build.udp(*V4, 1234, 53), IP4 / UDP(sport=1234, dport=53)),
    "tcp": (
        build.tcp(*V4, 1234, 80, b"GET", flags=0x18, seq=7, ack=9, window=512),
        IP4 / TCP(sport=1234, dport=80, flags="PA", seq=7, ack=9, window=512) / b"GET",
    ),
    "tcp6 options": (
        build.tcp(*V6, 1, 2, flags=2, options=bytes.fromhex("020405b4"), ttl=9, tos=4),
        IPv6(src=V6[0], dst=V6[1], hlim=9, tc=4)
        / TCP(sport=1, dport=2, flags="S", window=0xFFFF, options=[("MSS", 1460)]),
    ),
    "echo": (build.echo(*V4, ident=3, seq=4, payload=b"x"), IP4 / ICMP(id=3, seq=4) / b"x"),
    "echo reply": (build.echo(*V4, reply=True), IP4 / ICMP(type=0, id=1, seq=1)),
    "echo6": (build.echo(*V6, ident=3, seq=4, payload=b"x"), IP6 / ICMPv6EchoRequest(id=3, seq=4, data=b"x")),
    "echo6 reply": (build.echo(*V6, reply=True), IP6 / ICMPv6EchoReply(id=1, seq=1)),
    "solicit": (
        build.neighbour_solicit(A, V6[0], V6[1]),
        IPv6(src=V6[0], dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt=V6[1]) / ICMPv6NDOptSrcLLAddr(lladdr=A),
    ),
    "advert": (
        build.neighbour_advert(A, V6[0], V6[1]),
        IPv6(src=V6[0], dst=V6[1], hlim=255) / ICMPv6ND_NA(tgt=V6[0], R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=A),
    ),
    "ip": (
        build.ip(*V4, 200, b"12", fragment=0x2001, tos=1),
        IP(src=V4[0], dst=V4[1], proto=200, id=0, flags="MF", frag=1, tos=1) / Raw(b"12"),
    ),
    "options": (
        build.ip(*V6, 0, build.options_header(17, b"12345678")),
        IP6 / IPv6ExtHdrHopByHop(nh=17, options=[PadN(optdata=bytes(4))]) / Raw(b"12345678"),
    ),
    "fragment": (
        build.ip(*V6, 44, build.fragment_header(17, b"12345678", offset=2, more=True, ident=5)),
        IP6 / IPv6ExtHdrFragment(nh=17, offset=2, m=1, id=5) / Raw(b"12345678"),
    ),
    "vlan": (
        build.vlan(5, build.udp(*V4, 1, 2), pcp=3, dei=1),
        Dot1Q(vlan=5, prio=3, dei=1) / IP4 / UDP(sport=1, dport=2),
    ),
    "double vlan": (
        build.vlan(6, build.vlan(5, build.udp(*V6, 1, 2)), tpid=0x88A8),
        Dot1AD(vlan=6) / Dot1Q(vlan=5) / IP6 / UDP(sport=1, dport=2),
    ),
    "mpls": (
        build.mpls(16, build.mpls(17, build.udp(*V4, 1, 2), tc=1), ttl=3),
        MPLS(label=16, s=0, ttl=3) / MPLS(label=17, cos=1, s=1, ttl=64) / IP4 / UDP(sport=1, dport=2),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), SAME.values(), ids=SAME)
def test_the_same_bytes_as_scapy(ours, theirs):
    assert build.ethernet(A, B, ours) == bytes(ETHER / theirs)


def test_solicited_node_addresses():
    mac, group = build.solicited_node("fe80::1234:5678")
    assert str(mac) == "33:33:ff:34:56:78"
    assert str(group) == "ff02::1:ff34:5678"


def test_plain_bytes_need_an_ethertype():
    assert build.ethernet(A, BROADCAST, b"12", 0x88B5)[12:] == b"\x88\xb512"
    with pytest.raises(EncodeError, match="ethertype"):
        build.ethernet(A, BROADCAST, b"12")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: build.udp("10.0.0.1", "fc00::1", 1, 2), "different IP versions"),
        (lambda: build.udp(*V4, 65536, 2), "UDP header is out of range"),
        (lambda: build.udp(*V4, 1, 2, bytes(65536)), "out of range"),
        (lambda: build.tcp(*V4, 1, 2, options=b"1"), "TCP options of 1 bytes"),
        (lambda: build.tcp(*V4, 1, 2, flags=0x1000), "flags"),
        (lambda: build.ip(*V4, 1, options=bytes(44)), "IPv4 options of 44 bytes"),
        (lambda: build.ip(*V6, 1, label=1 << 20), "flow label"),
        (lambda: build.ip(*V6, 1, tos=256), "traffic class"),
        (lambda: build.vlan(4096, build.udp(*V4, 1, 2)), "VLAN id 4096"),
        (lambda: build.mpls(1 << 20, b""), "MPLS label"),
        (lambda: build.options_header(17, b"", b"123"), "multiple of 8"),
        (lambda: build.arp_request(A, *V6), "IPv4"),
        (lambda: build.neighbour_solicit(A, *V4), "IPv6"),
    ],
)
def test_what_cannot_be_built(make, reason):
    with pytest.raises(EncodeError, match=reason):
        make()


def test_a_text_that_is_no_address():
    with pytest.raises(ParseError, match=r"'10\.0\.0' is not an IP address"):
        build.udp("10.0.0", "10.0.0.1", 1, 2)
