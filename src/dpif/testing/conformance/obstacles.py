"""What an error says of the flow that is in the way of another one."""

from __future__ import annotations

import pickle

import pytest

from dpif.client import Put
from dpif.errors import AlreadyExists, NetlinkError, NoSuchObject
from dpif.odp.model.ufid import Ufid
from dpif.testing.conformance.harness import Harness, two_ports

WIDE = "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0)"
NARROW = "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(dst=10.1.2.3)"
OTHERS = (
    "in_port(1),eth(),eth_type(0x0800),ipv4(dst=11.0.0.0/255.0.0.0)",
    "in_port(2),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0)",
    "in_port(1),eth(),eth_type(0x0806),arp()",
    "tunnel(tun_id=5,dst=10.0.0.2,ttl=64),in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0)",
)
UFID = Ufid("00112233-4455-6677-8899-aabbccddeeff")
EXISTS = "a flow that matches the same packets is there already: "


class FlowsInTheWay:
    """``EEXIST`` and ``ENOENT`` of a flow that another one overlaps with: the datapath does not say which."""

    def test_the_same_flow_is_named(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2")
        with pytest.raises(AlreadyExists) as caught:
            dp.flows.add(WIDE, "1")
        assert EXISTS in str(caught.value)
        assert "ipv4(dst=10.0.0.0/255.0.0.0)" in str(caught.value)
        assert str(caught.value).endswith("actions:2")

    def test_a_wider_flow_is_found_among_others(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for text in (*OTHERS, WIDE):
            dp.flows.add(text, "2" if text == WIDE else "drop")
        with pytest.raises(AlreadyExists) as exists:
            dp.flows.add(NARROW, "1")
        with pytest.raises(NoSuchObject) as absent:
            dp.flows.put(NARROW, "1")
        (result,) = dp.operate([Put(NARROW, "1", modify=False)])
        assert isinstance(result.error, NetlinkError)
        for error in (exists.value, absent.value, result.error):
            assert error.explanation.endswith("actions:2"), error
        assert "no flow with exactly this key, but one that matches the same packets" in str(absent.value)

    def test_a_flow_that_is_looked_for_by_another_key_is_named(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2", ufid=UFID)
        for look in (dp.flows.delete, dp.flows.get, lambda key: dp.flows.modify(key, "1")):
            with pytest.raises(NoSuchObject) as caught:
                look(NARROW)
            assert str(UFID) in str(caught.value)

    def test_a_ufid_that_is_taken_is_named(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2", ufid=UFID)
        with pytest.raises(AlreadyExists, match=f"a flow with this UFID is there already: {UFID}, .*actions:2"):
            dp.flows.add(OTHERS[2], "1", ufid=UFID)

    def test_it_is_named_when_the_datapath_was_closed_meanwhile(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2")
        with pytest.raises(AlreadyExists) as caught:
            dp.flows.add(WIDE, "1")
        dp.close()
        assert str(caught.value).endswith("actions:2")

    def test_nothing_is_named_that_is_gone(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2")
        with pytest.raises(AlreadyExists) as caught:
            dp.flows.add(WIDE, "1")
        dp.flows.flush()
        assert "actions" not in str(caught.value)

    def test_such_an_error_can_be_sent_to_another_process(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(WIDE, "2")
        with pytest.raises(AlreadyExists) as caught:
            dp.flows.add(WIDE, "1")
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (AlreadyExists, str(caught.value))
