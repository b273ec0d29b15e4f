"""Flows on a datapath: what packets count, which puts are refused, where packets go that no flow matches."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager

import pytest

from dpif.odp.actions import parse_actions
from dpif.odp.constants import DatapathFeature, PacketCmd, TcpFlag
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.emit import to_key
from dpif.packet import build
from dpif.userspace.engine.datapath import MAX_UPCALL_PACKET, Datapath
from dpif.userspace.engine.frame import Frame

from .conftest import ANY_RECIRC_ID, PORT_ID, Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload"))
TCP = build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, b"", flags=TcpFlag.SYN | TcpFlag.ECE))
ALL_IP = "in_port(1),eth(),eth_type(0x0800),ipv4()"
ONE_IP = "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.2)"


def refused(code: int) -> AbstractContextManager[object]:
    return pytest.raises(OSError, match=rf"\[Errno {code}\]")


# Packets and counters.


def test_a_packet_that_matches_is_output_and_counted(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2,3")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]
    assert engine.out(3) == [UDP]
    assert (flow.packets, flow.bytes, flow.used, flow.tcp_flags) == (1, len(UDP), 1000.0, 0)
    assert (engine.dp.n_hit, engine.dp.n_missed, engine.dp.n_lost) == (1, 0, 0)


def test_tcp_flags_add_up(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2")
    engine.hosts[1].send(TCP)
    engine.hosts[1].send(build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1, 2, b"", flags=TcpFlag.FIN)))
    assert flow.tcp_flags == TcpFlag.SYN | TcpFlag.ECE | TcpFlag.FIN


def test_used_is_the_time_of_the_last_packet(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2")
    engine.hosts[1].send(UDP)
    engine.now = 1001.5
    engine.hosts[1].send(UDP)
    assert flow.used == 1001.5


def test_ports_count_both_ways(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[1].send(UDP)
    first, second = engine.dp.ports[1], engine.dp.ports[2]
    assert (first.received_packets, first.received_bytes, first.sent_packets) == (1, len(UDP), 0)
    assert (second.sent_packets, second.sent_bytes, second.received_packets) == (1, len(UDP), 0)


def test_a_device_that_takes_no_more_drops(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    for _ in range(1001):
        engine.hosts[1].send(UDP)
    assert (engine.dp.ports[2].sent_packets, engine.dp.ports[2].tx_dropped) == (1000, 1)


def test_a_runt_is_an_error_of_its_port(engine: Engine) -> None:
    engine.hosts[1].send(bytes(13))
    assert engine.dp.ports[1].rx_errors == 1
    assert (engine.dp.n_missed, engine.upcalls) == (0, [])


def test_an_output_to_no_port_drops(engine: Engine) -> None:
    engine.flow(ALL_IP, "99,2")
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]


def test_an_empty_list_of_actions_drops(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "drop")
    engine.hosts[1].send(UDP)
    assert (flow.packets, engine.dp.n_hit, engine.upcalls) == (1, 1, [])


# Misses.


def test_a_miss_goes_up_with_its_key(engine: Engine) -> None:
    engine.hosts[1].send(UDP)
    (upcall,) = engine.upcalls
    assert (upcall.command, upcall.port_id, upcall.packet, upcall.length) == (PacketCmd.MISS, PORT_ID, UDP, None)
    key = to_key(upcall.key)
    assert (key.in_port, str(key.udp)) == (1, "Udp(src=1000, dst=53)")
    assert (engine.dp.n_missed, engine.dp.n_lost) == (1, 0)


def test_a_miss_without_a_receiver_is_lost(engine: Engine) -> None:
    engine.dp.ports[1].upcall_port_ids = (0,)
    engine.hosts[1].send(UDP)
    assert (engine.upcalls, engine.dp.n_missed, engine.dp.n_lost) == ([], 1, 1)


def test_a_miss_that_its_receiver_cannot_take_is_lost(engine: Engine) -> None:
    engine.takes_upcalls = False
    engine.hosts[1].send(UDP)
    assert (engine.dp.n_missed, engine.dp.n_lost) == (1, 1)


def test_a_packet_too_large_for_an_attribute_is_lost(engine: Engine) -> None:
    engine.hosts[1].send(UDP.ljust(MAX_UPCALL_PACKET, b"\0"))
    assert (len(engine.upcalls), engine.dp.n_lost) == (1, 0)
    engine.hosts[1].send(UDP.ljust(MAX_UPCALL_PACKET + 1, b"\0"))
    assert (len(engine.upcalls), engine.dp.n_lost) == (1, 1)


def test_each_processor_can_have_its_own_receiver(engine: Engine) -> None:
    per_cpu = DatapathFeature.DISPATCH_UPCALL_PER_CPU
    engine.dp.change(per_cpu, per_cpu_port_ids=[5, 6])
    engine.hosts[1].send(UDP)
    engine.dp.change(0)
    engine.hosts[1].send(UDP)
    assert [upcall.port_id for upcall in engine.upcalls] == [5, PORT_ID]


def test_per_cpu_dispatch_without_receivers_loses(engine: Engine) -> None:
    engine.dp.change(DatapathFeature.DISPATCH_UPCALL_PER_CPU)
    engine.hosts[1].send(UDP)
    assert engine.dp.n_lost == 1


def test_both_directions_have_one_hash(engine: Engine) -> None:
    engine.hosts[1].send(UDP)
    engine.hosts[1].send(build.ethernet(B, A, build.udp("10.0.0.2", "10.0.0.1", 53, 1000, b"answer")))
    engine.hosts[1].send(build.ethernet(B, A, build.udp("10.0.0.2", "10.0.0.1", 53, 1001, b"answer")))
    there, back, other = (upcall.hash for upcall in engine.upcalls)
    assert there == back != other


# Putting flows (ovs_flow_cmd_new).


def test_exclusive_refuses_what_any_flow_covers(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    with refused(errno.EEXIST):
        engine.flow(ONE_IP, "3")


def test_a_wider_flow_over_a_narrower_one_is_taken(engine: Engine) -> None:
    engine.flow(ONE_IP, "2")
    engine.flow(ALL_IP, "3")
    assert len(engine.dp.table) == 2


def test_putting_the_same_flow_changes_its_actions_and_keeps_what_it_counted(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2")
    engine.hosts[1].send(UDP)
    assert engine.flow(ALL_IP, "3", exclusive=False) is flow
    engine.hosts[1].send(UDP)
    assert (engine.out(2), engine.out(3), flow.packets) == ([UDP], [UDP], 2)


def test_putting_into_a_flow_that_covers_the_key_is_refused(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    with refused(errno.ENOENT):
        engine.flow(ONE_IP, "3", exclusive=False)


def test_putting_behind_a_flow_that_covers_the_key_finds_the_same_flow(engine: Engine) -> None:
    narrow = engine.flow(ONE_IP, "2")
    engine.flow(ALL_IP, "3")
    assert engine.flow(ONE_IP, "1", exclusive=False) is narrow


def test_an_identifier_finds_its_flow_whatever_matches_the_key(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2", ufid=b"one")
    assert engine.flow(ALL_IP, "3", ufid=b"one", exclusive=False) is flow
    with refused(errno.ENOENT):
        engine.flow("in_port(2),eth(),eth_type(0x0800),ipv4()", "3", ufid=b"one", exclusive=False)


def test_another_identifier_for_the_same_masked_key_changes_the_flow_that_is_there(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2", ufid=b"one")
    assert engine.flow(ALL_IP, "3", ufid=b"two", exclusive=False) is flow
    assert flow.ufid == b"one"


def test_an_identified_flow_does_not_remember_bits_outside_its_mask(engine: Engine) -> None:
    """The kernel compares the new unmasked key with the old masked one."""
    text = "in_port(1),eth(src=02:00:00:00:00:01/00:00:00:00:00:00),eth_type(0x0800),ipv4()"
    engine.flow(text, "2", ufid=b"one")
    with refused(errno.ENOENT):
        engine.flow(text, "3", ufid=b"one", exclusive=False)


def test_an_action_that_there_is_not_is_refused(engine: Engine) -> None:
    with refused(errno.EINVAL):
        engine.flow(ALL_IP, "ct(commit,helper=ftp)")
    assert len(engine.dp.table) == 0


def test_what_is_not_there_is_not_found(engine: Engine) -> None:
    for key, ufid in ((5, None), (None, b"name"), (5, b"name"), (None, None)):
        with refused(errno.ENOENT):
            engine.dp.find_flow(key, ufid)


# Settings (ovs_dp_change).


@pytest.mark.parametrize(
    ("features", "cache", "port_ids", "code"),
    [
        (1 << 31, None, None, errno.EOPNOTSUPP),
        (DatapathFeature.TC_RECIRC_SHARING, None, None, errno.EOPNOTSUPP),
        (None, 3, None, errno.EINVAL),
        (None, 8192, None, errno.ERANGE),
        (DatapathFeature.DISPATCH_UPCALL_PER_CPU, None, [], errno.EINVAL),
    ],
)
def test_bad_settings_are_refused(
    engine: Engine, features: int | None, cache: int | None, port_ids: list[int] | None, code: int
) -> None:
    with refused(code):
        engine.dp.change(features, cache, port_ids)


def test_no_features_means_none(engine: Engine) -> None:
    engine.dp.change(DatapathFeature.UNALIGNED)
    engine.dp.change(None, 0)
    assert (engine.dp.features, engine.dp.masks_cache_size) == (0, 0)


# Packets from user space, and loops.


def execute(dp: Datapath, actions: str, packet: bytes = UDP) -> None:
    port = dp.ports[1]
    dp.execute(Frame.from_user(packet, extract_flat(packet, port.metadata), port), dp.compile(parse_actions(actions)))


def test_executing_counts_no_hit(engine: Engine) -> None:
    execute(engine.dp, "2")
    assert (engine.out(2), engine.dp.n_hit) == ([UDP], 0)


def test_an_action_that_fails_is_told_to_who_executes(engine: Engine) -> None:
    with refused(errno.EINVAL):
        execute(engine.dp, "2,set(tcp(src=1)),3")
    assert (engine.out(2), engine.out(3)) == ([UDP], [])


def test_a_recirculation_loop_ends(engine: Engine) -> None:
    """4 times at once; then each of the 9 that may be put off goes round 3 times."""
    flow = engine.flow(ANY_RECIRC_ID + ALL_IP, "2,recirc(1)")
    engine.hosts[1].send(UDP)
    assert len(engine.out(2)) == flow.packets == 4 + 9 * 3


def test_after_a_loop_all_is_well(engine: Engine) -> None:
    flow = engine.flow(ANY_RECIRC_ID + ALL_IP, "2,recirc(1)")
    for _ in range(2):
        engine.hosts[1].send(UDP)
    assert flow.packets == 2 * 31


@pytest.mark.parametrize("times", ["recirc({})", "clone(recirc({}))"])
def test_what_a_packet_brings_about_is_bounded(engine: Engine, times: str) -> None:
    """100 times at each of three ids are a million recirculations; a packet after it has all its actions again."""
    for here in range(4):
        engine.flow(f"recirc_id({here}),{ALL_IP}", ",".join([times.format(here + 1)] * 100))
    plain = engine.flow("in_port(2),eth(),eth_type(0x0800),ipv4()", "recirc(9)")
    engine.flow("recirc_id(9),in_port(2),eth(),eth_type(0x0800),ipv4()", "3")
    engine.hosts[1].send(UDP)
    most = engine.namespace.limits.actions
    assert most // 400 < sum(flow.packets for flow in engine.dp.table) < most // 50
    assert engine.dp.n_lost == 1
    engine.hosts[2].send(UDP)
    assert (plain.packets, engine.out(3), engine.dp.n_lost) == (1, [UDP], 1)


def test_what_was_put_off_is_bounded_too(engine: Engine) -> None:
    for here in range(3):
        engine.flow(f"recirc_id({here}),{ALL_IP}", f"recirc({here + 1})")
    engine.flow(f"recirc_id(3),{ALL_IP}", ",".join(["recirc(4)"] * 9))
    last = engine.flow(f"recirc_id(4),{ALL_IP}", ",".join(["2"] * 4000))
    engine.hosts[1].send(UDP)
    assert last.packets == engine.namespace.limits.actions // 4000 + 1
    assert engine.dp.n_lost == 1


def test_datapaths_wired_to_each_other_take_turns(engine: Engine) -> None:
    """A packet that a program sends from within another waits until that one is done."""
    order = []
    engine.flow(ALL_IP, "2,3")
    engine.flow("in_port(2),eth(),eth_type(0x0800),ipv4()", "1")
    engine.hosts[1].on_packet = lambda packet: order.append("answer")
    engine.hosts[2].on_packet = lambda packet: (order.append("second"), engine.hosts[2].send(packet))[0]
    engine.hosts[3].on_packet = lambda packet: order.append("third")
    engine.hosts[1].send(UDP)
    assert order == ["second", "third", "answer"]


def test_a_packet_whose_datapath_goes_meanwhile_is_lost(engine: Engine) -> None:
    engine.flow(ALL_IP, "2,userspace(pid=5)")

    def end(packet: bytes) -> None:
        engine.hosts[2].send(packet)
        engine.namespace.remove_datapath(engine.dp)

    engine.hosts[2].on_packet = end
    engine.hosts[1].send(UDP)
    assert [upcall.command for upcall in engine.upcalls] == [PacketCmd.ACTION]


def test_a_program_that_fails_does_not_stop_the_datapath(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")

    def fail(packet: bytes) -> None:
        raise ZeroDivisionError

    engine.hosts[2].on_packet = fail
    with pytest.raises(ZeroDivisionError):
        engine.hosts[1].send(UDP)
    engine.hosts[2].on_packet = None
    engine.hosts[1].send(UDP)
    assert engine.out(2) == [UDP]
