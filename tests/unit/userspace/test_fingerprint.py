"""Fingerprints: which packets have one, what they leave out, and that they tell all that a key depends on."""

from __future__ import annotations

from random import Random

import pytest

from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.swkey import ETHERNET_METADATA
from dpif.packet import build
from dpif.packet.edit import push_vlan
from dpif.testing import odd_packets
from dpif.userspace.engine.fingerprint import fingerprint

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def tagged(packet: bytes, tags: int = 1) -> bytes:
    changed = bytearray(packet)
    for number in range(tags):
        push_vlan(changed, 0x1000 + number, 0x8100)
    return bytes(changed)


def udp(source: str = "10.0.0.1", destination: str = "10.0.0.2", payload: bytes = b"payload") -> bytes:
    return build.ethernet(A, B, build.udp(source, destination, 1000, 53, payload))


def tcp(source: str = "10.0.0.1", destination: str = "10.0.0.2", flags: int = 2) -> bytes:
    return build.ethernet(A, B, build.tcp(source, destination, 1000, 80, b"", flags=flags))


ARP = build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2"))
USUAL = {
    "udp": udp(),
    "tcp": tcp(),
    "udp6": udp("fe80::1", "fe80::2"),
    "tcp6": tcp("fe80::1", "fe80::2"),
    "arp": ARP,
    "tagged udp": tagged(udp()),
    "tagged tcp6": tagged(tcp("fe80::1", "fe80::2")),
    "tagged arp": tagged(ARP),
}


def key(packet: bytes) -> int:
    return extract_flat(packet, ETHERNET_METADATA)


@pytest.mark.parametrize("kind", USUAL)
def test_the_usual_packets_have_one(kind: str) -> None:
    assert fingerprint(USUAL[kind]) is not None
    assert len({fingerprint(packet) for packet in USUAL.values()}) == len(USUAL)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        udp()[:41],
        tcp()[:53],
        tagged(udp(), 2),
        udp()[:14] + b"\x46" + udp()[15:],
        build.ethernet(A, B, bytes(50), 0x88CC),
        tcp()[:46] + b"\xf0" + tcp()[47:],
    ],
    ids=["empty", "short udp", "short tcp", "two tags", "ip options", "lldp", "tcp options cut"],
)
def test_others_have_none(packet: bytes) -> None:
    assert fingerprint(packet) is None


def test_length_and_payload_do_not_count() -> None:
    assert fingerprint(udp(payload=b"")) == fingerprint(udp(payload=bytes(1000)))


def test_tcp_flags_count() -> None:
    assert fingerprint(tcp(flags=2)) != fingerprint(tcp(flags=16))


def test_one_fingerprint_is_one_key() -> None:
    """No change of one byte, and no cut, is missed by the fingerprint and seen by the key."""
    random = Random(3)
    packets = [*USUAL.values(), *random.sample(odd_packets.packets(random), 300)]
    compared = 0
    for packet in packets:
        mark = fingerprint(packet)
        if mark is None:
            continue
        changed = [packet[:size] for size in range(14, len(packet))]
        for place in range(min(len(packet), 100)):
            for value in (packet[place] ^ 1, packet[place] ^ 0x80, random.randrange(256)):
                changed.append(packet[:place] + bytes([value]) + packet[place + 1 :])
        alike = [other for other in changed if fingerprint(other) == mark]
        assert {key(other) for other in alike} <= {key(packet)}
        compared += len(alike)
    assert compared > 1000
