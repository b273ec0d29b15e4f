"""Packets as people write them, read by the library's own parser of headers."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DpifError, ParseError
from dpif.packet import build
from dpif.packet.addresses import Mac
from dpif.packet.capture import Writer
from dpif.packet.headers import Arp
from dpif.packet.written import Written, parse_packet, read_packets

ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
FORMS = {
    "udp 10.0.0.1:1000 > 10.0.0.2:53": build.udp("10.0.0.1", "10.0.0.2", 1000, 53),
    "udp 10.0.0.1:1000>10.0.0.2:53 len 10": build.udp("10.0.0.1", "10.0.0.2", 1000, 53, bytes(10)),
    "udp [2001:db8::1]:1000 > [2001:db8::2]:53 data 68690a": build.udp(
        "2001:db8::1", "2001:db8::2", 1000, 53, b"hi\n"
    ),
    "tcp 10.0.0.1:1000 > 10.0.0.2:80 flags syn,ack ttl 3 tos 16": build.tcp(
        "10.0.0.1", "10.0.0.2", 1000, 80, flags=0x12, ttl=3, tos=16
    ),
    "icmp 10.0.0.1 > 10.0.0.2": build.echo("10.0.0.1", "10.0.0.2"),
    "icmp fe80::1 > fe80::2 reply": build.echo("fe80::1", "fe80::2", reply=True),
    "icmp6 fe80::1 > fe80::2": build.echo("fe80::1", "fe80::2"),
    "ip 10.0.0.1 > 10.0.0.2 proto 47 len 4": build.ip("10.0.0.1", "10.0.0.2", 47, bytes(4)),
    "arp reply 10.0.0.2 is-at 02:00:00:00:00:09 tell 10.0.0.1": build.arp_reply(
        "02:00:00:00:00:09", "10.0.0.2", TWO, "10.0.0.1"
    ),
    "UDP 10.0.0.1:1 > 10.0.0.2:2": build.udp("10.0.0.1", "10.0.0.2", 1, 2),
}


@pytest.mark.parametrize("text", FORMS)
def test_short_forms(text: str) -> None:
    assert parse_packet(text) == Written(build.ethernet(ONE, TWO, FORMS[text]))


def test_a_request_is_for_all_stations() -> None:
    request = build.arp_request(ONE, "10.0.0.1", "10.0.0.2")
    expected = build.ethernet(ONE, "ff:ff:ff:ff:ff:ff", request)
    assert parse_packet("arp who-has 10.0.0.2 tell 10.0.0.1").frame == expected


@pytest.mark.parametrize(
    "text",
    [
        "udp 10.0.0.1:1 > 10.0.0.2:2 eth 02:00:00:00:00:0a > 02:00:00:00:00:0b vlan 5 in v0",
        "in v0 vlan 5 eth 02:00:00:00:00:0a > 02:00:00:00:00:0b udp 10.0.0.1:1 > 10.0.0.2:2",
    ],
)
def test_what_stands_beside_it_in_any_order(text: str) -> None:
    tagged = build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1, 2))
    frame = build.ethernet("02:00:00:00:00:0a", "02:00:00:00:00:0b", tagged)
    assert parse_packet(text) == Written(frame, "v0")


def test_the_sender_of_a_request_is_who_sends_the_frame() -> None:
    frame = parse_packet("arp who-has 10.0.0.2 tell 10.0.0.1 eth 02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff").frame
    assert Arp.read(frame, 14).sender_mac == Mac("02:00:00:00:00:0a")


@pytest.mark.parametrize("text", ["0200 0a0B", "02:00:0a:0b", "02000a0b", " 02000a0b\n"])
def test_hexadecimal(text: str) -> None:
    assert list(read_packets(text)) == [Written(bytes.fromhex("02000a0b"))]


def test_captures(tmp_path: Path) -> None:
    path = tmp_path / "some#1.pcap"
    with Writer(path) as writer:
        for number in range(3):
            writer.write(bytes([number]) * 60, 10.0 + number)
    frames = [bytes([number]) * 60 for number in range(3)]
    assert [(one.frame, one.timestamp) for one in read_packets(f"pcap:{path}")] == list(
        zip(frames, (10.0, 11.0, 12.0), strict=True)
    )
    assert [one.frame for one in read_packets(f"pcap:{path}#2")] == frames[1:2]
    for number in (0, 4):
        with pytest.raises(DpifError, match=rf"has no packet {number}; the first is 1"):
            list(read_packets(f"pcap:{path}#{number}"))
    with pytest.raises(DpifError, match="No such file"):
        list(read_packets("pcap:/no/such/file"))


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "there is no packet in it"),
        ("in v0", 5, "there is no packet in it"),
        ("upd 10.0.0.1:1 > 10.0.0.2:2", 0, "unknown word 'upd'"),
        ("udp 10.0.0.1 > 10.0.0.2", 4, "'10.0.0.1' is not an address and a port"),
        ("udp 10.0.0.1:1 > 10.0.0.2:70000", 17, "'10.0.0.2:70000' is not an address and a port"),
        ("udp 10.0.0.1:1 10.0.0.2:2", 15, "expected '>', found '10.0.0.2:2'"),
        ("udp 10.0.0.1:1 >", 16, "expected an address and a port at the end"),
        ("icmp 10.0.0.1 > fe80::1", 0, "different IP versions"),
        ("icmp 10.0.0.1 > 10.0.0.300", 0, "is not an IP address"),
        ("udp 10.0.0.1:1 > 10.0.0.2:2 flags syn", 37, "flags are for tcp"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 flags syn,foo", 34, "unknown TCP flag 'foo'"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 reply", 33, "reply is for icmp"),
        ("arp is 10.0.0.1", 4, "unknown kind of ARP packet 'is'"),
        ("arp who-has 10.0.0.1 say 10.0.0.2", 21, "expected 'tell', found 'say'"),
        ("icmp 10.0.0.1 > 10.0.0.2 ttl 256", 29, "'256' is not a TTL"),
        ("icmp 10.0.0.1 > 10.0.0.2 eth x > y", 29, "is not an Ethernet address"),
        ("icmp 10.0.0.1 > 10.0.0.2 data abc", 30, "'abc' are not hexadecimal digits"),
        ("icmp 10.0.0.1 > 10.0.0.2 icmp 10.0.0.1 > 10.0.0.2", 0, "there are two packets in it"),
    ],
)
def test_mistakes(text: str, position: int, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_packet(text)
    assert reason in caught.value.reason
    assert caught.value.position == position


WORDS = (
    "udp tcp icmp arp ip who-has tell reply is-at eth vlan in ttl tos flags len data > 10.0.0.1 10.0.0.1:5 fe80::1 5"
)


@given(st.lists(st.sampled_from(WORDS.split())).map(" ".join) | st.text(max_size=30))
def test_no_text_does_harm(text: str) -> None:
    with contextlib.suppress(ParseError):
        assert parse_packet(text).frame
