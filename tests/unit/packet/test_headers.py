from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from dpif.errors import DecodeError, EncodeError
from dpif.packet.addresses import Mac
from dpif.packet.headers import Arp, Ethernet, Icmp, Ipv4, Ipv6, Mpls, Tcp, Udp, Vlan

A, B = Mac("00:00:00:00:00:01"), Mac("00:00:00:00:00:02")
FOUR = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
SIX = IPv6Address("fc00::1"), IPv6Address("fc00::2")

# One value of each header, and the same made by scapy.
PAIRS = [
    (Ethernet(A, B, 0x1234), Ether(src=str(A), dst=str(B), type=0x1234)),
    (Arp(2, A, FOUR[0], B, FOUR[1]), ARP(op=2, hwsrc=str(A), psrc="10.0.0.1", hwdst=str(B), pdst="10.0.0.2")),
    (Udp(1234, 53, 20, 0xABCD), UDP(sport=1234, dport=53, len=20, chksum=0xABCD)),
    (Icmp(8, 0, 0xABCD, 0x0001_0002), ICMP(type=8, chksum=0xABCD, id=1, seq=2)),
    (
        Ipv4(*FOUR, 6, 20, tos=0xB8, ttl=3, ident=77, fragment=0x4000),
        IP(src="10.0.0.1", dst="10.0.0.2", proto=6, len=20, tos=0xB8, ttl=3, id=77, flags="DF"),
    ),
    (
        Ipv4(*FOUR, 6, 24, options=b"\x01\x01\x01\x00"),
        IP(src="10.0.0.1", dst="10.0.0.2", proto=6, len=24, id=0, options=[IPOption(b"\x01\x01\x01\x00")]),
    ),
    (
        Ipv6(*SIX, 17, 9, traffic_class=0x12, hop_limit=5, label=0x54321),
        IPv6(src="fc00::1", dst="fc00::2", nh=17, plen=9, tc=0x12, hlim=5, fl=0x54321),
    ),
    (
        Tcp(80, 8080, 1, 2, 0x012, 500, 0xABCD, 9, b"\x01\x01\x01\x01"),
        TCP(sport=80, dport=8080, seq=1, ack=2, flags="SA", window=500, chksum=0xABCD, urgptr=9,
            options=[("NOP", None)] * 4),
    ),
]  # fmt: skip
IDS = [type(ours).__name__ for ours, _ in PAIRS]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=IDS)
def test_packs_as_scapy_does(ours, theirs):
    assert ours.pack() == bytes(theirs)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=IDS)
def test_reads_what_scapy_makes(ours, theirs):
    assert type(ours).read(b"\xee" * 3 + bytes(theirs), 3) == ours


@pytest.mark.parametrize(("ours", "_theirs"), PAIRS, ids=IDS)
def test_a_header_that_is_cut(ours, _theirs):
    whole = ours.pack()
    for size in range(len(whole)):
        with pytest.raises(DecodeError, match="header"):
            type(ours).read(whole[:size], 0)


def test_vlan():
    tag = Vlan.read(bytes(Ether() / Dot1Q(vlan=5, prio=3, type=0x0800)), 14)
    assert (tag.vid, tag.pcp, tag.ethertype) == (5, 3, 0x0800)
    assert tag.pack() == bytes.fromhex("60050800")


def test_mpls():
    entry = Mpls(0x12345, 5, True, 64)
    assert entry.pack() == bytes.fromhex("12345b40")
    assert Mpls.read(entry.pack(), 0) == entry


def test_echo_fields():
    echo = Icmp(8, 0, rest=0x00070009)
    assert (echo.ident, echo.seq) == (7, 9)


def test_arp_of_another_kind():
    with pytest.raises(DecodeError, match="not for IPv4 on Ethernet"):
        Arp.read(bytes(ARP(hwtype=6, hwsrc=str(A), hwdst=str(B))) + bytes(28), 0)


@pytest.mark.parametrize(("header", "first"), [(Ipv4, 0x44), (Tcp, 0)])
def test_a_header_length_that_cannot_be(header, first):
    data = bytearray(40)
    data[0 if header is Ipv4 else 12] = first
    with pytest.raises(DecodeError, match="length is wrong"):
        header.read(data, 0)


@pytest.mark.parametrize(
    "header",
    [Udp(65536, 0, 8), Ethernet(A, B, -1), Ipv4(*FOUR, 256, 20), Icmp(0, 0, rest=1 << 32), Mpls(1 << 20, 0, True, 0)],
)
def test_a_field_out_of_range(header):
    with pytest.raises(EncodeError, match="out of range"):
        header.pack()
