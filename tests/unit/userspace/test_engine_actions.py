"""Each action, on real packets: what leaves the datapath, and what the packet's key is afterwards."""

from __future__ import annotations

import pytest

from dpif.odp.actions import Actions, AddMpls, CheckPktLen, DecTtl, Output, Sample, Trunc, Userspace, parse_actions
from dpif.odp.constants import PacketCmd
from dpif.odp.kernel.emit import to_key
from dpif.odp.model.layers import Udp, Vlan
from dpif.packet import build
from dpif.packet.checksum import checksum
from dpif.userspace.engine.execute import CAPABILITIES

from .conftest import PORT_ID, Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP4 = ("10.0.0.1", "10.0.0.2")
IP6 = ("fc00::1", "fc00::2")
UDP = build.ethernet(A, B, build.udp(*IP4, 1000, 53, b"payload"))
TCP = build.ethernet(A, B, build.tcp(*IP4, 1000, 80, b"payload"))
TCP6 = build.ethernet(A, B, build.tcp(*IP6, 1000, 80, b"payload"))
TAGGED = build.ethernet(A, B, build.vlan(5, build.udp(*IP4, 1000, 53, b"payload")))
TWICE = build.ethernet(A, B, build.vlan(7, build.vlan(5, build.udp(*IP4, 1000, 53, b"payload"))))
MPLS = build.ethernet(A, B, build.mpls(16, build.udp(*IP4, 1000, 53, b"payload")))

TO_UDP = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
TO_TCP = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)"
TO_TCP6 = "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=6,frag=no),tcp(),tcp_flags(0/0)"
TO_TAGGED = "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4())"
TO_TWICE = (
    "in_port(1),eth(),eth_type(0x8100),vlan(vid=7,pcp=0),"
    "encap(eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4()))"
)
TO_MPLS = "in_port(1),eth(),eth_type(0x8847),mpls(label=16/0xfffff,tc=0/0,ttl=0/0,bos=1/1)"


def one(engine: Engine, match: str, actions: str | Actions, packet: bytes) -> bytes:
    """Return the one packet that comes out of port 2."""
    engine.flow(match, actions)
    engine.hosts[1].send(packet)
    (result,) = engine.out(2)
    return result


# Setting fields.


def udp(src: str = A, dst: str = B, ends: tuple[str, str] = IP4, ports: tuple[int, int] = (1000, 53)) -> bytes:
    return build.ethernet(src, dst, build.udp(*ends, *ports, b"payload"))


def tcp(ends: tuple[str, str] = IP4, ports: tuple[int, int] = (1000, 80)) -> bytes:
    return build.ethernet(A, B, build.tcp(*ends, *ports, b"payload"))


@pytest.mark.parametrize(
    ("match", "packet", "action", "expected"),
    [
        (TO_UDP, UDP, "set(eth(src=02:00:00:00:00:09))", udp(src="02:00:00:00:00:09")),
        (TO_UDP, UDP, "set(eth(dst=02:00:00:00:00:09))", udp(dst="02:00:00:00:00:09")),
        (TO_UDP, UDP, "set(ipv4(src=10.9.9.9))", udp(ends=("10.9.9.9", IP4[1]))),
        (TO_UDP, UDP, "set(ipv4(dst=0.0.9.0/0.0.255.0))", udp(ends=(IP4[0], "10.0.9.2"))),
        (TO_UDP, UDP, "set(udp(src=7,dst=8))", udp(ports=(7, 8))),
        (TO_TCP, TCP, "set(tcp(dst=8))", tcp(ports=(1000, 8))),
        (TO_TCP, TCP, "set(tcp(src=0x8000/0x8000))", tcp(ports=(0x8000 | 1000, 80))),
        (TO_TCP6, TCP6, "set(ipv6(src=fc00::9))", tcp(ends=("fc00::9", IP6[1]))),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("set") else "",
)
def test_fields_are_set_and_checksums_follow(
    engine: Engine, match: str, packet: bytes, action: str, expected: bytes
) -> None:
    assert one(engine, match, f"{action},2", packet) == expected


def test_a_whole_header_is_set(engine: Engine) -> None:
    """An action without a mask sets every field that can be set, and its protocol is that of the flow."""
    action = "set(ipv4(src=10.0.0.7,dst=10.0.0.8,proto=17,tos=0x10,ttl=9,frag=no))"
    result = one(engine, TO_UDP, f"{action},2", UDP)
    assert result == build.ethernet(A, B, build.udp("10.0.0.7", "10.0.0.8", 1000, 53, b"payload", tos=16, ttl=9))


def test_a_change_is_seen_by_the_next_lookup(engine: Engine) -> None:
    engine.flow(TO_UDP, "set(ipv4(dst=10.0.0.9)),set(udp(dst=99)),recirc(1)")
    engine.flow("recirc_id(1),in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.9,proto=17,frag=no),udp(dst=99)", "2")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [build.ethernet(A, B, build.udp(IP4[0], "10.0.0.9", 1000, 99, b"payload"))]


def test_marks_are_set_and_matched(engine: Engine) -> None:
    engine.flow(TO_UDP, "set(skb_mark(0x5/0xf)),set(skb_priority(0x7)),recirc(1)")
    engine.flow(f"recirc_id(1),skb_mark(0x5),skb_priority(0x7),{TO_UDP}", "2")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]


def test_every_copy_has_the_changes_before_it(engine: Engine) -> None:
    engine.flow(TO_UDP, "2,set(udp(dst=9)),3")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]
    assert engine.out(3) == [build.ethernet(A, B, build.udp(*IP4, 1000, 9, b"payload"))]


def test_dec_ttl(engine: Engine) -> None:
    actions = Actions([DecTtl(Actions([Output(3)])), Output(2)])
    result = one(engine, TO_UDP, actions, UDP)
    assert result[22] == UDP[22] - 1
    assert checksum(result[14:34]) == 0
    dying = build.ethernet(A, B, build.udp(*IP4, 1000, 53, b"payload", ttl=1))
    engine.hosts[1].send(dying)
    assert (engine.out(2), engine.out(3)) == ([], [dying])


# Tags and labels.


def test_a_tag_is_pushed_and_known(engine: Engine) -> None:
    engine.flow(TO_UDP, "push_vlan(vid=5,pcp=0),2,recirc(1)")
    engine.flow(f"recirc_id(1),{TO_TAGGED}", "3")
    engine.hosts[1].send(UDP)
    assert (engine.out(2), engine.out(3)) == ([TAGGED], [TAGGED])


def test_a_second_tag_is_pushed_and_known(engine: Engine) -> None:
    engine.flow(TO_TAGGED, "push_vlan(vid=7,pcp=0),2,recirc(1)")
    engine.flow(f"recirc_id(1),{TO_TWICE}", "3")
    engine.hosts[1].send(TAGGED)
    assert (engine.out(2), engine.out(3)) == ([TWICE], [TWICE])


def test_a_tag_is_popped_and_forgotten(engine: Engine) -> None:
    engine.flow(TO_TAGGED, "pop_vlan,2,recirc(1)")
    engine.flow(f"recirc_id(1),{TO_UDP}", "3")
    engine.hosts[1].send(TAGGED)
    assert (engine.out(2), engine.out(3)) == ([UDP], [UDP])


def test_the_outer_of_two_tags_is_popped(engine: Engine) -> None:
    engine.flow(TO_TWICE, "pop_vlan,2,recirc(1)")
    engine.flow(f"recirc_id(1),{TO_TAGGED}", "3")
    engine.hosts[1].send(TWICE)
    assert (engine.out(2), engine.out(3)) == ([TAGGED], [TAGGED])


def test_popping_no_tag_changes_nothing(engine: Engine) -> None:
    assert one(engine, TO_UDP, "pop_vlan,2", UDP) == UDP


def test_a_label_is_pushed_set_and_popped(engine: Engine) -> None:
    engine.flow(TO_UDP, "push_mpls(label=16,tc=0,ttl=64,bos=1,eth_type=0x8847),2,recirc(1)")
    engine.flow(
        f"recirc_id(1),{TO_MPLS}", "set(mpls(label=17,tc=0,ttl=64,bos=1)),2,pop_mpls(eth_type=0x800),recirc(2)"
    )
    engine.flow(f"recirc_id(2),{TO_UDP}", "3")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [MPLS, build.ethernet(A, B, build.mpls(17, build.udp(*IP4, 1000, 53, b"payload")))]
    assert engine.out(3) == [UDP]


def test_the_ethernet_header_is_popped_and_pushed(engine: Engine) -> None:
    engine.flow(TO_UDP, "pop_eth,2,recirc(1)")
    engine.flow(
        "recirc_id(1),in_port(1),eth_type(0x0800),ipv4()",
        "push_eth(src=02:00:00:00:00:08,dst=02:00:00:00:00:09),3,recirc(2)",
    )
    engine.flow("recirc_id(2),in_port(1),eth(src=02:00:00:00:00:08),eth_type(0x0800),ipv4()", "3")
    engine.hosts[1].send(UDP)
    expected = build.ethernet("02:00:00:00:00:08", "02:00:00:00:00:09", build.udp(*IP4, 1000, 53, b"payload"))
    assert engine.out(2) == []  # ports are Ethernet and take nothing else
    assert engine.out(3) == [expected, expected]


# Branches.


def test_what_a_clone_changes_is_undone_behind_it(engine: Engine) -> None:
    engine.flow(TO_UDP, "clone(set(udp(dst=9)),3),2")
    engine.hosts[1].send(UDP)
    assert engine.out(3) == [build.ethernet(A, B, build.udp(*IP4, 1000, 9, b"payload"))]
    assert engine.out(2) == [UDP]


def test_a_sample_of_everything_and_of_nothing(engine: Engine) -> None:
    always, never = Sample.percent(100, [Output(2)]), Sample.percent(0, [Output(3)])
    engine.flow(TO_UDP, Actions([always, never]))
    for _ in range(10):
        engine.hosts[1].send(UDP)
    assert (len(engine.out(2)), len(engine.out(3))) == (10, 0)


def test_a_sample_asks_the_given_randomness(engine: Engine) -> None:
    engine.flow(TO_UDP, Actions([Sample.percent(50, [Output(2)]), Output(3)]))
    draws: list[int] = [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000001]
    engine.namespace.random.getrandbits = lambda bits: draws.pop(0)  # type: ignore[method-assign]
    engine.flow(TO_UDP, Actions([Sample.percent(50, [Output(2)]), Output(3)]), exclusive=False)
    for _ in range(4):
        engine.hosts[1].send(UDP)
    assert (len(engine.out(2)), len(engine.out(3))) == (2, 4)


@pytest.mark.parametrize(("size", "port"), [(len(UDP) - 1, 2), (len(UDP), 3)])
def test_packets_are_told_by_length(engine: Engine, size: int, port: int) -> None:
    engine.flow(TO_UDP, Actions([CheckPktLen(size=size, greater=[Output(2)], less_equal=[Output(3)])]))
    engine.hosts[1].send(UDP)
    assert engine.out(port) == [UDP]
    assert engine.out(5 - port) == []


def test_the_outer_tag_does_not_count_as_length(engine: Engine) -> None:
    engine.flow(TO_TAGGED, Actions([CheckPktLen(size=len(UDP), greater=[Output(2)], less_equal=[Output(3)])]))
    engine.hosts[1].send(TAGGED)
    assert engine.out(3) == [TAGGED]


# Truncation and upcalls.


def test_a_cut_is_for_the_next_output_alone(engine: Engine) -> None:
    engine.flow(TO_UDP, "trunc(20),2,3")
    engine.hosts[1].send(UDP)
    assert (engine.out(2), engine.out(3)) == ([UDP[:20]], [UDP])


def test_a_cut_leaves_the_outer_tag_out(engine: Engine) -> None:
    engine.flow(TO_TAGGED, "trunc(20),2")
    engine.hosts[1].send(TAGGED)
    assert engine.out(2) == [TAGGED[:24]]


def test_a_packet_goes_up_with_what_the_action_says(engine: Engine) -> None:
    actions = Actions([Userspace(pid=PORT_ID, userdata=b"cookie", actions=True), Output(2)])
    engine.flow(TO_UDP, actions)
    engine.hosts[1].send(UDP)
    (upcall,) = engine.upcalls
    assert (upcall.command, upcall.port_id, upcall.packet) == (PacketCmd.ACTION, PORT_ID, UDP)
    assert (upcall.userdata, upcall.actions, upcall.length) == (b"cookie", actions, None)


def test_actions_come_along_only_when_asked_for(engine: Engine) -> None:
    engine.flow(TO_UDP, Actions([Userspace(pid=PORT_ID)]))
    engine.hosts[1].send(UDP)
    assert (engine.upcalls[0].actions, engine.upcalls[0].userdata) == (None, None)


def test_a_cut_packet_tells_its_length(engine: Engine) -> None:
    engine.flow(TO_UDP, Actions([Trunc(20), Userspace(pid=PORT_ID), Userspace(pid=PORT_ID)]))
    engine.hosts[1].send(UDP)
    cut, whole = engine.upcalls
    assert (cut.packet, cut.length) == (UDP[:20], len(UDP))
    assert (whole.packet, whole.length) == (UDP, None)


def test_a_cut_packet_that_misses_comes_up_whole(engine: Engine) -> None:
    engine.flow(TO_UDP, "trunc(20),recirc(1)")
    engine.hosts[1].send(UDP)
    assert engine.upcalls[0].packet == UDP


def test_the_key_in_an_upcall_shows_changes_of_fields(engine: Engine) -> None:
    engine.flow(TO_UDP, Actions([*parse_actions("set(udp(dst=9)),push_vlan(vid=5,pcp=0)"), Userspace(pid=PORT_ID)]))
    engine.hosts[1].send(UDP)
    key = to_key(engine.upcalls[0].key)
    assert str(key.vlan) == str(Vlan(vid=5, pcp=0))
    assert key.encap is not None
    assert str(key.encap.udp) == str(Udp(src=1000, dst=9))


def test_a_hash_is_matched_after_recirculation(engine: Engine) -> None:
    engine.flow(TO_UDP, "hash(l4(0)),recirc(1)")
    engine.hosts[1].send(UDP)
    key = to_key(engine.upcalls[0].key)
    assert key.recirc_id == 1
    assert key.dp_hash
    engine.flow(f"recirc_id(1),dp_hash({key.dp_hash:#x}),{TO_UDP}", "2")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]


def test_capabilities_name_what_there_is() -> None:
    basics = {"output", "userspace", "recirc", "hash", "trunc", "sample", "clone"}
    changes = {
        "set",
        "set_masked",
        "push_vlan",
        "pop_vlan",
        "push_mpls",
        "pop_mpls",
        "push_eth",
        "pop_eth",
        "push_nsh",
    }
    assert basics | changes <= CAPABILITIES
    assert not {"tunnel_push", "lb_output"} & CAPABILITIES


# A label around everything.


def test_a_label_before_the_network_header(engine: Engine) -> None:
    result = one(engine, TO_UDP, Actions([AddMpls(**LABEL, tun_flags=1), Output(2)]), UDP)
    assert result == MPLS


def test_a_label_before_the_ethernet_header(engine: Engine) -> None:
    """Such a packet cannot be sent as it is; with another Ethernet header it can."""
    actions = Actions([AddMpls(**LABEL), Output(3), *parse_actions(f"push_eth(src={A},dst={B})"), Output(2)])
    assert one(engine, TO_UDP, actions, UDP) == build.ethernet(A, B, build.mpls(16, UDP, ethertype=0x8847))
    assert engine.out(3) == []


LABEL: dict[str, int] = {"label": 16, "tc": 0, "bos": 1, "ttl": 64, "eth_type": 0x8847}
