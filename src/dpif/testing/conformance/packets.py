"""Behaviour of packets: by flows, by actions, and sent from user space."""

from __future__ import annotations

import contextlib
import errno
import re

import pytest

import dpif
from dpif._typing import Self
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, need, refused, two_ports

MOST_RECIRCULATIONS = 30
"""What a packet survives in a row."""

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP4 = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload"))
TCP4 = build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, b"payload"))
UDP6 = build.ethernet(A, B, build.udp("fc00::1", "fc00::2", 1000, 53, b"payload"))
TAGGED = build.ethernet(A, B, build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload")))

UDP4_FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
TCP4_FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp()"
UDP6_FLOW = "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=17,frag=no),udp()"
TAGGED_FLOW = (
    "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4(proto=17,frag=no),udp())"
)


def sent_on(harness: Harness, actions: str, frame: bytes) -> bytes | None:
    """Return what arrives at port 2 when a packet from port 1 is executed with `actions`."""
    dp, _, second = two_ports(harness)
    dp.execute(frame, actions, dpif.FlowKey(in_port=1))
    return second.recv()


class Forwarding:
    """Packets that meet flows."""

    def test_a_flow_forwards(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "2")
        first.send(UDP4)
        assert second.recv() == UDP4

    def test_a_flow_matches_no_more_than_its_mask(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.255.255.0)", "2")
        inside = build.ethernet(A, B, build.udp("10.9.9.9", "10.0.0.200", 1, 2, b""))
        outside = build.ethernet(A, B, build.udp("10.9.9.9", "10.0.1.200", 1, 2, b""))
        first.send(outside)
        first.send(inside)
        assert second.recv() == inside
        assert second.recv(NONE_WITHIN) is None

    def test_a_flow_of_the_other_port_does_not_match(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP4_FLOW.replace("in_port(1)", "in_port(2)"), "1")
        first.send(UDP4)
        assert second.recv(NONE_WITHIN) is None
        second.send(UDP4)
        assert first.recv() == UDP4

    @pytest.mark.parametrize(("many", "arrives"), [(MOST_RECIRCULATIONS, True), (MOST_RECIRCULATIONS + 1, False)])
    def test_recirculations_in_a_row_are_bounded(self, harness: Harness, many: int, arrives: bool) -> None:
        dp, first, second = two_ports(harness)
        for number in range(many):
            dp.flows.add(f"recirc_id({number}),in_port(1),eth()", f"recirc({number + 1})")
        dp.flows.add(f"recirc_id({many}),in_port(1),eth()", "2")
        first.send(UDP4)
        assert second.recv(*() if arrives else (NONE_WITHIN,)) == (UDP4 if arrives else None)

    def test_several_outputs_get_a_copy_each(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        third = harness.host()
        dp.ports.add(third.name)
        dp.flows.add(UDP4_FLOW, "2,3")
        first.send(UDP4)
        assert second.recv() == third.recv() == UDP4

    def test_a_packet_may_go_back(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "1")
        first.send(UDP4)
        assert first.recv() == UDP4

    def test_an_output_that_is_not_there_swallows(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "77,2")
        first.send(UDP4)
        assert second.recv() == UDP4

    def test_tagged_packets_match_by_their_tag(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(TAGGED_FLOW, "2")
        first.send(UDP4)
        first.send(TAGGED)
        assert second.recv() == TAGGED
        assert second.recv(NONE_WITHIN) is None

    def test_recirculation_looks_up_again(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0)," + UDP4_FLOW, "recirc(0x7)")
        dp.flows.add("recirc_id(0x7)," + UDP4_FLOW, "2")
        first.send(UDP4)
        assert second.recv() == UDP4
        assert [flow.packets for flow in dp.flows] == [1, 1]

    def test_a_hash_is_computed_for_the_next_lookup(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0)," + UDP4_FLOW, "hash(l4(0)),recirc(0x7)")
        dp.flows.add("recirc_id(0x7),dp_hash(0/0x1)," + UDP4_FLOW, "2")
        dp.flows.add("recirc_id(0x7),dp_hash(0x1/0x1)," + UDP4_FLOW, "2")
        for port in range(20):
            frame = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000 + port, 53, b""))
            first.send(frame)
            assert second.recv() == frame
        counts = [flow.packets for flow in dp.flows if flow.key and flow.key.recirc_id == 7]
        assert sum(counts) == 20
        assert 0 not in counts


class Depth:
    """Actions within others, on copies of a packet that has been recirculated."""

    CHANGE = "set(eth(src=02:00:00:00:00:09))"
    FAIL = "set(ct_mark(0x1))"
    """An action that is taken and cannot be carried out."""

    @pytest.mark.parametrize("change", [CHANGE, ""])
    @pytest.mark.parametrize(
        "outer", ["clone({})", "sample(sample=100%,actions({}))", "check_pkt_len(size=1,gt({}),le(drop))"]
    )
    def test_what_is_deep_waits(self, harness: Harness, outer: str, change: str) -> None:
        """If it changes the packet; what does not is done at once."""
        with _Looking(harness) as looking:
            actions = f"{outer.format(f'{change},look(1)'.strip(','))},look(2)"
            told = [looking.deep(depth, actions) for depth in range(4)]
        assert told == [[1, 2], [1, 2], [1, 2], [2, 1] if change else [1, 2]]

    @pytest.mark.parametrize("inner", ["look(1),drop(1)", "psample(group=1),look(1)"])
    def test_a_drop_and_a_sample_change_nothing(self, harness: Harness, inner: str) -> None:
        with _Looking(harness) as looking:
            features = looking.dp.features()
            need(features.drop and features.psample, "the actions drop and psample (Linux 6.7 and 6.11)")
            assert looking.deep(3, f"clone({inner}),look(2)") == [1, 2]

    def test_what_is_deep_fails_unseen(self, harness: Harness) -> None:
        with _Looking(harness) as looking:
            actions = f"clone({self.FAIL},look(1)),look(2)"
            for depth in range(3):
                with contextlib.nullcontext() if depth else refused(errno.EINVAL):
                    assert looking.deep(depth, actions) == []
            assert looking.deep(3, actions) == [2]


class _Looking:
    """Sends packets through actions some recirculations deep, and tells which of their ``look(…)`` saw them."""

    def __init__(self, harness: Harness) -> None:
        self.dp, _, _ = two_ports(harness)
        self._upcalls = self.dp.upcalls(miss=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._upcalls.close()

    def deep(self, depth: int, actions: str) -> list[int]:
        """Return the numbers of those that did, in their order."""
        look = rf"userspace(pid={self._upcalls.port_id},userdata(0\1))"
        text = re.sub(r"look\((.)\)", look, actions)
        for number in range(1, depth + 1):
            self.dp.flows.put(
                f"recirc_id({number}),{UDP4_FLOW}", text if number == depth else f"recirc({number + 1})"
            )
        self.dp.execute(UDP4, "recirc(1)" if depth else text, dpif.FlowKey(in_port=1))
        found: list[int] = []
        while upcalls := self._upcalls.poll(0.0):
            found += [(upcall.userdata or b"")[0] for upcall in upcalls]
        return found


class PacketActions:
    """What each action makes of a packet, by ``OVS_PACKET_CMD_EXECUTE``."""

    def test_output(self, harness: Harness) -> None:
        assert sent_on(harness, "2", UDP4) == UDP4

    def test_drop(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "drop", dpif.FlowKey(in_port=1))
        assert first.recv(NONE_WITHIN) is None
        assert second.recv(NONE_WITHIN) is None

    def test_success_says_nothing_about_delivery(self, harness: Harness) -> None:
        """Trap T7."""
        dp, _, _ = two_ports(harness)
        dp.execute(UDP4, "77")
        dp.execute(UDP4, "2", dpif.FlowKey(in_port=99))
        dp.execute(UDP4, "userspace(pid=4711)")

    def test_a_packet_is_sent_out_of_a_port(self, harness: Harness) -> None:
        """``vport_send``, interface.md section 1.4."""
        dp, first, second = two_ports(harness)
        dp.send_packet(2, UDP4)
        dp.send_packet(dp.ports.get(1), TAGGED)
        assert second.recv() == UDP4
        assert first.recv() == TAGGED

    def test_a_packet_shorter_than_an_ethernet_header_is_refused(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with refused(errno.ERANGE):
            dp.execute(bytes(13), "2")

    def test_push_vlan(self, harness: Harness) -> None:
        assert sent_on(harness, "push_vlan(vid=5,pcp=0),2", UDP4) == TAGGED

    def test_push_a_service_tag(self, harness: Harness) -> None:
        out = sent_on(harness, "push_vlan(tpid=0x88a8,vid=9,pcp=3),2", UDP4)
        assert out == UDP4[:12] + bytes.fromhex("88a86009") + UDP4[12:]

    def test_pop_vlan(self, harness: Harness) -> None:
        assert sent_on(harness, "pop_vlan,2", TAGGED) == UDP4

    def test_actions_before_an_output_do_not_change_what_went_out(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "1,push_vlan(vid=5,pcp=0),2", dpif.FlowKey(in_port=1))
        assert first.recv() == UDP4
        assert second.recv() == TAGGED

    def test_set_ethernet(self, harness: Harness) -> None:
        out = sent_on(harness, "set(eth(src=02:00:00:00:00:0a,dst=02:00:00:00:00:0b)),2", UDP4)
        assert out == bytes.fromhex("02000000000b02000000000a") + UDP4[12:]

    def test_set_a_part_of_ethernet(self, harness: Harness) -> None:
        out = sent_on(harness, "set(eth(dst=00:00:00:00:00:99/00:00:00:00:00:ff)),2", UDP4)
        assert out == bytes.fromhex("020000000099") + UDP4[6:]

    def test_set_ipv4_mends_the_checksums(self, harness: Harness) -> None:
        out = sent_on(harness, "set(ipv4(src=10.1.2.3,dst=10.4.5.6,tos=0x20,ttl=9)),2", UDP4)
        inner = build.udp("10.1.2.3", "10.4.5.6", 1000, 53, b"payload", ttl=9, tos=0x20)
        assert out == build.ethernet(A, B, inner)

    def test_set_ipv6_mends_the_checksum(self, harness: Harness) -> None:
        out = sent_on(harness, "set(ipv6(src=fc00::7,dst=fc00::8,hlimit=9)),2", UDP6)
        assert out == build.ethernet(A, B, build.udp("fc00::7", "fc00::8", 1000, 53, b"payload", ttl=9))

    def test_set_udp(self, harness: Harness) -> None:
        out = sent_on(harness, "set(udp(src=7,dst=8)),2", UDP4)
        assert out == build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 7, 8, b"payload"))

    def test_set_tcp(self, harness: Harness) -> None:
        out = sent_on(harness, "set(tcp(src=7,dst=8)),2", TCP4)
        assert out == build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 7, 8, b"payload"))

    def test_trunc_cuts_the_next_output_alone(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "trunc(20),1,2", dpif.FlowKey(in_port=1))
        assert first.recv() == UDP4[:20]
        assert second.recv() == UDP4

    def test_a_clone_does_not_change_the_packet(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "clone(push_vlan(vid=5,pcp=0),1),2", dpif.FlowKey(in_port=1))
        assert first.recv() == TAGGED
        assert second.recv() == UDP4

    def test_a_sample_of_everything_and_of_nothing(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "sample(sample=100.0%,actions(1)),2", dpif.FlowKey(in_port=1))
        assert first.recv() == UDP4
        assert second.recv() == UDP4
        dp.execute(UDP4, "sample(sample=0.0%,actions(1)),2", dpif.FlowKey(in_port=1))
        assert second.recv() == UDP4
        assert first.recv(NONE_WITHIN) is None

    def test_a_sample_does_not_change_the_packet(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(UDP4, "sample(sample=100.0%,actions(push_vlan(vid=5,pcp=0),1)),2", dpif.FlowKey(in_port=1))
        assert first.recv() == TAGGED
        assert second.recv() == UDP4

    def test_recirculation_from_user_space(self, harness: Harness) -> None:
        dp, _, second = two_ports(harness)
        dp.flows.add("recirc_id(0x9)," + UDP4_FLOW, "2")
        dp.execute(UDP4, "recirc(0x9)", dpif.FlowKey(in_port=1))
        assert second.recv() == UDP4

    def test_marks_and_labels_of_connections_cannot_be_set(self, harness: Harness) -> None:
        """Such an action is taken with a flow, but fails: ``ct(mark=…)`` is the one that sets them."""
        dp, first, second = two_ports(harness)
        for action in ("set(ct_mark(0x1))", "set(ct_label(0x1))"):
            dp.flows.put(UDP4_FLOW, f"{action},2")
            first.send(UDP4)
            with refused(errno.EINVAL, action):
                dp.execute(UDP4, f"{action},2", dpif.FlowKey(in_port=1))
        assert second.recv(NONE_WITHIN) is None

    def test_actions_that_do_not_fit_the_packet_are_refused(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with refused(errno.EINVAL):
            dp.execute(UDP4, "set(tcp(src=1,dst=2)),2", dpif.FlowKey(in_port=1))
