"""Meters: their making and removal, and that they drop what is too much."""

from __future__ import annotations

import errno

import pytest

from dpif._typing import Any
from dpif.client import Datapath
from dpif.errors import NoSuchObject
from dpif.netlink.attributes import Buffer, walk
from dpif.odp.constants import MeterAttr, MeterCmd
from dpif.odp.messages import FlowCounters, MeterBand, MeterRecord
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, Host, refused, two_ports

UDP_FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
HEADERS = 14 + 20 + 8


def _frame(number: int = 0, length: int = 100) -> bytes:
    """Return a UDP packet whose frame has `length` bytes and begins its payload with `number`."""
    payload = bytes([number]).ljust(length - HEADERS, b"\0")
    return build.ethernet(
        "02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1000, 53, payload)
    )


def _metered(harness: Harness, actions: str = "meter(1),2") -> tuple[Datapath, Host, Host]:
    """Return a datapath whose UDP from port 1 goes through meter 1."""
    dp, first, second = two_ports(harness)
    dp.flows.add(UDP_FLOW, actions)
    return dp, first, second


def _received(host: Host) -> list[bytes]:
    """Return what arrives at a host until nothing more does."""
    frames = []
    while (frame := host.recv(NONE_WITHIN)) is not None:
        frames.append(frame)
    return frames


class Meters:
    """The family ``ovs_meter`` and the action ``meter``, interface.md section 3.4."""

    def test_features(self, harness: Harness) -> None:
        features = harness.open("conf0", create=True).meters.features()
        assert features.max_meters > 1000
        assert (features.max_bands, features.band_types) == (1, (1,))

    def test_a_meter_comes_and_goes(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        assert dp.meters.set(1, rate=100, unit="pktps") is None
        meter = dp.meters.get(1)
        assert (meter.id, meter.packets, meter.bytes, meter.bands) == (1, 0, 0, (FlowCounters(),))
        assert dp.meters.delete(1) == meter
        with pytest.raises(NoSuchObject):
            dp.meters.get(1)

    def test_deleting_what_is_not_there_is_no_failure(self, harness: Harness) -> None:
        assert harness.open("conf0", create=True).meters.delete(7) is None

    def test_meters_belong_to_their_datapath(self, harness: Harness) -> None:
        dp, other = harness.open("conf0", create=True), harness.open("conf1", create=True)
        dp.meters.set(1, rate=100)
        with refused(errno.ENOENT):
            other.meters.get(1)

    def test_two_ids_may_not_share_a_slot(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        dp.meters.set(5, rate=1)
        with refused(errno.EBUSY):
            dp.meters.set(1029, rate=1)
        dp.meters.delete(5)
        dp.meters.set(1029, rate=1)
        assert dp.meters.get(1029).id == 1029

    def test_requests_that_lack_something(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        band = MeterBand(type=1, rate=1, burst=1)
        for what, code, values in (
            ("no ID", errno.EINVAL, {"bands": (band,)}),
            ("no BANDS", errno.EINVAL, {"id": 1}),
            ("two bands", errno.EINVAL, {"id": 1, "bands": (band, band)}),
            ("no TYPE", errno.EINVAL, {"id": 1, "bands": (band._replace(type=None),)}),
            ("no RATE", errno.EINVAL, {"id": 1, "bands": (band._replace(rate=None),)}),
            ("no BURST", errno.EINVAL, {"id": 1, "bands": (band._replace(burst=None),)}),
            ("a rate of 0", errno.EINVAL, {"id": 1, "bands": (band._replace(rate=0),)}),
            ("no datapath", errno.ENODEV, {"id": 1, "bands": (band,), "dp_ifindex": 9999}),
        ):
            fields: dict[str, Any] = {"command": MeterCmd.SET, "dp_ifindex": dp.ifindex, **values}
            record = MeterRecord(**fields)
            with refused(code, what):
                dp.connection.transact(record.request(what))
        for command in (MeterCmd.GET, MeterCmd.DEL):
            with refused(errno.EINVAL, command.name):
                dp.connection.transact(MeterRecord(command=command, dp_ifindex=dp.ifindex).request("no ID"))

    def test_a_meter_may_have_no_band(self, harness: Harness) -> None:
        dp, first, second = _metered(harness)
        record = MeterRecord(command=MeterCmd.SET, dp_ifindex=dp.ifindex, id=1, bands=())
        dp.connection.transact(record.request("set"))
        first.send(_frame())
        assert second.recv() == _frame()
        assert (dp.meters.get(1).packets, dp.meters.get(1).bands) == (1, ())

    def test_counters_may_be_given(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        values: dict[str, Any] = {"dp_ifindex": dp.ifindex, "id": 1, "bands": (), "stats": FlowCounters(7, 8)}
        dp.connection.transact(MeterRecord(command=MeterCmd.SET, **values).request("set"))
        assert dp.meters.get(1)[1:3] == (7, 8)
        dp.connection.transact(MeterRecord(command=MeterCmd.SET, clear=True, **values).request("set"))
        assert dp.meters.get(1)[1:3] == (0, 0)
        assert dp.meters.set(1, rate=1) is None, "a meter that was set with CLEAR does not tell its counters"

    def test_a_reply_has_the_attributes_of_the_kernel_in_its_order(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        dp.meters.set(1, rate=1)
        request = MeterRecord(command=MeterCmd.GET, dp_ifindex=dp.ifindex, id=1).request("get", decode=_attributes)
        reply = dp.connection.transact(request)
        assert reply is not None
        assert [number for number in reply if number != MeterAttr.PAD] == [
            MeterAttr.ID,
            MeterAttr.STATS,
            MeterAttr.USED,
            MeterAttr.BANDS,
        ]

    def test_what_is_within_the_burst_passes(self, harness: Harness) -> None:
        dp, first, second = _metered(harness)
        dp.meters.set(1, rate=1, burst=3, unit="pktps")
        frames = [_frame(number) for number in range(10)]
        for frame in frames:
            first.send(frame)
        passed = _received(second)
        assert passed[:3] == frames[:3]
        assert len(passed) < len(frames)
        dropped = len(frames) - len(passed)
        meter = dp.meters.get(1)
        assert (meter.packets, meter.bytes) == (10, 1000)
        assert meter.bands == (FlowCounters(dropped, 100 * dropped),)

    def test_bits_are_counted_without_a_tag(self, harness: Harness) -> None:
        dp, first, second = _metered(harness, "push_vlan(vid=5,pcp=0),meter(1),2")
        dp.meters.set(1, rate=1, burst=8, unit="kbps")  # room for 1000 bytes
        for number in range(6):
            first.send(_frame(number, 500))
        passed = _received(second)
        assert 2 <= len(passed) < 6
        assert dp.meters.get(1).bytes == 3000

    def test_without_a_burst_nothing_passes(self, harness: Harness) -> None:
        dp, first, second = _metered(harness)
        dp.meters.set(1, rate=1000, burst=0, unit="pktps")
        first.send(_frame())
        assert second.recv(NONE_WITHIN) is None

    def test_replacing_tells_the_old_counters(self, harness: Harness) -> None:
        dp, first, second = _metered(harness)
        dp.meters.set(1, rate=1000, unit="pktps")
        first.send(_frame())
        assert second.recv() == _frame()  # it is through the meter
        replaced = dp.meters.set(1, rate=2000, unit="pktps")
        assert replaced is not None
        assert (replaced.packets, replaced.bytes) == (1, 100)
        assert dp.meters.get(1).packets == 0

    def test_a_meter_that_is_not_there_lets_everything_pass(self, harness: Harness) -> None:
        dp, first, second = _metered(harness)
        first.send(_frame())
        assert second.recv() == _frame()
        dp.meters.set(1, rate=1, burst=0)
        first.send(_frame())
        assert second.recv(NONE_WITHIN) is None
        dp.meters.delete(1)
        first.send(_frame())
        assert second.recv() == _frame()

    def test_what_is_dropped_in_a_clone_goes_on_behind_it(self, harness: Harness) -> None:
        dp, first, second = _metered(harness, "clone(meter(1),1),2")
        dp.meters.set(1, rate=1, burst=0)
        first.send(_frame())
        assert second.recv() == _frame()
        assert first.recv(NONE_WITHIN) is None


def _attributes(payload: Buffer) -> list[int]:
    """Return the numbers of the attributes of a reply."""
    return [number for number, _, _ in walk(payload, OVS_HDRLEN)]
