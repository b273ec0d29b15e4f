"""Edits and the walk over headers, on generated packets and on damaged ones."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.packet import build, edit
from dpif.packet.capture import read
from dpif.packet.headers import Arp, Ethernet, Icmp, Ipv4, Ipv6, Mpls, Tcp, Udp, Vlan
from dpif.packet.layout import Fragment, locate

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
A, B = "00:00:00:00:00:01", "00:00:00:00:00:02"

four = st.ip_addresses(v=4)
six = st.ip_addresses(v=6)
addresses = st.tuples(four, four) | st.tuples(six, six)
ports = st.integers(0, 0xFFFF)
octets = st.integers(0, 0xFF)


@cache
def captured():
    return [packet.data for name in ("tcpdump", "dnscap") for packet in read(CAPTURES / f"{name}.pcap")]


@st.composite
def damaged(draw):
    """A packet of the captures, cut anywhere, with a few bytes changed."""
    packet = bytearray(draw(st.sampled_from(captured())))
    for position, value in draw(st.lists(st.tuples(st.integers(0, 120), octets), max_size=6)):
        if position < len(packet):
            packet[position] = value
    return packet[: draw(st.integers(0, 160))] if draw(st.booleans()) else packet


@st.composite
def conversations(draw):
    """A function from addresses, ports, TOS and TTL to a packet, and two sets of these for it."""
    tcp, payload = draw(st.booleans()), draw(st.binary(max_size=20))
    make = build.tcp if tcp else build.udp
    version = draw(st.sampled_from([four, six]))
    values = st.tuples(version, version, ports, ports, octets, octets)

    def packet(src, dst, src_port, dst_port, tos, ttl):
        return bytearray(build.ethernet(A, B, make(src, dst, src_port, dst_port, payload, tos=tos, ttl=ttl)))

    return packet, draw(values), draw(values)


@given(conversations())
def test_setting_every_field_is_building_anew(conversation):
    make, old, new = conversation
    packet, expected = make(*old), make(*new)
    layout = locate(packet)
    src, dst, src_port, dst_port, tos, ttl = new
    full = (1 << src.max_prefixlen) - 1
    fields = {"src": (int(src), full), "dst": (int(dst), full)}
    if src.version == 4:
        edit.set_ipv4(packet, layout, **fields, tos=(tos, 0xFF), ttl=(ttl, 0xFF))
    else:
        edit.set_ipv6(packet, layout, **fields, traffic_class=(tos, 0xFF), hop_limit=(ttl, 0xFF))
    set_ports = edit.set_tcp if layout.protocol == 6 else edit.set_udp
    set_ports(packet, layout, src=(src_port, 0xFFFF), dst=(dst_port, 0xFFFF))
    assert same(packet, expected, layout)


def same(packet, expected, layout):
    """Equal but for the two zeros of a transport checksum, of which `build` and `edit` may choose one each."""
    field = layout.l4 + (16 if layout.protocol == 6 else 6)
    checks = {int.from_bytes(each[field : field + 2]) for each in (packet, expected)}
    rest = packet[:field] + packet[field + 2 :] == expected[:field] + expected[field + 2 :]
    return rest and (len(checks) == 1 or checks == {0, 0xFFFF})


@given(damaged())
def test_the_walk_stays_within_the_packet(packet):
    layout = locate(packet)
    assert 0 <= layout.l3 <= len(packet)
    assert layout.l4 == 0 or layout.l3 + 20 <= layout.l4 <= len(packet)
    assert layout.end <= len(packet)
    assert layout.fragment != Fragment.LATER or layout.l4 == 0


EDITS = {
    "set_ethernet": lambda p, o: edit.set_ethernet(p, src=(1, 0xFF), dst=(2, 0xFF)),
    "set_ipv4": lambda p, o: edit.set_ipv4(p, o, src=(1, 0xFF), dst=(2, 0xFF), tos=(3, 0xF), ttl=(4, 0xF)),
    "set_ipv6": lambda p, o: edit.set_ipv6(p, o, src=(1, 0xFF), dst=(2, 0xFF), label=(3, 0xF), hop_limit=(4, 0xF)),
    "set_tcp": lambda p, o: edit.set_tcp(p, o, src=(1, 0xFF), dst=(2, 0xFF)),
    "set_udp": lambda p, o: edit.set_udp(p, o, src=(1, 0xFF), dst=(2, 0xFF)),
    "set_sctp": lambda p, o: edit.set_sctp(p, o, src=(1, 0xFF), dst=(2, 0xFF)),
    "set_mpls": lambda p, o: edit.set_mpls(p, o, (1, 0xFF)),
    "dec_ttl": edit.dec_ttl,
    "complete_checksum": edit.complete_checksum,
}


@given(damaged(), st.sampled_from(sorted(EDITS)))
def test_setting_keeps_the_length_and_the_layout_or_refuses(packet, name):
    before, layout = bytes(packet), locate(packet)
    try:
        EDITS[name](packet, layout)
    except DecodeError:
        assert packet == before
    assert len(packet) == len(before)
    assert locate(packet) == layout


@given(damaged(), st.integers(0, 0xFFFF))
def test_a_pushed_tag_comes_off_again(packet, tci):
    before = bytes(packet)
    with contextlib.suppress(DecodeError):
        edit.push_vlan(packet, tci)
        assert len(packet) == len(before) + 4
        edit.pop_vlan(packet)
    assert packet == before


@given(damaged())
def test_a_pushed_label_comes_off_again(packet):
    before, layout = bytes(packet), locate(packet)
    if layout.l3 != 14 or len(packet) < 14:
        return
    edit.push_mpls(packet, layout, 0x140)
    pushed = locate(packet)
    assert (pushed.ethertype, pushed.l3) == (0x8847, 14)
    edit.pop_mpls(packet, pushed, int.from_bytes(before[12:14]))
    assert packet == before


@given(damaged(), st.sampled_from([Arp, Ethernet, Icmp, Ipv4, Ipv6, Mpls, Tcp, Udp, Vlan]), st.integers(0, 200))
def test_a_header_is_read_or_refused(packet, header, offset):
    with contextlib.suppress(DecodeError):
        assert len(header.read(packet, offset).pack()) <= len(packet) - offset


@given(addresses, ports, ports, st.binary(max_size=30))
def test_what_is_built_is_found(pair, src_port, dst_port, payload):
    packet = build.ethernet(A, B, build.udp(*pair, src_port, dst_port, payload))
    layout = locate(packet)
    assert layout.end == len(packet)
    assert Udp.read(packet, layout.l4)[:3] == (src_port, dst_port, 8 + len(payload))
    assert packet[layout.l4 + 8 :] == payload
