"""The captures in the repository are what their READMEs say."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import pytest

from dpif.packet.addresses import Mac
from dpif.packet.capture import read
from dpif.packet.edit import complete_checksum
from dpif.packet.layout import locate

TESTS = Path(__file__).resolve().parents[2] / "captures"


@pytest.fixture(scope="module")
def lan():
    with as_file(files("dpif") / "_data" / "lan.pcap") as path:
        return list(read(path))


def test_the_demo_has_hundreds_of_packets_of_several_hosts(lan):
    assert len(lan) == 552
    assert len({packet.data[6:12] for packet in lan}) == 19


def test_the_demo_has_several_protocols(lan):
    kinds = {locate(packet.data)[0::2][:2] for packet in lan}
    arp, icmp, tcp, udp, icmpv6, udp6 = (
        (0x0806, 0),
        (0x0800, 1),
        (0x0800, 6),
        (0x0800, 17),
        (0x86DD, 58),
        (0x86DD, 17),
    )
    assert kinds >= {arp, icmp, tcp, udp, icmpv6, udp6}


def test_the_demo_is_a_lan(lan):
    """In time order, whole packets, and whoever is addressed has a voice of its own."""
    hosts = {packet.data[6:12] for packet in lan}
    assert [packet.timestamp for packet in lan] == sorted(packet.timestamp for packet in lan)
    assert all(len(packet.data) == packet.wire_length for packet in lan)
    assert all(Mac(packet.data[:6]).is_multicast or packet.data[:6] in hosts for packet in lan)


@pytest.mark.parametrize(("name", "count"), [("tcpdump", 3343), ("dnscap", 390)])
def test_the_collections_and_their_indexes(name, count):
    packets = list(read(TESTS / f"{name}.pcap"))
    assert len(packets) == len({packet.data for packet in packets}) == count
    position = 0
    for line in (TESTS / f"{name}.index").read_text().splitlines()[1:]:
        first, packets_of_file, _ = line.split()
        assert int(first) == position
        position += int(packets_of_file)
    assert position == count


def test_real_checksums_are_what_we_compute(lan):
    """Of TCP, ICMP and ICMPv6; some UDP senders here left theirs to the device."""
    checked = 0
    for packet in lan:
        layout = locate(packet.data)
        if layout.protocol in {1, 6, 58}:
            recomputed = bytearray(packet.data)
            assert complete_checksum(recomputed, layout)
            assert recomputed == packet.data
            checked += 1
    assert checked == 159
