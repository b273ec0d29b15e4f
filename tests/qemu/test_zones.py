"""Conntrack zones, which the kernel of user-mode Linux is built without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif import Datapath, NoSuchObject
from dpif.conntrack import Match, TuplePattern, format_entry
from dpif.packet import build
from dpif.testing.conformance import Conntrack, ConntrackEntries, Fragments
from dpif.testing.conformance.conntrack import OnTracking
from dpif.testing.conformance.harness import attach_two_hosts
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import PATIENCE, eventually

IPV4 = "eth(),eth_type(0x0800),ipv4(frag=no)"
ZONES = (5, 6)


@pytest.fixture
def dp(harness: KernelHarness) -> Iterator[Datapath]:
    dp = harness.open("zones0", create=True)
    dp.conntrack.flush()
    yield dp
    dp.conntrack.flush()


@pytest.fixture
def hosts(harness: KernelHarness, dp: Datapath) -> tuple[VethHost, VethHost]:
    """Hosts on ports 1 and 2, between which connections are committed to zone 5 and then matched there."""
    first, second = attach_two_hosts(harness, dp)
    dp.flows.add(f"in_port(1),recirc_id(0),{IPV4}", "ct(commit,zone=5),recirc(1)")
    dp.flows.add(f"in_port(1),recirc_id(1),ct_state(+trk+new),ct_zone(5),{IPV4}", "2")
    return first, second


def packet(port: int) -> bytes:
    datagram = build.udp("10.0.0.1", "10.0.0.2", port, 53, b"question")
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)


def test_a_connection_is_tracked_in_its_zone(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    first.send(packet(1000))
    assert second.recv() == packet(1000)
    (flow,) = (flow for flow in dp.flows.dump() if "recirc(" in str(flow.actions))
    assert str(flow.actions) == "ct(commit,zone=5),recirc(0x1)"
    assert [entry.zone for entry in dp.conntrack.dump(zone=5)] == [5]
    assert list(dp.conntrack.dump(zone=6)) == []
    dp.conntrack.flush(zone=6)
    assert len(list(dp.conntrack.dump(zone=5))) == 1
    dp.conntrack.flush(zone=5)
    assert list(dp.conntrack.dump(zone=5)) == []


def test_entries_tell_their_zone_and_are_flushed_by_it(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    """The same packet committed to two zones is two connections; each goes by itself."""
    first, second = hosts
    dp.flows.flush()
    dp.flows.add(f"in_port(1),recirc_id(0),{IPV4}", "ct(commit,zone=5),ct(commit,zone=6),2")
    for port in (1000, 1001):
        first.send(packet(port))
        assert second.recv() == packet(port)
    assert sorted(entry.zone for entry in dp.conntrack) == [5, 5, 6, 6]
    (one, other) = dp.conntrack.dump(Match(17, TuplePattern(src_port=1000)))
    assert one.orig == other.orig
    assert {format_entry(one).rpartition(",")[2], format_entry(other).rpartition(",")[2]} == {"zone=5", "zone=6"}
    assert [entry.zone for entry in dp.conntrack.dump(zone=6)] == [6, 6]
    dp.conntrack.flush(zone=5)
    assert [entry.zone for entry in dp.conntrack] == [6, 6]
    dp.conntrack.delete(one.orig, zone=6)
    (left,) = dp.conntrack
    assert (left.zone, left.orig.src_port) == (6, 1001)
    with pytest.raises(NoSuchObject):
        dp.conntrack.delete(left.orig, zone=5)


def test_a_zone_has_a_limit_of_its_own(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    dp.ct_limits.set({5: 1, 6: 7})
    try:
        first.send(packet(1000))
        first.send(packet(1001))
        assert second.recv() == packet(1000)
        assert second.recv(0.5) is None
        eventually(lambda: dp.ct_limits.read(ZONES) == [(5, 1, 1), (6, 7, 0)])  # one that was refused counts a moment
    finally:
        dp.ct_limits.delete(*ZONES)


def test_each_zone_counts_for_itself(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    """Two connections are too many for zone 5, and not for zone 6; other zones have the default."""
    first, second = hosts
    dp.flows.flush()
    for number, zone in enumerate(ZONES):
        match = f"in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(src={1000 + number}/0x1)"
        dp.flows.add(match, f"ct(commit,zone={zone}),2")
    dp.ct_limits.set({5: 1, 6: 2}, default=9)
    try:
        for port, passes in ((1000, True), (1002, False), (1001, True), (1003, True), (1005, False), (1000, True)):
            first.send(packet(port))
            assert second.recv(PATIENCE if passes else 0.5) == (packet(port) if passes else None), port
        assert sorted(entry.zone for entry in dp.conntrack) == [5, 6, 6]
        assert dp.ct_limits.get(7).limit == 9
        dp.conntrack.flush(zone=5)
        first.send(packet(1002))
        assert second.recv() == packet(1002), "there is room again"
    finally:
        dp.ct_limits.delete(*ZONES, default=True)


@pytest.fixture
def timestamps() -> Iterator[None]:
    """Times for the connections that begin from now on."""
    setting = Path("/proc/sys/net/netfilter/nf_conntrack_timestamp")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


@pytest.mark.usefixtures("timestamps")
def test_a_connection_tells_when_it_began(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    before = time.time_ns()
    first.send(packet(1000))
    assert second.recv() == packet(1000)
    (entry,) = dp.conntrack
    assert before <= (entry.start or 0) <= time.time_ns()
    assert entry.stop is None


class ZonesHarness(KernelHarness):
    """The kernel's datapath, where it has zones."""

    capabilities = KernelHarness.capabilities | {"ct_zones"}


class TestZones(OnTracking):
    """What the conformance suite asks of zones."""

    @pytest.fixture
    def harness(self) -> Iterator[KernelHarness]:
        with ZonesHarness() as made:
            yield made

    test_zones_are_apart = Conntrack.test_zones_are_apart
    test_zones_in_the_table = ConntrackEntries.test_zones
    joining = Fragments.joining
    test_fragments_of_two_zones_are_apart = Fragments.test_fragments_of_two_zones_are_apart
