"""Cutting large packets: the parts are what a sender without offload would have sent."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError
from dpif.packet import build
from dpif.packet.checksum import checksum
from dpif.packet.segment import segment

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
ENDS = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fc00::1", "fc00::2")}
FIN, PSH, ACK, CWR = 1, 8, 16, 128
PAYLOAD = bytes(range(256)) * 10


def renumbered(packet: bytes, identification: int) -> bytes:
    """Return an IPv4 packet with another identification, its checksum right."""
    changed = bytearray(packet)
    changed[18:20] = identification.to_bytes(2)
    changed[24:26] = bytes(2)
    changed[24:26] = checksum(changed[14:34]).to_bytes(2)
    return bytes(changed)


@pytest.mark.parametrize("version", [4, 6])
def test_tcp(version: int) -> None:
    def part(start: int, end: int, flags: int, number: int) -> bytes:
        packet = build.ethernet(
            A,
            B,
            build.tcp(
                *ENDS[version],
                1000,
                80,
                PAYLOAD[start:end],
                flags=flags,
                seq=(0xFFFFFF00 + start) & 0xFFFFFFFF,
                ack=9,
                options=b"\1\1\1\0",
            ),
        )
        return renumbered(packet, number) if version == 4 else packet

    whole = part(0, len(PAYLOAD), FIN | PSH | ACK | CWR, 0)
    assert [bytes(one) for one in segment(whole, 1000)] == [
        part(0, 1000, ACK | CWR, 0),
        part(1000, 2000, ACK, 1),
        part(2000, 2560, FIN | PSH | ACK, 2),
    ]


@pytest.mark.parametrize("version", [4, 6])
def test_udp(version: int) -> None:
    def part(start: int, end: int, number: int) -> bytes:
        packet = build.ethernet(A, B, build.udp(*ENDS[version], 1000, 53, PAYLOAD[start:end]))
        return renumbered(packet, number) if version == 4 else packet

    whole = part(0, 2560, 0)
    assert [bytes(one) for one in segment(whole, 2000)] == [part(0, 2000, 0), part(2000, 2560, 1)]


def test_a_packet_that_fits_stays_whole() -> None:
    packet = build.ethernet(A, B, build.tcp(*ENDS[4], 1, 2, b"little", flags=FIN | ACK))
    assert [bytes(one) for one in segment(packet, 1000)] == [packet]


def test_a_packet_without_payload_stays_one() -> None:
    packet = build.ethernet(A, B, build.tcp(*ENDS[4], 1, 2))
    assert [bytes(one) for one in segment(packet, 1000)] == [packet]


def test_padding_is_left_out() -> None:
    packet = build.ethernet(A, B, build.tcp(*ENDS[4], 1, 2, b"little"))
    assert [bytes(one) for one in segment(packet + bytes(6), 3)] == [bytes(one) for one in segment(packet, 3)]


@pytest.mark.parametrize(
    ("packet", "size"),
    [
        (build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")), 100),
        (build.ethernet(A, B, build.echo("10.0.0.1", "10.0.0.2")), 100),
        (build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 6, bytes(100), fragment=0x2000)), 100),
        (build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 6, bytes(10))), 100),
        (build.ethernet(A, B, build.tcp(*ENDS[4], 1, 2, b"little")), 0),
        (b"", 100),
    ],
)
def test_what_cannot_be_cut_is_refused(packet: bytes, size: int) -> None:
    with pytest.raises(DecodeError):
        list(segment(packet, size))
