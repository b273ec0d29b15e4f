"""Behaviour of upcalls: which packets come up, with what, and to whom."""

from __future__ import annotations

import asyncio

import pytest

import dpif
from dpif.client import Upcall
from dpif.odp.actions import Clone, Trunc, Userspace, parse_actions
from dpif.odp.constants import PacketCmd
from dpif.odp.extraction import extract
from dpif.odp.messages import PacketRecord
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, two_ports
from dpif.testing.conformance.misses import flood, let_miss
from dpif.testing.conformance.packets import TAGGED, UDP4, UDP4_FLOW, UDP6
from dpif.testing.waiting import PATIENCE

ARP = build.ethernet(
    "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", build.arp_request("02:00:00:00:00:01", "10.0.0.1", "10.0.0.2")
)


class UpcallDelivery:
    """``ovs_packet``, wire.md section 8.1."""

    def test_a_miss_comes_up_whole(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.is_miss
        assert upcall.packet == UDP4
        assert upcall.length == len(UDP4)
        assert upcall.key.in_port == 1
        assert upcall.userdata is None

    def test_the_key_is_what_extraction_says(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            for frame in (UDP4, UDP6, TAGGED, ARP):
                first.send(frame)
                (upcall,) = upcalls.poll(PATIENCE)
                assert upcall.packet == frame
                # A kernel built without conntrack zones leaves their field out.
                assert upcall.key.replace(ct_zone=None) == extract(frame, 1).replace(ct_zone=None)

    @pytest.mark.parametrize(
        ("actions", "stays"),
        [
            ("set(eth(src=02:00:00:00:00:09))", True),
            ("set(ipv4(tos=4,ttl=3))", True),
            ("set(ipv4(src=10.0.0.1))", True),
            ("set(ipv4(src=10.0.0.9))", False),
            ("set(udp(src=1000))", False),
            ("set(udp(src=1001))", False),
            ("push_vlan(vid=1,pcp=0)", True),
            ("ct(commit,nat(src=192.0.2.7))", True),
        ],
    )
    def test_a_hash_comes_up_as_it_came_down(self, harness: Harness, actions: str, stays: bool) -> None:
        """Unless addresses were changed by ``set``, or ports were set at all."""
        dp, _, _ = two_ports(harness)
        dp.conntrack.flush()
        given = 1 << 33 | 0x12345678
        with dp.upcalls(miss=False) as upcalls:
            record = PacketRecord(
                command=PacketCmd.EXECUTE,
                dp_ifindex=dp.ifindex,
                packet=UDP4,
                key=dpif.FlowKey(in_port=1).to_bytes(),
                actions=parse_actions(f"{actions},userspace(pid={upcalls.port_id})").to_bytes(),
                hash=given,
            )
            dp.connection.transact(record.request("executing"))
            (upcall,) = upcalls.poll(2)
        assert (upcall.hash == given) == stays

    def test_misses_are_counted_and_without_a_listener_lost(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        first.send(UDP4)
        assert second.recv(NONE_WITHIN) is None
        assert (dp.stats().missed, dp.stats().lost) == (1, 1)
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            assert len(upcalls.poll(PATIENCE)) == 1
        assert (dp.stats().missed, dp.stats().lost) == (2, 1)

    def test_a_packet_that_matches_does_not_come_up(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "2")
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            assert second.recv() == UDP4
            assert upcalls.poll(NONE_WITHIN) == []

    def test_an_action_brings_its_userdata(self, harness: Harness) -> None:
        """Trap T9: userdata has any length."""
        dp, first, _ = two_ports(harness)
        with dp.upcalls(miss=False) as upcalls:
            for length in (1, 8, 48, 1000):
                data = bytes(range(256)) * 4
                userspace = Userspace(pid=upcalls.port_id, userdata=data[:length])
                dp.flows.put(UDP4_FLOW, [userspace])
                first.send(UDP4)
                (upcall,) = upcalls.poll(PATIENCE)
                assert not upcall.is_miss
                assert upcall.packet == UDP4
                assert upcall.userdata == data[:length]
                assert upcall.actions is None

    def test_an_action_may_bring_the_flows_actions(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(miss=False) as upcalls:
            userspace = Userspace(pid=upcalls.port_id, actions=True)
            dp.flows.add(UDP4_FLOW, [userspace])
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.actions == dpif.Actions([userspace])

    def test_a_truncated_packet_tells_its_length(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(miss=False) as upcalls:
            userspace = Userspace(pid=upcalls.port_id)
            dp.flows.add(UDP4_FLOW, [Trunc(20), userspace])
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.packet == UDP4[:20]
        assert upcall.length == len(UDP4)

    def test_listening_to_actions_alone_takes_no_misses(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(miss=False) as upcalls:
            first.send(UDP4)
            assert upcalls.poll(NONE_WITHIN) == []
            assert dp.stats().lost == 1
            dp.ports.set_upcall_pids(1, (upcalls.port_id,))  # as somebody else may
            first.send(UDP4)
            dp.execute(UDP4, [Userspace(pid=upcalls.port_id)], dpif.FlowKey(in_port=1))
            (upcall,) = upcalls.poll(PATIENCE)
            assert not upcall.is_miss
        assert dp.stats().lost == 1

    def test_listening_to_misses_alone_takes_no_actions(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(action=False) as upcalls:
            dp.execute(UDP4, [Userspace(pid=upcalls.port_id)], dpif.FlowKey(in_port=1))
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
            assert upcall.is_miss

    def test_an_upcall_is_answered(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
            dp.flows.put(upcall.key, "2")
            dp.execute(upcall.packet, "2", upcall.key)
            assert second.recv() == UDP4
            first.send(UDP4)
            assert second.recv() == UDP4
            assert upcalls.poll(NONE_WITHIN) == []

    def test_a_listener_hears_its_own_datapath_alone(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        other = harness.open("conf1", create=True)
        host = harness.host()
        other.ports.add(host.name)
        with dp.upcalls() as upcalls, other.upcalls() as others:
            host.send(UDP4)
            assert len(others.poll(PATIENCE)) == 1
            assert upcalls.poll(NONE_WITHIN) == []

    def test_the_next_listener_takes_over(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as old, harness.open("conf0").upcalls() as new:
            first.send(UDP4)
            assert len(new.poll(PATIENCE)) == 1
            assert old.poll(NONE_WITHIN) == []

    def test_a_listener_hands_the_place_back(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        before = dp.read()
        with dp.upcalls():
            assert dp.read().per_cpu_pids != before.per_cpu_pids
        after = dp.read()
        assert (after.user_features, after.per_cpu_pids) == (before.user_features, before.per_cpu_pids)

    def test_a_listener_that_was_replaced_leaves_its_successor_alone(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        old = dp.upcalls()
        with harness.open("conf0").upcalls() as new:
            old.close()
            first.send(UDP4)
            assert len(new.poll(PATIENCE)) == 1

    def test_a_full_queue_loses_and_counts(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            flood(dp, first)
            arrived = upcalls.purge()
            stats = dp.stats()
            assert upcalls.overruns <= 1
        assert stats.lost > 0
        assert arrived == stats.missed - stats.lost

    def test_a_port_counts_its_upcalls(self, harness: Harness) -> None:
        """From Linux 6.2 on: those that were taken, and those that failed though somebody was named to take them."""
        dp, first, second = two_ports(harness)
        with dp.upcalls() as upcalls:
            for _ in range(3):
                first.send(UDP4)
            assert len(upcalls.poll(PATIENCE)) == 3
            if not dp.features().upcall_stats:
                assert {port.upcall_stats for port in dp.ports} == {None}
                return
            assert dp.ports.get(first.name).upcall_stats == (3, 0)
            lost = flood(dp, first)
            taken, failed = dp.ports.get(first.name).upcall_stats or (0, 0)
            assert (taken, failed) == (upcalls.purge() + 3, lost)
            assert dp.ports.get(second.name).upcall_stats == (0, 0)
        let_miss(dp, first)  # to nobody
        assert dp.ports.get(first.name).upcall_stats == (taken, failed)
        assert dp.stats().lost == lost + 1

    def test_a_packet_may_name_who_gets_its_upcalls(self, harness: Harness) -> None:
        """``OVS_PACKET_ATTR_UPCALL_PID``: before what actions, ports and the datapath say."""
        dp, _, _ = two_ports(harness)
        key = dpif.FlowKey(in_port=1)
        with dp.upcalls(miss=False) as usual, dp.upcalls(ports=[2]) as named:
            up = Userspace(pid=usual.port_id)
            dp.execute(UDP4, [Clone([up]), up], key, upcall_pid=named.port_id)
            if not dp.features().upcall_pid:
                assert len(usual.poll(2)) == 2
                return
            assert [upcall.is_miss for upcall in named.poll(2)] == [False, False]
            dp.execute(UDP4, "recirc(0x9)", key, upcall_pid=named.port_id)
            assert [upcall.is_miss for upcall in named.poll(2)] == [True]
            dp.flows.add(f"recirc_id(0x9),{UDP4_FLOW}", [up])
            dp.execute(UDP4, "recirc(0x9)", key, upcall_pid=named.port_id)
            assert len(named.poll(2)) == 1
            assert usual.poll(NONE_WITHIN) == []
            dp.execute(UDP4, [up], key, upcall_pid=0)  # nobody in particular
            assert len(usual.poll(2)) == 1
            lost = dp.stats().lost
            dp.execute(UDP4, [up], key, upcall_pid=4711)
            assert dp.stats().lost == lost + 1

    def test_waiting_upcalls_may_be_thrown_away(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            let_miss(dp, first, 5)
            assert upcalls.purge() == 5
            assert upcalls.poll(0) == []

    def test_upcalls_are_iterable(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            assert next(upcalls).packet == UDP4

    def test_upcalls_are_asynchronously_iterable(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)

        async def one() -> Upcall:
            with dp.upcalls() as upcalls:
                asyncio.get_running_loop().call_soon(first.send, UDP4)
                return await asyncio.wait_for(anext(aiter(upcalls)), 5)

        assert asyncio.run(one()).packet == UDP4

    def test_upcalls_are_an_asynchronous_context_manager(self, harness: Harness) -> None:
        """Once closed they end, and hand their place back."""
        dp, _, _ = two_ports(harness)

        async def after() -> list[Upcall]:
            async with dp.upcalls() as upcalls:
                assert upcalls.dispatch != "none"
            assert upcalls.dispatch == "none"
            return [upcall async for upcall in upcalls]

        assert asyncio.run(after()) == []

    def test_iteration_ends_with_the_datapath(self, harness: Harness) -> None:
        """Behind what came up before; so does waiting, and one made anew is another."""
        for dispatch in ("per-vport", None):
            dp = harness.open("conf0", create=True)
            with dp.upcalls(dispatch=dispatch) as upcalls:
                dp.execute(UDP4, "recirc(0x9)", dpif.FlowKey(in_port=0))
                dp.destroy()
                assert [upcall.packet for upcall in upcalls] == [UDP4]
                assert upcalls.is_gone
                assert upcalls.poll(None) == list(upcalls) == []

    def test_asynchronous_iteration_ends_with_the_datapath(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)

        async def all_of_them() -> list[Upcall]:
            async with dp.upcalls() as upcalls:
                asyncio.get_running_loop().call_soon(dp.destroy)  # while it waits
                return [upcall async for upcall in upcalls]

        assert asyncio.run(all_of_them()) == []

    def test_all_handlers_hear_of_the_end(self, harness: Harness) -> None:
        """Those too that take no misses; the end of another datapath is none."""
        dp, other = harness.open("conf0", create=True), harness.open("conf1", create=True)
        with dp.upcall_handlers(2) as handlers, dp.upcalls(miss=False) as quiet:
            other.destroy()
            assert [handler.poll(NONE_WITHIN) or handler.is_gone for handler in (*handlers, quiet)] == [False] * 3
            dp.destroy()
            assert [list(handler) for handler in (*handlers, quiet)] == [[], [], []]

    def test_an_end_that_no_queue_has_room_for_is_found_out(self, harness: Harness) -> None:
        """A full queue says so once and takes nothing until it is empty, the word of the end neither."""
        dp = harness.open("conf0", create=True)
        with dp.upcalls(miss=False) as upcalls:
            up = [Userspace(pid=upcalls.port_id)] * 50
            lost = dp.stats().lost
            while dp.stats().lost == lost:
                dp.execute(bytes(60_000), up)
            dp.destroy()
            assert all(upcall.packet == bytes(60_000) for upcall in upcalls)
            assert upcalls.overruns
            assert upcalls.is_gone
