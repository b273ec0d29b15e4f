"""Checksums that a sender left to its device."""

from __future__ import annotations

import pytest

from dpif.packet import build
from dpif.packet.checksum import pseudo_header_sum
from dpif.packet.layout import locate
from dpif.packet.offload import finished

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
PACKETS = [
    build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1, 2, b"odd")),
    build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"even")),
    build.ethernet(A, B, build.tcp("fc00::1", "fc00::2", 1, 2, b"odd")),
    build.ethernet(A, B, build.vlan(5, build.udp("fc00::1", "fc00::2", 1, 2, b"even"))),
]


def begun(packet: bytes) -> bytes:
    """Return the packet as its sender leaves it to the device."""
    layout = locate(packet)
    at = layout.l4 + (16 if layout.protocol == 6 else 6)
    first, width = (layout.l3 + 12, 4) if layout.ethertype == 0x800 else (layout.l3 + 8, 16)
    ends = packet[first : first + width], packet[first + width : first + 2 * width]
    sum_ = pseudo_header_sum(*ends, layout.protocol, layout.end - layout.l4)
    return packet[:at] + sum_.to_bytes(2) + packet[at + 2 :]


@pytest.mark.parametrize("packet", PACKETS)
def test_a_checksum_is_completed(packet: bytes) -> None:
    assert begun(packet) != packet
    assert finished(begun(packet)) == [packet]
    assert finished(begun(packet) + bytes(10)) == [packet + bytes(10)]


@pytest.mark.parametrize("packet", PACKETS)
def test_a_checksum_that_is_there_stays_right_or_wrong(packet: bytes) -> None:
    assert finished(packet) == [packet]
    wrong = packet[:-1] + bytes([packet[-1] ^ 1])
    assert finished(wrong) == [wrong]


@pytest.mark.parametrize("size", [0, 13, 14, 30, 40, 50])
def test_what_is_cut_is_left_alone(size: int) -> None:
    for packet in PACKETS:
        assert finished(packet[:size]) == [packet[:size]]


@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("fc00::1", "fc00::2")])
def test_tcp_is_cut(ends: tuple[str, str]) -> None:
    data = bytes(range(256)) * 20
    packets = finished(begun(build.ethernet(A, B, build.tcp(*ends, 1, 2, data, options=b"\x01" * 4))))
    assert [len(packet) for packet in packets[:-1]] == [14 + 1280] * (len(packets) - 1)
    headers = locate(packets[0]).l4 + 24
    assert b"".join(packet[headers:] for packet in packets) == data
    for packet in packets:
        assert packet != begun(packet)
        assert finished(begun(packet)) == [packet]
