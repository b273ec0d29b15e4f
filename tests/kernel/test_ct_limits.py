"""Limits on the connections of conntrack zones, on the kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dpif import Datapath, EncodeError
from dpif.odp.messages.ct_limit import ZoneLimit
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, attach_two_hosts
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import eventually

UDP_FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"


def udp(src_port: int) -> bytes:
    datagram = build.udp("10.0.0.1", "10.0.0.2", src_port, 53)
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


@pytest.fixture
def dp(harness: KernelHarness) -> Iterator[Datapath]:
    dp = harness.open("limits0", create=True)
    dp.conntrack.flush()
    yield dp
    dp.ct_limits.delete(*dp.ct_limits.zones, default=True)
    dp.conntrack.flush()


@pytest.fixture
def hosts(harness: KernelHarness, dp: Datapath) -> tuple[VethHost, VethHost]:
    """Hosts on ports 1 and 2; UDP from the first to the second commits its connection."""
    first, second = attach_two_hosts(harness, dp)
    dp.flows.add(UDP_FLOW, "ct(commit),2")
    return first, second


def test_without_any(dp: Datapath) -> None:
    assert dp.ct_limits.default == 0
    assert dp.ct_limits.zones == {}
    assert dp.ct_limits.get(7) == ZoneLimit(7, 0, 0)


def test_limits_come_change_and_go(dp: Datapath) -> None:
    limits = dp.ct_limits
    limits.set({5: 3, 7: 9}, default=100)
    assert limits.default == 100
    assert limits.zones == {5: ZoneLimit(5, 3), 7: ZoneLimit(7, 9)}
    assert limits.read([9, 5]) == [ZoneLimit(9, 100), ZoneLimit(5, 3)]
    limits.set({5: 4})
    assert list(limits) == [ZoneLimit(5, 4), ZoneLimit(7, 9)]
    limits.delete(5, 65535)
    assert set(limits.zones) == {7}
    assert limits.default == 100
    limits.delete(default=True)
    assert limits.default == 0
    assert set(limits.zones) == {7}


def test_they_are_shared_by_the_datapaths(dp: Datapath, harness: KernelHarness) -> None:
    dp.ct_limits.set({5: 3})
    assert set(harness.open("limits1", create=True).ct_limits.zones) == {5}


def test_nothing_asked_is_nothing_done(dp: Datapath) -> None:
    dp.ct_limits.set({})
    dp.ct_limits.delete()
    assert dp.ct_limits.zones == {}


@pytest.mark.parametrize("zone", [-1, -2, 65536])
def test_no_zone(dp: Datapath, zone: int) -> None:
    for ask in (dp.ct_limits.get, dp.ct_limits.delete, lambda zone: dp.ct_limits.set({zone: 1})):
        with pytest.raises(EncodeError, match=f"{zone} is not a conntrack zone"):
            ask(zone)


@pytest.mark.parametrize("by_default", [True, False])
def test_one_connection_too_many_is_refused(dp: Datapath, hosts: tuple[VethHost, VethHost], by_default: bool) -> None:
    first, second = hosts
    if by_default:
        dp.ct_limits.set(default=2)
    else:
        dp.ct_limits.set({0: 2}, default=100)
    for src_port in (1000, 1001):
        first.send(udp(src_port))
        assert second.recv() == udp(src_port)
    first.send(udp(1002))
    assert second.recv(NONE_WITHIN) is None
    eventually(lambda: dp.ct_limits.get(0) == ZoneLimit(0, 2, 2))  # one that was refused counts for a moment
    first.send(udp(1000))
    assert second.recv() == udp(1000), "the connections that there are go on"
    dp.ct_limits.set({0: 3})
    first.send(udp(1002))
    assert second.recv() == udp(1002)
