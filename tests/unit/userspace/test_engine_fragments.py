"""Fragments by a clock that the test turns: how long they wait, how many there may be, and MTUs of devices."""

from __future__ import annotations

from errno import EINVAL, ENOMEM

import pytest

from dpif.packet import build
from dpif.packet.layout import locate
from dpif.userspace.engine.conntrack import fragments
from dpif.userspace.engine.conntrack.fragments import (
    FRAGMENT_COST,
    IPV4_SECONDS,
    IPV6_SECONDS,
    MAX_BYTES,
    Fragments,
    Whole,
)
from dpif.userspace.engine.conntrack.pieces import Overlap, Pieces
from dpif.userspace.engine.device import Device
from dpif.userspace.engine.processor import ActionError

from .conftest import Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
MORE = 0x2000
SECONDS = {4: IPV4_SECONDS, 6: IPV6_SECONDS}
both = pytest.mark.parametrize("version", [4, 6])


class Gathering:
    """Fragments of one zone; ``now`` is what the clock says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.fragments = Fragments(lambda: self.now)

    def take(self, packet: bytes, ifindex: int = 1) -> Whole | None:
        return self.fragments.gather(0, packet, locate(packet), ifindex)


@pytest.fixture
def gathering() -> Gathering:
    return Gathering()


def ipv4(at: int, data: bytes, *, more: bool, ident: int = 1) -> bytes:
    packet = build.ip("10.0.0.1", "10.0.0.2", 17, data, ident=ident, fragment=at // 8 | (MORE if more else 0))
    return build.ethernet(A, B, packet)


def ipv6(at: int, data: bytes, *, more: bool, ident: int = 1, dst: str = "fc00::2") -> bytes:
    part = build.fragment_header(17, data, offset=at // 8, more=more, ident=ident)
    return build.ethernet(A, B, build.ip("fc00::1", dst, 44, part))


MAKE = {4: ipv4, 6: ipv6}


@both
def test_fragments_wait_for_some_time(gathering: Gathering, version: int) -> None:
    make = MAKE[version]
    assert gathering.take(make(0, b"." * 16, more=True)) is None
    gathering.now += SECONDS[version] - 0.1
    assert len(gathering.fragments) == 1
    gathering.now += 0.2
    assert gathering.take(make(16, b"." * 16, more=False)) is None, "the first one is gone"
    assert len(gathering.fragments) == 1
    whole = gathering.take(make(0, b"." * 16, more=True))
    assert whole is not None
    assert (whole.mru, whole.sizes) == ({4: 36, 6: 64}[version], (16, 16))
    assert len(gathering.fragments) == 0


@both
def test_there_is_room_for_so_many(gathering: Gathering, version: int) -> None:
    make = MAKE[version]
    taken = MAX_BYTES // (1000 + 2 * FRAGMENT_COST) + 1
    for ident in range(taken):
        gathering.take(make(0, bytes(1000), more=True, ident=ident))
    assert len(gathering.fragments) == taken
    with pytest.raises(ActionError) as caught:
        gathering.take(make(0, bytes(1000), more=True, ident=taken))
    assert caught.value.errno == ENOMEM
    gathering.now += SECONDS[version]
    assert gathering.take(make(0, bytes(1000), more=True)) is None
    assert len(gathering.fragments) == 1


@both
def test_there_is_room_again_when_a_packet_is_whole(gathering: Gathering, version: int) -> None:
    make = MAKE[version]
    for ident in range(6000):  # more than there is room for at a time
        gathering.take(make(0, bytes(1000), more=True, ident=ident))
        assert gathering.take(make(1000, bytes(1000), more=False, ident=ident)) is not None
    assert len(gathering.fragments) == 0


def test_sources_are_forgotten_before_they_are_too_many(
    gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragments, "_MAX_SOURCES", 2)
    for source in range(1, 100):
        packet = build.ip(f"10.0.0.{source}", "10.0.0.200", 17, bytes(8), fragment=MORE)
        gathering.take(build.ethernet(A, B, packet))
        assert len(gathering.fragments._counts) <= 2
    assert gathering.take(ipv4(0, bytes(8), more=True)) is None
    assert gathering.take(ipv4(8, bytes(8), more=False)) is not None


def test_links_have_their_own_local_addresses(gathering: Gathering) -> None:
    for dst, is_shared in (("fc00::2", True), ("fe80::2", False), ("febf::2", False), ("ff02::1", False)):
        gathering.take(ipv6(0, bytes(16), more=True, dst=dst), ifindex=1)
        whole = gathering.take(ipv6(16, bytes(16), more=False, dst=dst), ifindex=2)
        assert (whole is not None) is is_shared, dst


def test_what_makes_no_sense_as_a_fragment_of_ipv6_is_taken_for_a_packet(gathering: Gathering) -> None:
    odd_length = ipv6(8, bytes(15), more=True)
    without_ports = ipv6(0, bytes(4), more=True)
    jumbo = bytearray(ipv6(8, bytes(16), more=True))
    jumbo[18:20] = bytes(2)
    for packet in (odd_length, without_ports, bytes(jumbo)):
        assert gathering.take(packet) == Whole(packet)
    assert len(gathering.fragments) == 0


def test_beyond_the_length_that_ipv6_has(gathering: Gathering) -> None:
    with pytest.raises(ActionError) as caught:
        gathering.take(ipv6(65528, bytes(8), more=False))
    assert caught.value.errno == EINVAL


def test_bytes_behind_the_last_full_eight_are_cut_off_for_ipv4(gathering: Gathering) -> None:
    gathering.take(ipv4(0, b"x" * 20, more=True))
    whole = gathering.take(ipv4(16, b"y" * 3, more=False))
    assert whole is not None
    assert whole.packet[34:] == b"x" * 16 + b"y" * 3


def test_pieces() -> None:
    pieces = Pieces()
    assert pieces.add(8, b"b" * 8)
    assert not pieces.add(8, b"b" * 8)
    for offset, size in ((0, 16), (0, 9), (9, 8), (4, 20)):
        with pytest.raises(Overlap):
            pieces.add(offset, bytes(size))
    assert pieces.add(24, b"d" * 8)
    assert pieces.add(16, b"c" * 8)
    assert pieces.add(0, b"a" * 8)
    assert pieces.reach(32, is_last=True)
    assert pieces.are_complete
    assert pieces.join() == (b"a" * 8 + b"b" * 8 + b"c" * 8 + b"d" * 8, (8, 8, 8, 8))


def test_what_pieces_say_of_the_length() -> None:
    pieces = Pieces()
    assert pieces.reach(16, is_last=False)
    assert not pieces.reach(8, is_last=True)
    assert pieces.reach(24, is_last=True)
    assert pieces.reach(24, is_last=True)
    assert pieces.reach(16, is_last=False)
    assert not pieces.reach(32, is_last=False)
    assert not pieces.reach(32, is_last=True)
    assert (pieces.length, pieces.has_last) == (24, True)


def test_a_packet_that_came_in_larger_fragments_than_a_device_takes_is_dropped(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.flow("in_port(1),eth(),eth_type(0x0800),ipv4()", "ct,2")
    parts = [ipv4(0, b"." * 1200, more=True), ipv4(1200, b"." * 1200, more=False)]
    device: type[Device] = type(engine.hosts[2])
    for mtu, expected in ((1220, parts), (1219, []), (None, parts)):
        monkeypatch.setattr(device, "mtu", mtu)
        for part in parts:
            engine.hosts[1].send(part)
        assert engine.out(2) == expected
    assert engine.dp.ports[2].tx_dropped == 0
