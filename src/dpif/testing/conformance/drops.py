"""Behaviour of the action ``drop``, which says why."""

from __future__ import annotations

import errno

import dpif
from dpif.client import Datapath
from dpif.odp.actions import Action, Actions, Clone, Drop, Output, Sample
from dpif.odp.constants import XlateError
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, Host, need, refused, two_ports
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW


def dropping(harness: Harness) -> tuple[Datapath, Host, Host]:
    """Return a datapath that has explicit drops, with two hosts."""
    dp, first, second = two_ports(harness)
    need(dp.features().drop, "the action drop (Linux 6.7)")
    return dp, first, second


class ExplicitDrops:
    """``OVS_ACTION_ATTR_DROP``."""

    def test_a_drop_with_and_without_a_reason(self, harness: Harness) -> None:
        dp, first, second = dropping(harness)
        for drop in (Drop(), Drop(42), Drop(XlateError.STACK_TOO_DEEP), Drop(0xFFFFFFFF)):
            assert dp.flows.put(UDP4_FLOW, [drop]).actions == Actions([drop])
            first.send(UDP4)
        assert second.recv(NONE_WITHIN) is None
        assert dp.flows.get(UDP4_FLOW).packets == 4
        dp.execute(UDP4, [Drop(42)], dpif.FlowKey(in_port=1))

    def test_what_is_before_it_happens(self, harness: Harness) -> None:
        dp, first, second = dropping(harness)
        dp.flows.add(UDP4_FLOW, [Output(2), Drop(1)])
        first.send(UDP4)
        assert second.recv() == UDP4
        assert second.recv(NONE_WITHIN) is None

    def test_a_copy_is_dropped_alone(self, harness: Harness) -> None:
        dp, first, second = dropping(harness)
        inside: list[Action] = [Clone([Drop(1)]), Sample(probability=0xFFFFFFFF, actions=[Output(1), Drop(2)])]
        dp.flows.add(UDP4_FLOW, [*inside, Output(2)])
        first.send(UDP4)
        assert first.recv() == second.recv() == UDP4
        assert second.recv(NONE_WITHIN) is None

    def test_it_must_be_the_last_of_its_list(self, harness: Harness) -> None:
        dp, _, _ = dropping(harness)
        for actions in ([Drop(), Output(2)], [Drop(), Drop()], [Clone([Drop(), Output(1)]), Output(2)]):
            with refused(errno.EINVAL, str(actions)):
                dp.flows.add(UDP4_FLOW, actions)
        assert list(dp.flows) == []
