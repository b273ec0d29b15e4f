"""Meters by a clock that the test turns: how fast buckets fill, and which ids go together."""

from __future__ import annotations

import errno

import pytest

from dpif.odp.constants import MeterBandType
from dpif.packet import build
from dpif.userspace.engine.meters import DP_METER_ARRAY_SIZE_MIN, BandRequest, Meter, MeterTable

from .conftest import Engine

FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4()"
UDP = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(83)))
"""125 bytes: 1000 bits."""


def meter(id: int = 1, *, rate: int = 1, burst: int = 1, kind: int = MeterBandType.DROP, bits: bool = False) -> Meter:
    return Meter(id, [BandRequest(kind, rate, burst)], 0, is_in_bits=bits)


@pytest.mark.parametrize("bits", [False, True], ids=["packets", "kilobits"])
def test_a_bucket_fills_with_time_up_to_the_burst(engine: Engine, bits: bool) -> None:
    engine.flow(FLOW, "meter(1),2")
    engine.dp.meters.replace(meter(rate=10, burst=3, bits=bits))  # one packet in 100 ms, either way
    passed = []
    for seconds in (0, 0.099, 0.001, 0.25, 3600):
        engine.now += seconds
        for _ in range(5):
            engine.hosts[1].send(UDP)
        passed.append(len(engine.out(2)))
    assert passed == [3, 0, 1, 2, 3]


def test_a_clock_reading_before_the_last_one_fills_nothing() -> None:
    one = meter(burst=1)
    assert not one.drops(100, 5)
    assert one.drops(100, 0)


def test_a_band_of_another_type_counts_and_lets_pass() -> None:
    one = meter(kind=7, burst=0)
    assert not one.drops(100, 0)
    assert (one.bands[0].packets, one.bands[0].bytes) == (1, 100)


def test_the_table_grows_and_shrinks() -> None:
    """The ids that share a place depend on how many meters there are, as in the kernel."""
    table = MeterTable()
    size = DP_METER_ARRAY_SIZE_MIN
    for id_ in range(1, size):
        table.replace(meter(id_))
    table.replace(meter(2 * size - 1))  # the table has doubled
    assert table.find(2 * size - 1) is not None
    assert table.find(size - 1) is not None
    table.remove(2 * size - 1)
    for id_ in range(1, size):
        table.remove(id_)
    table.replace(meter(5))
    with pytest.raises(OSError, match="meter 5 has the place of meter 1029") as caught:
        table.replace(meter(5 + size))
    assert caught.value.errno == errno.EBUSY


def test_a_table_can_be_full() -> None:
    table = MeterTable(most=3)
    table.replace(meter(1))
    table.replace(meter(2))
    with pytest.raises(OSError, match="fewer than 3 meters") as caught:
        table.replace(meter(3))
    assert caught.value.errno == errno.EFBIG
    assert table.replace(meter(2)) is not None
