from __future__ import annotations

from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrRouting
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP

from dpif.errors import DecodeError
from dpif.packet import build, edit
from dpif.packet.addresses import Mac
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6
from dpif.packet.layout import locate

A, B = "00:00:00:00:00:01", "00:00:00:00:00:02"
V4 = ("10.0.0.1", "10.0.0.2")
V6 = ("fc00::1", "fc00::2")
ALL32, ALL128 = (1 << 32) - 1, (1 << 128) - 1


def frame(payload, **options):
    return bytearray(build.ethernet(A, B, payload, **options))


def number(address):
    return int(ip_address(address))


def rebuilt(packet):
    """What scapy makes of the same headers when it computes lengths and checksums itself."""
    fields = Ether(bytes(packet))
    for layer in (IP, TCP, UDP, ICMP, SCTP):
        if layer in fields:
            del fields[layer].chksum
    if ICMPv6EchoRequest in fields:
        del fields[ICMPv6EchoRequest].cksum
    return bytes(fields)


# --- Link layer -----------------------------------------------------------------------------------------------


def test_set_ethernet():
    packet = frame(b"", ethertype=0x88B5)
    edit.set_ethernet(packet, src=(Mac("02:00:00:00:00:09"), b"\xff" * 6))
    assert packet.hex() == "00000000000202000000000988b5"
    edit.set_ethernet(packet, dst=(0xAABBCCDDEEFF, 0xFF0000), src=(0, 0xFF))
    assert packet.hex() == "000000dd000202000000000088b5"


def test_push_and_pop_ethernet():
    packet = bytearray(build.udp(*V4, 1, 2))
    edit.push_ethernet(packet, Mac(A), Mac(B), ETH_P_IP)
    assert packet == frame(build.udp(*V4, 1, 2))
    edit.pop_ethernet(packet)
    assert packet == build.udp(*V4, 1, 2)


def test_push_and_pop_vlan():
    inner = build.udp(*V4, 1, 2)
    packet = frame(inner)
    edit.push_vlan(packet, 0x6005)
    assert packet == frame(build.vlan(5, inner, pcp=3))
    edit.push_vlan(packet, 7, 0x88A8)
    assert packet == frame(build.vlan(7, build.vlan(5, inner, pcp=3), tpid=0x88A8))
    edit.pop_vlan(packet)
    edit.pop_vlan(packet)
    assert packet == frame(inner)
    edit.pop_vlan(packet)
    assert packet == frame(inner)


def test_pop_vlan_leaves_a_cut_tag():
    packet = bytearray(12) + b"\x81\x00\x00"
    edit.pop_vlan(packet)
    assert len(packet) == 15


def test_push_and_pop_mpls():
    inner = build.udp(*V4, 1, 2)
    packet = frame(inner)
    edit.push_mpls(packet, locate(packet), 17 << 12 | 0x100 | 64)
    assert packet == frame(build.mpls(17, inner))
    edit.push_mpls(packet, locate(packet), 16 << 12 | 64, 0x8848)
    assert packet == frame(build.mpls(16, build.mpls(17, inner), ethertype=0x8848))
    edit.set_mpls(packet, locate(packet), (99 << 12 | 0xFF, 0xFFFFF000))
    assert packet == frame(build.mpls(99, build.mpls(17, inner), ethertype=0x8848))
    edit.pop_mpls(packet, locate(packet), 0x8847)
    edit.pop_mpls(packet, locate(packet), ETH_P_IP)
    assert packet == frame(inner)
    edit.pop_mpls(packet, locate(packet), ETH_P_IPV6)
    assert packet == frame(inner)


def test_mpls_without_ethernet():
    packet = bytearray(build.udp(*V4, 1, 2))
    edit.push_mpls(packet, locate(packet, ETH_P_IP), 17 << 12 | 0x140)
    assert packet == build.mpls(17, build.udp(*V4, 1, 2))
    edit.pop_mpls(packet, locate(packet, 0x8847), ETH_P_IP)
    assert packet == build.udp(*V4, 1, 2)


# --- Network layer --------------------------------------------------------------------------------------------

INNER = {
    "tcp": lambda a, b, **o: build.tcp(a, b, 1000, 2000, b"data", flags=2, **o),
    "udp": lambda a, b, **o: build.udp(a, b, 1000, 2000, b"odd", **o),
    "echo": lambda a, b, **o: build.echo(a, b, payload=b"ping", **o),
}


@pytest.mark.parametrize("kind", INNER)
def test_set_every_field_of_ipv4(kind):
    packet = frame(INNER[kind](*V4))
    edit.set_ipv4(
        packet,
        locate(packet),
        src=(number("192.168.7.8"), ALL32),
        dst=(ip_address("255.255.255.255").packed, b"\xff" * 4),
        tos=(0xB8, 0xFF),
        ttl=(3, 0xFF),
    )
    assert packet == frame(INNER[kind]("192.168.7.8", "255.255.255.255", tos=0xB8, ttl=3))


@pytest.mark.parametrize("kind", INNER)
def test_set_every_field_of_ipv6(kind):
    packet = frame(INNER[kind](*V6))
    edit.set_ipv6(
        packet,
        locate(packet),
        src=(number("2001:db8::7"), ALL128),
        dst=(ip_address("ff02::1").packed, b"\xff" * 16),
        label=(0xABCDE, 0xFFFFF),
        traffic_class=(0xB8, 0xFF),
        hop_limit=(3, 0xFF),
    )
    expected = frame(INNER[kind]("2001:db8::7", "ff02::1", tos=0xB8, ttl=3))
    expected[15:18] = bytes.fromhex("8abcde")
    assert packet == expected


def test_only_bits_under_the_mask_change():
    packet = frame(build.udp(*V4, 1, 2, tos=0x03))
    edit.set_ipv4(packet, locate(packet), src=(number("172.16.0.99"), 0xFFFF0000), tos=(0xFF, 0xFC), ttl=(0xFF, 0x0F))
    assert packet == frame(build.udp("172.16.0.1", V4[1], 1, 2, tos=0xFF, ttl=0x4F))
    packet = frame(build.udp(*V6, 1, 2, tos=0x03))
    edit.set_ipv6(packet, locate(packet), traffic_class=(0xFC, 0xFC), hop_limit=(0, 0xF0), label=(0xFFFFF, 0x000FF))
    assert packet[14:18].hex() == "6ff000ff"
    assert packet[21] == 0


def test_a_wrong_checksum_stays_wrong_by_as_much():
    packet = frame(build.tcp(*V4, 1, 2))
    packet[24] ^= 0x10
    packet[50] ^= 0x10
    right = frame(build.tcp("1.2.3.4", V4[1], 1, 2))
    edit.set_ipv4(packet, locate(packet), src=(number("1.2.3.4"), ALL32))
    assert packet != right
    assert rebuilt(packet) == right


def test_udp_without_a_checksum_stays_without():
    packet = frame(build.udp(*V4, 1, 2))
    packet[40:42] = bytes(2)
    edit.set_ipv4(packet, locate(packet), src=(1, ALL32))
    edit.set_udp(packet, locate(packet), src=(9, 0xFFFF))
    assert packet[40:42] == bytes(2)
    assert packet[34:36] == b"\x00\x09"


def test_a_udp_checksum_that_becomes_zero_is_sent_as_ones():
    packet = frame(build.udp(*V4, 0, 2))
    check = int.from_bytes(packet[40:42])
    edit.set_udp(packet, locate(packet), src=(check, 0xFFFF))
    assert packet[40:42] == b"\xff\xff"
    assert rebuilt(packet) == packet
    packet = frame(build.udp("0.0.0.0", V4[1], 0, 2))
    check = int.from_bytes(packet[40:42])
    edit.set_ipv4(packet, locate(packet), src=(check, ALL32))
    assert packet[40:42] == b"\xff\xff"


def test_a_tcp_checksum_may_become_zero():
    packet = frame(build.tcp(*V4, 0, 2))
    edit.set_tcp(packet, locate(packet), src=(int.from_bytes(packet[50:52]), 0xFFFF))
    assert packet[50:52] == bytes(2)


def test_later_fragments_have_no_transport_checksum():
    packet = frame(build.ip(*V4, 17, bytes(range(16)), fragment=0x0002))
    edit.set_ipv4(packet, locate(packet), src=(number("1.2.3.4"), ALL32))
    assert packet == frame(build.ip("1.2.3.4", V4[1], 17, bytes(range(16)), fragment=0x0002))
    packet = frame(build.ip(*V6, 44, build.fragment_header(17, bytes(range(16)), offset=1)))
    edit.set_ipv6(packet, locate(packet), src=(0, ALL128))
    assert packet[54:] == build.fragment_header(17, bytes(range(16)), offset=1)


def test_a_transport_header_that_is_cut_is_left_alone():
    packet = frame(build.ip(*V4, 6, bytes(range(19))))
    edit.set_ipv4(packet, locate(packet), src=(number("1.2.3.4"), ALL32))
    assert packet == frame(build.ip("1.2.3.4", V4[1], 6, bytes(range(19))))


@pytest.mark.parametrize("segments_left", [0, 1])
def test_an_active_routing_header_keeps_the_destination_out_of_the_checksum(segments_left):
    # scapy computes the checksum over the last address of the list while segments are left.
    def routed(source, destination):
        route = IPv6ExtHdrRouting(addresses=["fc00::9"], segleft=segments_left)
        return bytearray(
            bytes(Ether(src=A, dst=B) / IPv6(src=source, dst=destination) / route / UDP(sport=1, dport=2))
        )

    packet = routed(*V6)
    edit.set_ipv6(packet, locate(packet), src=(number("fc00::5"), ALL128), dst=(number("fc00::6"), ALL128))
    assert packet == routed("fc00::5", "fc00::6")


@pytest.mark.parametrize("addresses", [V4, V6])
def test_dec_ttl(addresses):
    packet = frame(build.udp(*addresses, 1, 2, ttl=3))
    assert edit.dec_ttl(packet, locate(packet))
    assert edit.dec_ttl(packet, locate(packet))
    assert packet == frame(build.udp(*addresses, 1, 2, ttl=1))
    assert not edit.dec_ttl(packet, locate(packet))
    assert packet == frame(build.udp(*addresses, 1, 2, ttl=1))


def test_dec_ttl_of_what_has_none():
    packet = frame(build.arp_request(A, *V4))
    assert edit.dec_ttl(packet, locate(packet))
    assert packet == frame(build.arp_request(A, *V4))


# --- Transport layer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addresses", [V4, V6])
def test_set_ports(addresses):
    packet = frame(build.vlan(1, build.tcp(*addresses, 1, 2, b"x")))
    edit.set_tcp(packet, locate(packet), src=(0xFFFF, 0xFFFF), dst=(0x1200, 0xFF00))
    assert packet == frame(build.vlan(1, build.tcp(*addresses, 0xFFFF, 0x1202, b"x")))
    packet = frame(build.udp(*addresses, 1, 2, b"x"))
    edit.set_udp(packet, locate(packet), dst=(b"\x00\x35", b"\xff\xff"))
    assert packet == frame(build.udp(*addresses, 1, 53, b"x"))


def sctp(source, destination):
    packet = Ether(src=A, dst=B) / IP(src=V4[0], dst=V4[1]) / SCTP(sport=source, dport=destination) / b"chunks"
    return bytearray(bytes(packet))


def test_set_sctp_ports():
    packet = sctp(1, 2)
    edit.set_sctp(packet, locate(packet), src=(3, 0xFFFF), dst=(4, 0xFFFF))
    assert packet == sctp(3, 4)


def test_an_error_in_the_sctp_crc_is_carried_through():
    packet = sctp(1, 2)
    packet[42] ^= 0xFF
    edit.set_sctp(packet, locate(packet), src=(3, 0xFFFF))
    packet[42] ^= 0xFF
    assert packet == sctp(3, 2)


# --- Whole checksums ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [build.udp(*V4, 1, 2, b"odd"), build.tcp(*V6, 1, 2), build.echo(*V4), build.echo(*V6), build.udp(*V6, 1, 2)],
)
@pytest.mark.parametrize("padding", [0, 7])
def test_complete_checksum(payload, padding):
    whole = frame(build.vlan(1, payload)) + b"\xaa" * padding
    layout = locate(whole)
    packet = bytearray(whole)
    field = layout.l4 + {1: 2, 6: 16, 17: 6, 58: 2}[layout.protocol]
    packet[field : field + 2] = b"\x12\x34"
    assert edit.complete_checksum(packet, layout)
    assert packet == whole


def test_complete_checksum_of_sctp():
    packet = sctp(1, 2)
    packet[42:46] = bytes(4)
    assert edit.complete_checksum(packet, locate(packet))
    assert packet == sctp(1, 2)


@pytest.mark.parametrize(
    "payload",
    [
        build.arp_request(A, *V4),
        build.ip(*V4, 17, bytes(16), fragment=0x2000),
        build.ip(*V4, 17, bytes(16), fragment=1),
        build.ip(*V4, 17, bytes(7)),
        build.ip(*V4, 47, bytes(16)),
        build.ip(*V6, 44, build.fragment_header(6, bytes(20), more=True)),
        build.ip(*V6, 43, bytes((17, 2, 0, 1)) + bytes(20) + bytes(8)),
    ],
)
def test_there_is_no_checksum_to_complete(payload):
    packet = frame(payload)
    assert not edit.complete_checksum(packet, locate(packet))
    assert packet == frame(payload)


def test_complete_a_partial_checksum_where_the_device_is_told():
    # As left to a device: the field holds the sum, not its complement, of the pseudo header.
    inner = frame(build.tcp(*V4, 1, 2, b"inside a tunnel"))
    outer = frame(build.udp("172.16.0.1", "172.16.0.2", 1, 4789, bytes(8) + inner))
    start = 14 + 20 + 8 + 8 + 34
    packet = bytearray(outer)
    packet[start + 16 : start + 18] = (0x1400 + 6 + 35 + 3).to_bytes(2)
    assert edit.complete_checksum_at(packet, start, 16)
    assert packet == outer
    assert not edit.complete_checksum_at(packet, start, 1000)


# --- Packets that cannot be changed so ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "change"),
    [
        (bytearray(13), lambda p: edit.set_ethernet(p, src=(1, 1))),
        (bytearray(13), lambda p: edit.push_vlan(p, 1)),
        (bytearray(13), edit.pop_ethernet),
        (frame(build.udp(*V4, 1, 2)), lambda p: edit.set_ipv6(p, locate(p), src=(1, 1))),
        (frame(build.udp(*V6, 1, 2)), lambda p: edit.set_ipv4(p, locate(p), src=(1, 1))),
        (frame(bytes(19), ethertype=ETH_P_IP), lambda p: edit.set_ipv4(p, locate(p), ttl=(1, 1))),
        (frame(bytes(39), ethertype=ETH_P_IPV6), lambda p: edit.set_ipv6(p, locate(p), src=(1, 1))),
        (frame(bytes(19), ethertype=ETH_P_IP), lambda p: edit.dec_ttl(p, locate(p))),
        (frame(build.udp(*V4, 1, 2)), lambda p: edit.set_tcp(p, locate(p), src=(1, 1))),
        (frame(build.tcp(*V4, 1, 2)), lambda p: edit.set_udp(p, locate(p), src=(1, 1))),
        (frame(build.ip(*V4, 6, bytes(19))), lambda p: edit.set_tcp(p, locate(p), src=(1, 1))),
        (frame(build.ip(*V4, 17, bytes(7))), lambda p: edit.set_udp(p, locate(p), src=(1, 1))),
        (frame(build.ip(*V4, 132, bytes(11))), lambda p: edit.set_sctp(p, locate(p), src=(1, 1))),
        (frame(build.ip(*V4, 17, bytes(8), fragment=1)), lambda p: edit.set_udp(p, locate(p), src=(1, 1))),
        (frame(build.udp(*V4, 1, 2)), lambda p: edit.set_mpls(p, locate(p), (1, 1))),
        (frame(bytes(3), ethertype=0x8847), lambda p: edit.set_mpls(p, locate(p), (1, 1))),
        (frame(bytes(3), ethertype=0x8847), lambda p: edit.pop_mpls(p, locate(p), ETH_P_IP)),
    ],
)
def test_refused_and_left_as_it_was(packet, change):
    before = bytes(packet)
    with pytest.raises(DecodeError, match="the packet"):
        change(packet)
    assert packet == before
