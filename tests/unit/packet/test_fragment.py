"""Cutting IP packets into fragments."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError
from dpif.packet import build
from dpif.packet.checksum import checksum
from dpif.packet.fragment import fragment
from dpif.packet.headers import Ipv4
from dpif.packet.layout import Fragment, locate

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
DATA = bytes(range(200))
IPV4 = build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 17, DATA, ident=7, fragment=0x4000))


def test_ipv4() -> None:
    parts = list(fragment(IPV4, 100))
    assert [part[34:] for part in parts] == [DATA[:80], DATA[80:160], DATA[160:]]
    heads = [Ipv4.read(part, 14) for part in parts]
    assert [(head.length, head.fragment, head.ident) for head in heads] == [
        (100, 0x2000, 7),
        (100, 0x2000 | 10, 7),
        (60, 20, 7),
    ]
    assert not any(checksum(part[14:34]) for part in parts)
    assert all(part[:14] == IPV4[:14] for part in parts)


def test_a_last_part_is_cut_only_where_it_does_not_fit() -> None:
    """The others are multiples of 8 bytes."""
    assert [len(part) - 34 for part in fragment(IPV4, 20 + 103)] == [96, 96, 8]
    assert [len(part) - 34 for part in fragment(IPV4, 20 + 104)] == [104, 96]
    assert [len(part) - 34 for part in fragment(IPV4, 20 + 200)] == [200]
    assert [len(part) - 34 for part in fragment(IPV4, 20 + 199)] == [192, 8]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((8, 64, 128), (8, 64, 128)),
        ((8, 64, 120), (128, 72)),
        ((4, 96, 100), (128, 72)),
        ((136, 64), (128, 72)),
    ],
    ids=["fits", "another sum", "no multiple of 8", "too large"],
)
def test_sizes(sizes: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(len(part) - 34 for part in fragment(IPV4, 150, sizes=sizes)) == expected


def test_ipv6() -> None:
    data = bytes(2000)
    packet = build.ethernet(A, B, build.ip("fc00::1", "fc00::2", 17, data))
    for mtu in (1280, 600):  # no smaller than the least that IPv6 has
        first, second = fragment(packet, mtu, ident=0x01020304)
        assert first[14 + 6] == second[14 + 6] == 44
        assert bytes(first[54:62]) == bytes((17, 0, 0, 1, 1, 2, 3, 4))
        assert bytes(second[54:62]) == bytes((17, 0)) + (1232).to_bytes(2) + bytes((1, 2, 3, 4))
        assert (len(first), len(second)) == (62 + 1232, 62 + 768)
        assert [int.from_bytes(part[18:20]) + 54 for part in (first, second)] == [len(first), len(second)]


def test_extension_headers_before_the_fragment_header() -> None:
    """Hop-by-hop options and routing are for those on the way, and destination options only before routing."""
    routing = bytes((60, 0, 4, 0)) + bytes(4)
    rest = build.options_header(17, bytes(2000))
    packet = build.ethernet(A, B, build.ip("fc00::1", "fc00::2", 0, build.options_header(60, b"")))
    packet = bytearray(packet + build.options_header(43, routing + rest))
    packet[18:20] = (len(packet) - 54).to_bytes(2)
    for part in fragment(bytes(packet), 1280):
        assert part[20] == 0
        assert part[54:78] == packet[54:70] + bytes((44,)) + packet[71:78]
        assert part[78] == 60
        assert locate(part).fragment != Fragment.NONE


@pytest.mark.parametrize(
    "packet",
    [
        build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")),
        IPV4[:30],
        build.ethernet(A, B, build.ip("fc00::1", "fc00::2", 17))[:50],
        build.ethernet(A, B, build.ip("fc00::1", "fc00::2", 0, b"\x11")),
        b"",
    ],
    ids=["arp", "short ipv4", "short ipv6", "short extension", "empty"],
)
def test_what_cannot_be_cut(packet: bytes) -> None:
    with pytest.raises(DecodeError):
        list(fragment(packet, 576))


def test_headers_must_leave_room() -> None:
    assert len(list(fragment(IPV4, 28))) == 25
    with pytest.raises(DecodeError, match="headers leave 7 bytes of a fragment, which needs 8"):
        list(fragment(IPV4, 27))
