"""Behaviour of notifications: what the members of a multicast group hear."""

from __future__ import annotations

import asyncio

from dpif.client import PortAdded, PortChanged, PortRemoved, PortWatch
from dpif.netlink.message import pack_message
from dpif.odp.constants import OVS_VPORT_FAMILY, VportCmd
from dpif.odp.messages import VportRecord
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, two_ports
from dpif.testing.waiting import PATIENCE


def heard(watch: PortWatch) -> list[tuple[str, int]]:
    """Return the events that are there as (kind, port number)."""
    events = watch.poll(NONE_WITHIN)
    while more := watch.poll(NONE_WITHIN):
        events += more
    return [(type(event).__name__.removeprefix("Port").lower(), event.port.number) for event in events]


class Notifications:
    """The group ``ovs_vport``, through `PortWatch`."""

    def test_a_watch_knows_the_present_ports(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with dp.ports.watch() as watch:
            assert set(watch.ports) == {0, 1, 2}
            assert watch.poll(NONE_WITHIN) == []

    def test_attaching_changing_and_detaching_are_heard(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        host = harness.host()
        with dp.ports.watch() as watch:
            added = dp.ports.add(host.name)
            assert [type(event) for event in watch.poll(PATIENCE)] == [PortAdded]
            assert watch.ports[1].name == added.name
            dp.ports.set_upcall_pids(1, (5,))
            changes = watch.poll(PATIENCE)
            assert [type(event) for event in changes] == [PortChanged]
            assert changes[0].port.upcall_pids == (5,)
            dp.ports.delete(1)
            assert [type(event) for event in watch.poll(PATIENCE)] == [PortRemoved]
            assert set(watch.ports) == {0}

    def test_other_datapaths_are_not_heard(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        other = harness.open("conf1", create=True)
        host = harness.host()
        with dp.ports.watch() as watch:
            other.ports.add(host.name)
            assert heard(watch) == []

    def test_a_device_that_vanishes_is_heard(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.ports.watch() as watch:
            first.remove()
            assert heard(watch) == [("removed", 1)]

    def test_several_watches_hear_the_same(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        host = harness.host()
        with dp.ports.watch() as one, harness.open("conf0").ports.watch() as two:
            dp.ports.add(host.name)
            assert heard(one) == heard(two) == [("added", 1)]

    def test_a_watch_is_iterable_and_has_a_descriptor(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        host = harness.host()
        with dp.ports.watch() as watch:
            dp.ports.add(host.name)
            assert watch.fileno() >= 0
            assert isinstance(next(watch), PortAdded)

    def test_the_end_of_the_datapath_is_heard(self, harness: Harness) -> None:
        """Trap T12: one made anew under the same name is another, and this watch does not hear of it."""
        dp, _, _ = two_ports(harness)
        with dp.ports.watch() as watch:
            dp.destroy()
            assert heard(watch) == [("removed", 2), ("removed", 1), ("removed", 0)]
            assert watch.is_gone
            new = harness.open("conf0", create=True)
            new.ports.add(harness.host().name)
            assert heard(watch) == []

    def test_iteration_ends_with_the_datapath(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with dp.ports.watch() as watch:
            dp.destroy()
            assert [(type(event), event.port.number) for event in watch] == [(PortRemoved, n) for n in (2, 1, 0)]
            assert watch.poll(None) == list(watch) == []

    def test_asynchronous_iteration_ends_with_the_datapath(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)

        async def removed() -> list[int]:
            async with dp.ports.watch() as watch:
                asyncio.get_running_loop().call_soon(dp.destroy)  # while the watch waits
                return [event.port.number async for event in watch]

        assert asyncio.run(removed()) == [2, 1, 0]

    def test_after_a_loss_the_differences_are_told(self, harness: Harness) -> None:
        """Trap T4: ENOBUFS is "something changed", and what was told before it no longer counts."""
        dp, first, second = two_ports(harness)
        with dp.ports.watch() as watch:
            dp.ports.delete(2)
            dp.ports.add(second.name, number=9)
            dp.ports.delete(9)
            dp.ports.add(second.name, number=7)
            assert [(type(event), event.port.number) for event in watch._lost()] == [(PortRemoved, 2), (PortAdded, 7)]
            assert heard(watch) == []
            assert (set(watch.ports), watch.overruns) == ({0, 1, 7}, 1)
            dp.ports.delete(first.name)
            assert heard(watch) == [("removed", 1)]

    def test_what_cannot_be_read_is_a_loss(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        type_id = dp.connection.family(OVS_VPORT_FAMILY).id
        nameless = VportRecord(command=VportCmd.NEW, dp_ifindex=dp.ifindex, port_no=7).to_payload()
        with dp.ports.watch() as watch:
            for number, payload in enumerate((b"", nameless, nameless[:-2]), 1):
                assert watch._decode(pack_message(type_id, 0, 1, 1, payload)) == []
                assert watch.overruns == number
            dp.ports.delete(first.name)
            assert heard(watch) == [("removed", 1)]
