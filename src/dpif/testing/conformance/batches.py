"""Behaviour of batches: each operation has its own result."""

from __future__ import annotations

import errno

import dpif
from dpif.client import Delete, Execute, Get, Put
from dpif.errors import NetlinkError
from dpif.testing.conformance.harness import Harness, two_ports
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"


class Batches:
    """`Datapath.operate`."""

    def test_each_operation_has_its_own_result(self, harness: Harness) -> None:
        dp, _, second = two_ports(harness)
        results = dp.operate(
            [
                Put(UDP4_FLOW, "2"),
                Put(ARP, "2", modify=False),
                Put(ARP, "1", modify=False),
                Get(ARP),
                Execute(UDP4, "2", dpif.FlowKey(in_port=1)),
                Execute(bytes(3), "2"),
                Delete(ARP),
                Get(ARP),
                Delete(ufid=bytes(16)),
            ]
        )
        errors = [result.error.errno if isinstance(result.error, NetlinkError) else None for result in results]
        assert errors == [None, None, errno.EEXIST, None, None, errno.ERANGE, None, errno.ENOENT, errno.ENOENT]
        assert results[3].record is not None
        assert str(results[3].record.flow_actions()) == "2"
        assert second.recv() == UDP4
        assert [str(flow.actions) for flow in dp.flows] == ["2"]

    def test_flows_are_told_when_asked_for(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "2")
        first.send(UDP4)
        assert second.recv() == UDP4
        (result,) = dp.operate([Delete(UDP4_FLOW)], want_flows=True)
        assert result.record is not None
        assert result.record.stats is not None
        assert result.record.stats.n_packets == 1

    def test_no_operation_is_no_work(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        assert list(dp.operate([])) == []

    def test_many_operations(self, harness: Harness) -> None:
        """More than one datagram holds, and more failures than one hears of at once."""
        dp, _, _ = two_ports(harness)
        keys = [dpif.FlowKey(in_port=1, eth={}, eth_type=0x5000 + number) for number in range(1000)]
        assert all(result.ok for result in dp.operate([Put(key, "2", modify=False) for key in keys]))
        again = dp.operate([Put(key, "2", modify=False) for key in keys])
        assert {result.error.errno for result in again if isinstance(result.error, NetlinkError)} == {errno.EEXIST}
        assert len([result for result in again if result.error]) == 1000
        assert all(result.ok for result in dp.operate([Delete(key) for key in keys]))
        assert dp.stats().flows == 0
