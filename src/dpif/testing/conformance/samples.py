"""Behaviour of samples: what the action ``psample`` sends, and to whom."""

from __future__ import annotations

import errno

import dpif
from dpif import psample
from dpif.client import Datapath
from dpif.netlink.attributes import attribute
from dpif.netlink.constants import NLA_F_NESTED
from dpif.odp.actions import Action, Actions, Output, Psample, Sample, Trunc, parse_actions
from dpif.odp.constants import ActionAttr, PsampleAttr
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import ETH_P_8021Q, ETH_P_IP
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, Host, need, refused, two_ports
from dpif.testing.conformance.packets import TAGGED, TAGGED_FLOW, UDP4, UDP4_FLOW

ALWAYS = 0xFFFFFFFF
TWICE_TAGGED = TAGGED[:12] + bytes.fromhex("81000007") + TAGGED[12:]


def sampling(harness: Harness) -> tuple[Datapath, Host, Host]:
    """Return a datapath that has samples, with two hosts."""
    dp, first, second = two_ports(harness)
    need(dp.features().psample, "the action psample (Linux 6.11)")
    return dp, first, second


def taken(dp: Datapath, actions: list[Action], packet: bytes = UDP4, in_port: int = 1) -> list[psample.Sample]:
    """Return the samples of a packet that is executed."""
    with dp.samples() as samples:
        dp.execute(packet, actions, dpif.FlowKey(in_port=in_port))
        return samples.poll(1)


class PacketSamples:
    """``OVS_ACTION_ATTR_PSAMPLE``, and the family ``psample``."""

    def test_a_sample_is_a_copy_with_what_the_action_says(self, harness: Harness) -> None:
        dp, first, second = sampling(harness)
        dp.flows.add(UDP4_FLOW, [Psample(group=7, cookie=b"\xc0\xff\xee"), Output(2)])
        with dp.samples() as samples:
            first.send(UDP4)
            (sample,) = samples.poll(2)
        assert second.recv() == UDP4
        assert (sample.group, sample.cookie, sample.packet) == (7, b"\xc0\xff\xee", UDP4)
        assert (sample.length, sample.protocol, sample.sequence) == (len(UDP4), ETH_P_IP, 0)
        assert (sample.rate, sample.is_probability, sample.probability) == (ALWAYS, True, 1.0)
        assert (sample.in_ifindex, sample.out_ifindex) == (dp.ports.get(1).ifindex, None)
        assert sample.timestamp
        assert sample.tunnel is None

    def test_an_empty_cookie_is_as_good_as_none(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        samples = taken(dp, [Psample(group=1), Psample(group=2, cookie=b"")])
        assert [sample.cookie for sample in samples] == [None, None]

    def test_who_listens_to_some_groups_hears_these(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        with dp.samples([2, 3]) as some, dp.samples() as every:
            dp.execute(UDP4, [Psample(group=group) for group in (1, 2, 3)])
            assert [sample.group for sample in some.poll(2)] == [2, 3]
            assert [sample.group for sample in every.poll(2)] == [1, 2, 3]

    def test_samples_of_all_datapaths_are_heard(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        other = harness.open("conf1", create=True)
        with dp.samples() as samples:
            other.execute(UDP4, [Psample(group=1)])
            assert [sample.in_ifindex for sample in samples.poll(2)] == [other.ifindex]

    def test_nobody_need_listen(self, harness: Harness) -> None:
        dp, first, second = sampling(harness)
        dp.flows.add(UDP4_FLOW, [Psample(group=1), Output(2)])
        first.send(UDP4)
        assert second.recv() == UDP4
        with dp.samples() as samples:
            assert samples.poll(NONE_WITHIN) == []

    def test_a_truncated_sample_and_whole_packets_behind_it(self, harness: Harness) -> None:
        dp, first, second = sampling(harness)
        dp.flows.add(UDP4_FLOW, [Trunc(14), Psample(group=1), Psample(group=2), Output(2)])
        with dp.samples() as samples:
            first.send(UDP4)
            cut, whole = samples.poll(2)
        assert (cut.packet, cut.length) == (UDP4[:14], len(UDP4))
        assert whole.packet == second.recv() == UDP4

    def test_the_probability_is_that_of_the_innermost_sample(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        inner = Sample(probability=ALWAYS - 2, actions=[Psample(group=1)])
        outer = Sample(probability=ALWAYS - 1, actions=[inner, Psample(group=2)])
        samples = taken(dp, [outer, Psample(group=3), Sample(probability=ALWAYS - 3, actions=[Psample(group=4)])])
        rates = {sample.group: sample.rate for sample in samples}
        assert rates == {1: ALWAYS - 2, 2: ALWAYS - 1, 3: ALWAYS, 4: ALWAYS - 3}

    def test_the_probability_goes_with_a_packet_that_is_looked_up_again(self, harness: Harness) -> None:
        dp, first, _ = sampling(harness)
        again = parse_actions("recirc(0x5)")
        dp.flows.add(f"recirc_id(0),{UDP4_FLOW}", [Sample(probability=ALWAYS - 1, actions=again), *again])
        dp.flows.add(f"recirc_id(0x5),{UDP4_FLOW}", [Psample(group=1)])
        with dp.samples() as samples:
            first.send(UDP4)
            assert sorted(sample.rate for sample in samples.poll(2)) == [ALWAYS - 1, ALWAYS]

    def test_the_outermost_tag_is_left_out(self, harness: Harness) -> None:
        """The kernel keeps it beside the packet."""
        dp, first, _ = sampling(harness)
        dp.flows.add(TAGGED_FLOW, [Psample(group=1), Trunc(16), Psample(group=2)])
        with dp.samples() as samples:
            first.send(TAGGED)
            whole, cut = samples.poll(2)
        assert (whole.packet, whole.length, whole.protocol) == (UDP4, len(UDP4), ETH_P_IP)
        assert (cut.packet, cut.length) == (UDP4[:16], len(UDP4))
        pushed = taken(dp, [*parse_actions("push_vlan(vid=5,pcp=0)"), Psample(group=1)])
        assert [(sample.packet, sample.protocol) for sample in pushed] == [(UDP4, ETH_P_IP)]
        twice = taken(dp, [Psample(group=1)], TWICE_TAGGED)
        assert [(sample.packet, sample.protocol) for sample in twice] == [(TAGGED, ETH_P_8021Q)]

    def test_a_packet_without_an_ethernet_header(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        (sample,) = taken(dp, [*parse_actions("pop_eth"), Psample(group=1)])
        assert (sample.packet, sample.protocol, sample.length) == (UDP4[14:], ETH_P_IP, len(UDP4) - 14)

    def test_a_sample_tells_the_tunnel_that_its_packet_is_for(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        told = "tun_id=0x5,src=172.16.0.1,dst=172.16.0.2,tos=0x4,ttl=64,tp_dst=6081,{}flags(df|csum|key)"
        geneve = "geneve({class=0x1,type=0x2,len=4,0x3}),"
        for options, of_these in ((geneve, geneve), ("vxlan(gbp(id=1,flags=0)),", "")):  # of VXLAN's none are told
            header = parse_actions(f"set(tunnel({told.format(options)}))")
            (sample,) = taken(dp, [*header, Psample(group=1)])
            assert str(Tunnel.from_bytes(sample.tunnel or b"")) == told.format(of_these)

    def test_a_packet_from_user_space_has_the_port_that_it_names(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        for in_port, named in ((2, 2), (0, 0), (99, 0)):
            (sample,) = taken(dp, [Psample(group=1)], in_port=in_port)
            assert sample.in_ifindex == dp.ports.get(named).ifindex

    def test_a_packet_that_leaves_no_room_is_cut(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        lengths = []
        for length in (65450, 65456, 65460, 65531):
            (sample,) = taken(dp, [Psample(group=1, cookie=b"abc")], UDP4.ljust(length, b"\0"))
            assert sample.length == length
            lengths.append(len(sample.packet))
        assert lengths == [65450, 65456, 65455, 65455]

    def test_samples_that_are_refused(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        group, cookie = attribute(PsampleAttr.GROUP, bytes(4)), attribute(PsampleAttr.COOKIE, b"abcd")
        for code, payload in (
            (errno.EINVAL, b""),
            (errno.EINVAL, cookie),
            (errno.EINVAL, attribute(PsampleAttr.GROUP, bytes(2))),
            (errno.EINVAL, group + attribute(3, bytes(4))),
            (errno.ERANGE, group + attribute(PsampleAttr.COOKIE, bytes(17))),
        ):
            with refused(code, payload.hex()):
                dp.flows.add(UDP4_FLOW, attribute(ActionAttr.PSAMPLE | NLA_F_NESTED, payload))
        assert list(dp.flows) == []

    def test_they_read_back(self, harness: Harness) -> None:
        dp, _, _ = sampling(harness)
        actions = Actions([Psample(group=1, cookie=b"\0\1"), Output(2)])
        assert dp.flows.add(UDP4_FLOW, actions).actions == actions
