"""Behaviour of texts of flows with the names of a datapath's ports in place of their numbers."""

from __future__ import annotations

import pytest

import dpif
from dpif.errors import NoSuchObject, ParseError
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, two_ports
from dpif.testing.conformance.looks import count_requests
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW


class PortNames:
    """Matches and actions, wherever a datapath takes them as texts."""

    def test_flows_are_named_and_forward_by_names(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        match = UDP4_FLOW.replace("in_port(1)", f"in_port({first.name})")
        assert match != UDP4_FLOW
        flow = dp.flows.put(match, second.name)
        assert flow.key.in_port == 1
        assert flow.actions == "2"
        first.send(UDP4)
        assert second.recv() == UDP4
        assert dp.flows.modify(match, f"{second.name},{first.name}").actions == "2,1"
        assert dp.flows.get(match).actions == "2,1"
        dp.flows.delete(match)
        with pytest.raises(NoSuchObject):
            dp.flows.get(match)

    def test_packets_are_sent_to_names(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, f"clone({second.name})", f"in_port({first.name})")
        assert second.recv() == UDP4
        assert first.recv(NONE_WITHIN) is None

    def test_operations_are_given_the_names(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        put = dpif.Put(f"in_port({first.name}),eth()", second.name, port_names=dp.ports.numbers())
        assert [result.error for result in dp.operate([put])] == [None]
        assert [flow.actions for flow in dp.flows] == ["2"]
        assert dict(dp.ports.numbers()) == {name: number for number, name in dp.ports.names().items()}

    def test_a_name_that_no_port_has(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with pytest.raises(ParseError, match="unknown port 'nowhere'"):
            dp.flows.put("in_port(nowhere)", "2")
        with pytest.raises(ParseError, match="unknown action 'nowhere'.*" + first.name):
            dp.flows.put("in_port(1)", "nowhere")

    def test_the_datapath_is_asked_for_names_only_where_there_are_any(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        sent = count_requests(dp)
        dp.flows.put(UDP4_FLOW, "2")
        dp.execute(UDP4, "2")
        sent.clear()  # which looked families up
        dp.flows.put(f"ufid:00,{UDP4_FLOW}", "drop")
        dp.flows.put(UDP4_FLOW, "2, push_vlan(vid=5,pcp=0)")
        dp.execute(UDP4, "clone(2)", "in_port(1)")
        assert len(sent) == 3
        dp.flows.put(UDP4_FLOW.replace("(1)", f"({first.name})"), f"{second.name},1")
        assert len(sent) == 5
