from __future__ import annotations

import pytest

from dpif.packet.build import arp_request, ethernet, fragment_header, ip, mpls, options_header, tcp, udp, vlan
from dpif.packet.constants import (
    ETH_P_802_2,
    ETH_P_8021AD,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_UC,
    IPPROTO_AH,
    IPPROTO_DSTOPTS,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_NONE,
    IPPROTO_ROUTING,
    IPPROTO_TCP,
    IPPROTO_UDP,
)
from dpif.packet.layout import Fragment, Layout, locate

A, B = "00:00:00:00:00:01", "00:00:00:00:00:02"
V4 = ("10.0.0.1", "10.0.0.2")
V6 = ("fc00::1", "fc00::2")


def frame(payload, **options):
    return ethernet(A, B, payload, **options)


def test_udp_in_ipv4():
    packet = frame(udp(*V4, 1, 2, b"data"))
    assert locate(packet) == Layout(ETH_P_IP, 14, IPPROTO_UDP, 34, 46, Fragment.NONE, False)


def test_bytearray_and_memoryview_do_too():
    packet = frame(vlan(1, udp(*V6, 1, 2)))
    assert locate(bytearray(packet)) == locate(memoryview(packet)) == locate(packet)


def test_padding_is_behind_the_end():
    packet = frame(udp(*V4, 1, 2)) + bytes(18)
    assert locate(packet).end == 42
    assert locate(frame(udp(*V6, 1, 2)) + bytes(2)).end == 62


@pytest.mark.parametrize("length", [0, 19, 1000])
def test_an_ip_length_that_cannot_be_counts_as_the_whole_packet(length):
    packet = bytearray(frame(udp(*V4, 1, 2)))
    packet[16:18] = length.to_bytes(2)
    assert locate(packet).end == len(packet)


def test_up_to_two_vlan_tags():
    assert locate(frame(vlan(1, tcp(*V4, 1, 2))))[:4] == (ETH_P_IP, 18, IPPROTO_TCP, 38)
    double = vlan(2, vlan(1, tcp(*V4, 1, 2)), tpid=ETH_P_8021AD)
    assert locate(frame(double))[:4] == (ETH_P_IP, 22, IPPROTO_TCP, 42)
    assert locate(frame(vlan(3, double)))[:4] == (0x8100, 22, 0, 0)


def test_a_vlan_tag_that_is_cut_is_no_tag():
    assert locate(frame(b"\0\1\x08", ethertype=0x8100))[:2] == (0x8100, 14)


def test_mpls_hides_what_follows():
    packet = frame(mpls(16, mpls(17, udp(*V4, 1, 2))))
    assert locate(packet)[:4] == (ETH_P_MPLS_UC, 14, 0, 0)


def test_arp():
    assert locate(frame(arp_request(A, *V4)))[:4] == (ETH_P_ARP, 14, 0, 0)


def test_llc_and_snap():
    def llc(content):
        return frame(content, ethertype=len(content))

    snap = bytes.fromhex("aaaa03000000")
    assert locate(llc(snap + b"\x08\x00" + udp(*V4, 1, 2)))[:4] == (ETH_P_IP, 22, IPPROTO_UDP, 42)
    assert locate(llc(bytes.fromhex("424203") + bytes(35)))[:2] == (ETH_P_802_2, 14)
    assert locate(llc(bytes.fromhex("aaaa0300000c2000") + bytes(20)))[:2] == (ETH_P_802_2, 14)
    assert locate(llc(snap + b"\x05\xff" + bytes(20)))[:2] == (ETH_P_802_2, 22)
    assert locate(llc(snap))[:2] == (ETH_P_802_2, 14)


def test_ipv4_options():
    packet = frame(ip(*V4, IPPROTO_UDP, bytes(8), options=bytes(8)))
    assert locate(packet).l4 == 14 + 28


def test_ipv4_fragments():
    first = locate(frame(ip(*V4, IPPROTO_UDP, bytes(16), fragment=0x2000)))
    assert (first.l4, first.fragment) == (34, Fragment.FIRST)
    later = locate(frame(ip(*V4, IPPROTO_UDP, bytes(16), fragment=0x0002)))
    assert (later.protocol, later.l4, later.fragment) == (IPPROTO_UDP, 0, Fragment.LATER)


def test_ipv4_header_lengths_that_cannot_be():
    packet = bytearray(frame(udp(*V4, 1, 2)))
    packet[14] = 0x44
    assert locate(packet)[2:4] == (0, 0)
    packet[14] = 0x4F
    assert locate(packet)[2:4] == (0, 0)


def test_ipv6_extension_headers_are_walked():
    inner = options_header(IPPROTO_UDP, bytes(8), bytes.fromhex("010c000000000000000000000000"))
    packet = frame(ip(*V6, IPPROTO_HOPOPTS, options_header(IPPROTO_DSTOPTS, inner)))
    assert locate(packet)[2:4] == (IPPROTO_UDP, 54 + 8 + 16)


def test_ipv6_authentication_header_counts_words_of_four():
    header = bytes((IPPROTO_TCP, 4)) + bytes(22)
    assert locate(frame(ip(*V6, IPPROTO_AH, header + bytes(20))))[2:4] == (IPPROTO_TCP, 54 + 24)


def test_ipv6_fragments():
    first = locate(frame(ip(*V6, IPPROTO_FRAGMENT, fragment_header(IPPROTO_UDP, bytes(8), more=True))))
    assert first[2:4] == (IPPROTO_UDP, 62)
    assert first.fragment == Fragment.FIRST
    later = locate(frame(ip(*V6, IPPROTO_FRAGMENT, fragment_header(IPPROTO_UDP, bytes(8), offset=1))))
    assert later[2:4] == (IPPROTO_FRAGMENT, 0)
    assert later.fragment == Fragment.LATER


@pytest.mark.parametrize(("segments_left", "routed"), [(0, False), (1, True)])
def test_ipv6_routing_header(segments_left, routed):
    header = bytes((IPPROTO_UDP, 2, 0, segments_left)) + bytes(20)
    layout = locate(frame(ip(*V6, IPPROTO_ROUTING, header + bytes(8))))
    assert (layout.l4, layout.routed) == (54 + 24, routed)


def test_ipv6_without_anything_next():
    assert locate(frame(ip(*V6, IPPROTO_NONE))).protocol == IPPROTO_NONE


def test_ipv6_extension_header_that_is_cut():
    whole = frame(ip(*V6, IPPROTO_HOPOPTS, options_header(IPPROTO_UDP, b"")))
    for size in range(54, len(whole)):
        assert locate(whole[:size])[2:4] == (IPPROTO_NONE, 0)
    assert locate(whole)[2:4] == (IPPROTO_UDP, 62)


def test_a_packet_without_ethernet():
    assert locate(udp(*V4, 1, 2), ETH_P_IP)[:4] == (ETH_P_IP, 0, IPPROTO_UDP, 20)
    assert locate(udp(*V6, 1, 2), ETH_P_IPV6)[:4] == (ETH_P_IPV6, 0, IPPROTO_UDP, 40)


@pytest.mark.parametrize("size", [0, 1, 13])
def test_less_than_an_ethernet_header(size):
    assert locate(bytes(size)) == Layout(ETH_P_802_2, size, 0, 0, size)
