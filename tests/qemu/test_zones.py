"""Conntrack zones, which the kernel of user-mode Linux is built without."""

from __future__ import annotations

import pytest

from dpif import Datapath
from dpif.packet import build
from dpif.testing.kernel import KernelHarness, VethHost

IPV4 = "eth(),eth_type(0x0800),ipv4(frag=no)"
ZONES = (5, 6)


@pytest.fixture
def dp(harness: KernelHarness) -> Datapath:
    return harness.open("zones0", create=True)


@pytest.fixture
def hosts(harness: KernelHarness, dp: Datapath) -> tuple[VethHost, VethHost]:
    """Hosts on ports 1 and 2, between which connections are committed to zone 5 and then matched there."""
    first, second = harness.host(), harness.host()
    dp.ports.add(first.name, number=1)
    dp.ports.add(second.name, number=2)
    dp.flows.add(f"in_port(1),recirc_id(0),{IPV4}", "ct(commit,zone=5),recirc(1)")
    dp.flows.add(f"in_port(1),recirc_id(1),ct_state(+trk+new),ct_zone(5),{IPV4}", "2")
    return first, second


def packet(port: int) -> bytes:
    datagram = build.udp("10.0.0.1", "10.0.0.2", port, 53, b"question")
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)


def test_a_connection_is_tracked_in_its_zone(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    first.send(packet(1000))
    assert second.recv(10.0) == packet(1000)
    (flow,) = (flow for flow in dp.flows.dump() if "recirc(" in str(flow.actions))
    assert str(flow.actions) == "ct(commit,zone=5),recirc(0x1)"
    assert [entry.zone for entry in dp.conntrack.dump(zone=5)] == [5]
    assert list(dp.conntrack.dump(zone=6)) == []
    dp.conntrack.flush(zone=6)
    assert len(list(dp.conntrack.dump(zone=5))) == 1
    dp.conntrack.flush(zone=5)
    assert list(dp.conntrack.dump(zone=5)) == []


def test_a_zone_has_a_limit_of_its_own(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    dp.conntrack.flush(zone=5)
    dp.ct_limits.set({5: 1, 6: 7})
    try:
        first.send(packet(1000))
        first.send(packet(1001))
        assert second.recv(10.0) == packet(1000)
        assert second.recv(0.5) is None
        assert dp.ct_limits.read(ZONES) == [(5, 1, 1), (6, 7, 0)]
    finally:
        dp.ct_limits.delete(*ZONES)
        dp.conntrack.flush(zone=5)
