"""Answers, as another implementation reads them."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, IPerror, UDPerror

from dpif.errors import DecodeError
from dpif.packet import answer, build

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def with_right_checksums(layer: bytes | None) -> IP:
    """Read an IP packet, whose checksums are what scapy computes."""
    assert layer is not None
    read = IP(bytes(layer))
    anew = IP(bytes(layer))
    del anew.chksum, anew[ICMP].chksum
    assert bytes(anew) == bytes(layer)
    return read


def test_an_echo_reply_has_what_was_asked() -> None:
    frame = build.ethernet(A, B, build.echo("10.0.0.1", "10.0.0.2", ident=7, seq=9, payload=b"abc")) + bytes(9)
    read = with_right_checksums(answer.echo_reply(frame))
    assert (read.src, read.dst) == ("10.0.0.2", "10.0.0.1")
    assert (read[ICMP].type, read[ICMP].id, read[ICMP].seq, bytes(read[ICMP].payload)) == (0, 7, 9, b"abc")


def test_an_arp_reply_tells_where_the_address_is() -> None:
    frame = build.ethernet(A, "ff:ff:ff:ff:ff:ff", build.vlan(5, build.arp_request(A, "10.0.0.1", "10.0.0.2")))
    assert answer.arp(frame, B) == build.arp_reply(B, "10.0.0.2", A, "10.0.0.1")


@pytest.mark.parametrize(("here", "there"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_a_datagram_goes_back_to_where_one_came_from(here: str, there: str) -> None:
    frame = build.ethernet(A, B, build.vlan(5, build.udp(here, there, 1000, 53, b"question")))
    assert answer.udp_reply(frame, b"reply") == build.udp(there, here, 53, 1000, b"reply")


def test_what_has_no_such_headers_is_an_error() -> None:
    arp = build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2"))
    later = build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 17, bytes(8), fragment=1))
    for frame in (arp, later):
        with pytest.raises(DecodeError, match="no UDP header"):
            answer.udp_reply(frame, b"")
        with pytest.raises(DecodeError, match="no ICMP header"):
            answer.echo_reply(frame)
    with pytest.raises(DecodeError):
        answer.arp(arp[:20], B)


def test_an_error_quotes_what_it_is_about() -> None:
    frame = build.ethernet(A, B, build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, bytes(1400))))
    error = answer.icmp_error("10.0.0.254", frame, 3, 4, rest=1300)
    read = with_right_checksums(error)
    assert (read.src, read.dst, read.len) == ("10.0.0.254", "10.0.0.1", 576)
    assert (read[ICMP].type, read[ICMP].code, read[ICMP].nexthopmtu) == (3, 4, 1300)
    assert (read[IPerror].dst, read[UDPerror].dport) == ("10.0.0.2", 53)
    assert error is not None
    assert error[28:] == frame[18:][:548]


def test_no_error_is_sent_about_an_error_a_later_fragment_or_what_was_for_many() -> None:
    packet = build.udp("10.0.0.1", "10.0.0.2", 1000, 53)
    error = answer.icmp_error("10.0.0.254", build.ethernet(A, B, packet), 3)
    assert error is not None
    fragment = build.ip("10.0.0.1", "10.0.0.2", 17, bytes(8), fragment=1)
    group = build.udp("10.0.0.1", "224.0.0.5", 1000, 53)
    for layer in (error, fragment, group):
        assert answer.icmp_error("10.0.0.254", build.ethernet(A, B, layer), 11) is None
    assert answer.icmp_error("10.0.0.254", build.ethernet(A, "ff:ff:ff:ff:ff:ff", packet), 11) is None
