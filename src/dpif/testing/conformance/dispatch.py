"""Behaviour of dispatch: to whom upcalls go, and what is left of that afterwards."""

from __future__ import annotations

import errno

import pytest

from dpif.client import Datapath, Upcalls
from dpif.errors import EncodeError, NetlinkError
from dpif.odp.actions import Userspace
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, refused, two_ports
from dpif.testing.conformance.misses import flood, let_miss
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW
from dpif.testing.waiting import PATIENCE

PER_VPORT = "per-vport"


def settings(dp: Datapath) -> tuple[object, ...]:
    """Return everything that dispatch writes."""
    record = dp.read()
    return record.user_features, record.per_cpu_pids, {port.number: port.upcall_pids for port in dp.ports}


def numbers(upcalls: Upcalls, limit: int = 64) -> list[int]:
    """Return the input ports of the upcalls that are waiting."""
    return [upcall.key.in_port or 0 for upcall in upcalls.poll(NONE_WITHIN, limit)]


class PerVportDispatch:
    """Sixteen sockets, rows 9, 14, 30 and 32 of interface.md section 1.2."""

    def test_misses_come_up(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            assert upcalls.dispatch == PER_VPORT
            first.send(UDP4)
            second.send(UDP4)
            assert sorted(numbers(upcalls) + numbers(upcalls)) == [1, 2]

    def test_ports_have_the_socket_of_their_number_modulo_sixteen(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.ports.add(harness.host().name, number=17)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            pids = {port.number: port.upcall_pids for port in dp.ports}
            assert pids[1] == pids[17] == (upcalls.pid_of(1),)
            assert len({pids[0], pids[1], pids[2]}) == 3

    def test_a_port_added_while_listening_is_listened_to(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        third = harness.host()
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            port = dp.ports.add(third.name)
            assert port.upcall_pids == (upcalls.pid_of(port),)
            third.send(UDP4)
            assert numbers(upcalls) == [3]

    def test_a_number_that_the_datapath_chose_gets_its_socket_too(self, harness: Harness) -> None:
        """Trap T2: the number is not known when the port is asked for."""
        dp, _, _ = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            port = dp.ports.add(harness.host().name, number=0)
            assert port.number == 3
            assert dp.ports.get(3).upcall_pids == (upcalls.pid_of(3),)

    def test_a_port_added_by_somebody_else_is_adopted(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        third = harness.host()
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            harness.open("conf0").ports.add(third.name, number=3)
            third.send(UDP4)
            assert numbers(upcalls) == []
            upcalls.adopt(3)
            third.send(UDP4)
            assert numbers(upcalls) == [3]

    def test_the_place_is_handed_back(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.ports.set_upcall_pids(2, (4711,))
        before = settings(dp)
        with dp.upcalls(dispatch=PER_VPORT):
            assert settings(dp) != before
        assert settings(dp) == before

    def test_the_place_of_a_listener_per_cpu_is_handed_back(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            before = settings(dp)
            with harness.open("conf0").upcalls(dispatch=PER_VPORT):
                assert settings(dp) != before
            assert settings(dp) == before
            first.send(UDP4)
            assert numbers(upcalls) == [1]

    def test_actions_name_the_ports_socket(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            dp.flows.add(UDP4_FLOW, [Userspace(pid=upcalls.pid_of(1), userdata=b"one")])
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.userdata == b"one"

    def test_a_flood_of_one_port_takes_nothing_from_another(self, harness: Harness) -> None:
        """Its queue is full and loses; the other port's packet is there, and it is its turn at once."""
        dp, first, second = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            lost = flood(dp, first)
            let_miss(dp, second, 3)
            assert dp.stats().lost == lost
            assert numbers(upcalls, limit=6).count(2) >= 2
            upcalls.purge()
            assert upcalls.overruns == 1

    def test_the_sockets_are_one_descriptor(self, harness: Harness) -> None:
        dp, _, second = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as upcalls:
            assert upcalls.fileno() >= 0
            second.send(UDP4)
            assert next(upcalls).key.in_port == 2
            let_miss(dp, second)
            assert upcalls.purge() == 1


class SomePortsDispatch:
    """``upcalls(ports=…)``: the misses of some ports alone."""

    def test_their_misses_come_and_no_others(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcalls(ports=[1]) as upcalls:
            assert upcalls.dispatch == PER_VPORT
            let_miss(dp, first)
            let_miss(dp, second)
            assert numbers(upcalls) == [1]
        assert dp.stats().lost == 1

    def test_ports_are_named_in_every_way(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        third = harness.host()
        port = dp.ports.add(third.name)
        with dp.upcalls(ports=[port, second.name, 0]) as upcalls:
            for host in (first, second, third):
                let_miss(dp, host)
            assert sorted(numbers(upcalls) + numbers(upcalls)) == [2, 3]

    def test_the_others_and_the_features_stay_as_they_are(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.ports.set_upcall_pids(2, (4711,))
        before = settings(dp)
        with dp.upcalls(ports=[1]) as upcalls:
            features, per_cpu, pids = settings(dp)
            assert (features, per_cpu) == before[:2]
            assert pids == {0: (0,), 1: (upcalls.pid_of(1),), 2: (4711,)}
        assert settings(dp) == before

    def test_two_listeners_have_a_port_each(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcalls(ports=[1]) as one, harness.open("conf0").upcalls(ports=[2]) as two:
            let_miss(dp, first)
            let_miss(dp, second)
            assert (numbers(one), numbers(two)) == ([1], [2])

    def test_a_port_that_was_taken_over_stays_with_its_new_listener(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        old = dp.upcalls(ports=[1, 2])
        with harness.open("conf0").upcalls(ports=[1]) as new:
            old.close()
            let_miss(dp, first)
            assert numbers(new) == [1]
            assert dp.ports.get(2).upcall_pids == (0,)

    def test_a_port_added_meanwhile_is_not_among_them_unless_adopted(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        third = harness.host()
        with dp.upcalls(ports=[1]) as upcalls:
            port = dp.ports.add(third.name)
            assert port.upcall_pids == (0,)
            upcalls.adopt(port)
            let_miss(dp, third)
            assert numbers(upcalls) == [3]

    def test_what_was_listened_to_before_goes_on(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcalls(dispatch=PER_VPORT) as every:
            with dp.upcalls(ports=[1]) as one:
                let_miss(dp, first)
                let_miss(dp, second)
                assert (numbers(one), numbers(every)) == ([1], [2])
                assert dp.ports.add(harness.host().name).upcall_pids == (every.pid_of(3),)
            let_miss(dp, first)
            assert numbers(every) == [1]

    def test_a_port_that_is_not_there_changes_nothing(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        before = settings(dp)
        with refused(errno.ENODEV):
            dp.upcalls(ports=[1, 7])
        with refused(errno.ENODEV):
            dp.upcalls(ports=[1, "nosuchport"])
        assert settings(dp) == before

    def test_misses_per_cpu_know_no_ports(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with pytest.raises(EncodeError, match="per vport, not per CPU"):
            dp.upcalls(ports=[1], dispatch="per-cpu")
        with dp.upcalls(dispatch="per-cpu"):
            before = settings(dp)
            with pytest.raises(NetlinkError, match="dispatched per CPU") as caught:
                dp.upcalls(ports=[1])
            assert caught.value.errno == errno.EBUSY
            assert settings(dp) == before


class PerCpuDispatch:
    """``OVS_DP_F_DISPATCH_UPCALL_PER_CPU``."""

    def test_the_ports_have_no_part_in_it(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(dispatch="per-cpu") as upcalls:
            assert upcalls.dispatch == "per-cpu"
            assert {port.upcall_pids for port in dp.ports} == {(0,)}
            first.send(UDP4)
            assert numbers(upcalls) == [1]

    def test_actions_come_though_their_port_id_is_none(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls(dispatch="per-cpu") as upcalls:
            assert upcalls.pid_of(1) == 0xFFFFFFFF
            dp.flows.add(UDP4_FLOW, [Userspace(pid=upcalls.pid_of(1), userdata=b"any")])
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.userdata == b"any"

    def test_other_features_are_kept(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.write(user_features=1)
        with dp.upcalls():
            assert dp.user_features & 1
        assert dp.user_features == 1


class Handlers:
    """Several handlers."""

    def test_each_upcall_goes_to_one_of_them(self, harness: Harness) -> None:
        for dispatch in ("per-cpu", PER_VPORT):
            dp = harness.open("conf0", create=True)
            hosts = [harness.host() for _ in range(3)]
            for host in hosts:
                dp.ports.add(host.name)
            with dp.upcall_handlers(2, dispatch=dispatch) as handlers:
                assert (len(handlers), handlers.dispatch) == (2, dispatch)
                for host in hosts:
                    host.send(UDP4)
                taken = [number for handler in handlers for _ in range(3) for number in numbers(handler)]
                assert sorted(taken) == [1, 2, 3]
            dp.destroy()

    def test_ports_are_spread_over_them(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcall_handlers(2, dispatch=PER_VPORT) as handlers:
            first_pids, second_pids = dp.ports.get(1).upcall_pids, dp.ports.get(2).upcall_pids
            assert first_pids[0] in handlers[1].channels.port_ids
            assert second_pids[0] in handlers[0].channels.port_ids
            if len(first_pids) == 1:
                first.send(UDP4)
                second.send(UDP4)
                assert (numbers(handlers[0]), numbers(handlers[1])) == ([2], [1])

    def test_each_counts_its_own_losses(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        with dp.upcall_handlers(2, dispatch=PER_VPORT) as handlers:
            if len(dp.ports.get(1).upcall_pids) > 1:
                return  # both handlers have a turn at each port
            flood(dp, first)
            let_miss(dp, second)
            for handler in handlers:
                handler.purge()
            assert [handler.overruns for handler in handlers] == [0, 1]
            assert handlers.overruns == 1

    def test_closing_one_leaves_the_place_taken(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        before = settings(dp)
        with dp.upcall_handlers(2) as handlers:
            during = settings(dp)
            handlers[1].close()
            assert settings(dp) == during
        assert settings(dp) == before

    def test_there_are_as_many_as_suit_the_processors(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        with dp.upcall_handlers() as handlers:
            assert len(handlers) >= 1
