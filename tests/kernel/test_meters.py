"""Meters on the kernel's datapath: their making and removal, and that they hold what passes to a rate."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator

import pytest

from dpif import Datapath, EncodeError, NetlinkError, NoSuchObject
from dpif.odp.messages.flow import FlowCounters
from dpif.packet import build
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import eventually

UDP_FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"


def frame(length: int) -> bytes:
    """Return a UDP packet whose frame has `length` bytes."""
    headers = 14 + 20 + 8
    datagram = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, bytes(length - headers))
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


@pytest.fixture
def dp(harness: KernelHarness) -> Datapath:
    return harness.open("meters0", create=True)


@pytest.fixture
def sender(harness: KernelHarness, dp: Datapath) -> VethHost:
    """A host on port 1, whose UDP goes through meter 1 to port 2."""
    first, second = harness.host(), harness.host()
    dp.ports.add(first.name, number=1)
    dp.ports.add(second.name, number=2)
    dp.flows.add(UDP_FLOW, "meter(1),2")
    return first


def test_features(dp: Datapath) -> None:
    features = dp.meters.features()
    assert features.max_meters > 1000
    assert (features.max_bands, features.band_types) == (1, (1,))


def test_a_meter_comes_and_goes(dp: Datapath) -> None:
    with pytest.raises(NoSuchObject, match="reading meter 1 of meters0"):
        dp.meters.get(1)
    assert dp.meters.set(1, rate=100, unit="pktps") is None
    meter = dp.meters.get(1)
    assert (meter.id, meter.packets, meter.bytes, meter.bands) == (1, 0, 0, (FlowCounters(),))
    assert meter.used is not None
    assert abs(meter.used - time.monotonic()) < 3600, "seconds on the monotonic clock"
    assert dp.meters.delete(1) == meter
    with pytest.raises(NoSuchObject):
        dp.meters.get(1)


def test_deleting_what_is_not_there_is_no_failure(dp: Datapath) -> None:
    assert dp.meters.delete(7) is None


def test_setting_again_replaces_and_tells_the_old_counters(dp: Datapath, sender: VethHost) -> None:
    dp.meters.set(1, rate=1000, unit="pktps")
    sender.send(frame(100))
    eventually(lambda: dp.meters.get(1).packets == 1)
    replaced = dp.meters.set(1, rate=2000, unit="pktps")
    assert replaced is not None
    assert (replaced.packets, replaced.bytes) == (1, 100)
    assert dp.meters.get(1).packets == 0


def test_two_ids_may_not_share_a_slot(dp: Datapath) -> None:
    dp.meters.set(5, rate=1)
    with pytest.raises(NetlinkError, match="another meter has the place of this id") as caught:
        dp.meters.set(1029, rate=1)
    assert caught.value.errno == errno.EBUSY
    dp.meters.delete(5)
    dp.meters.set(1029, rate=1)


def test_mistakes_are_told_before_the_kernel_is_asked(dp: Datapath) -> None:
    with pytest.raises(EncodeError, match="the rate of a meter is at least 1"):
        dp.meters.set(1, rate=0)
    with pytest.raises(EncodeError, match="unknown unit 'mbps' of a meter; one of: kbps, pktps"):
        dp.meters.set(1, rate=1, unit="mbps")  # type: ignore[arg-type]  # the point


def test_a_meter_of_a_datapath_that_went(dp: Datapath, harness: KernelHarness) -> None:
    harness.open("meters0").destroy()
    with pytest.raises(NoSuchObject):
        dp.meters.set(1, rate=1)


def test_without_its_meter_a_flow_passes_everything(dp: Datapath, sender: VethHost) -> None:
    dp.meters.set(1, rate=1, burst=0, unit="pktps")
    sender.send(frame(100))
    eventually(lambda: dp.meters.get(1).bands[0].n_packets == 1)
    dp.meters.delete(1)
    for _ in range(30):
        sender.send(frame(100))
    eventually(lambda: passed(dp) == 30)


def passed(dp: Datapath) -> int:
    """Return how many packets left by port 2."""
    stats = dp.ports.get(2).stats
    assert stats is not None
    return stats.tx_packets


def test_a_flood_is_held_to_the_rate_in_packets(dp: Datapath, sender: VethHost) -> None:
    rate, burst, wanted = 100, 20, 100
    dp.meters.set(1, rate=rate, burst=burst, unit="pktps")
    sent = 0
    flood = frame(100)
    start = time.monotonic()
    while passed(dp) < burst + wanted and time.monotonic() - start < 60:
        for _ in range(50):
            sender.send(flood)
        sent += 50
    eventually(lambda: dp.meters.get(1).packets == sent)
    seconds = time.monotonic() - start
    assert burst + wanted <= passed(dp) <= burst + rate * seconds + 1
    meter = dp.meters.get(1)
    assert (meter.packets, meter.bytes) == (sent, 100 * sent)
    assert meter.bands == (FlowCounters(sent - passed(dp), 100 * (sent - passed(dp))),)
    assert sent > 2 * passed(dp), "the flood was one"


def test_a_flood_is_held_to_the_rate_in_bits(dp: Datapath, sender: VethHost) -> None:
    dp.meters.set(1, rate=1, burst=80, unit="kbps")  # 80 kilobits are ten packets; another takes eight seconds
    start = time.monotonic()
    for _ in range(40):
        sender.send(frame(1000))
    eventually(lambda: dp.meters.get(1).packets == 40)
    seconds = time.monotonic() - start
    assert 10 <= passed(dp) <= 10 + seconds / 8 + 1
