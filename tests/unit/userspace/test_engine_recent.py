"""What is remembered of packets: when it holds, when it does not, and lists of packets that come in together."""

from __future__ import annotations

import pytest

from dpif.odp.actions import parse_actions
from dpif.packet import build
from dpif.userspace.engine import datapath

from .conftest import Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
ALL_IP = "in_port(1),eth(),eth_type(0x0800),ipv4()"
TO_ME = "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.2)"


def udp(port: int = 1000, payload: bytes = b"") -> bytes:
    return build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", port, 53, payload))


ARP = build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2"))


def test_a_packet_like_another_is_known(engine: Engine) -> None:
    flow = engine.flow(ALL_IP, "2")
    engine.now = 1.0
    engine.hosts[1].send(udp())
    engine.now = 2.0
    engine.hosts[1].send(udp(payload=b"more"))
    assert engine.out(2) == [udp(), udp(payload=b"more")]
    assert (flow.packets, flow.bytes, flow.used) == (2, len(udp()) * 2 + 4, 2.0)
    assert (engine.dp.n_hit, engine.dp.n_cache_hit, engine.dp.n_mask_hit) == (2, 1, 2)


def test_it_is_known_at_its_port_only(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[1].send(udp())
    engine.hosts[2].send(udp())
    assert engine.dp.n_missed == 1


def test_it_is_not_known_when_its_flow_is_gone(engine: Engine) -> None:
    for forget in (engine.dp.table.flush, lambda: engine.dp.table.remove(next(iter(engine.dp.table)))):
        engine.flow(ALL_IP, "2")
        engine.hosts[1].send(udp())
        forget()
        engine.hosts[1].send(udp())
        assert engine.upcalls.pop().packet == udp()
        engine.flow(TO_ME, "3")
        engine.hosts[1].send(udp())
        assert engine.out(3) == [udp()]
        engine.dp.table.flush()


def test_new_actions_hold_at_once(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[1].send(udp())
    for actions, number in (("3", 3), ("set(eth(src=02:00:00:00:00:09)),3", 3), ("", 0)):
        engine.out(2)
        engine.flow(ALL_IP, actions, exclusive=False)
        engine.hosts[1].send(udp())
        assert len(engine.out(3)) == bool(number)
    assert engine.dp.n_cache_hit == 3


def test_a_port_that_is_gone_gets_nothing(engine: Engine) -> None:
    engine.flow(ALL_IP, "2,3")
    engine.hosts[1].send(udp())
    engine.hosts[2].close()
    engine.hosts[1].send(udp())
    engine.hosts[1].send_many([udp()])
    assert engine.out(3) == [udp()] * 3


def test_without_a_cache_nothing_is_remembered(engine: Engine) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[1].send(udp())
    engine.dp.change(0, masks_cache_size=0)
    for _ in range(3):
        engine.hosts[1].send(udp())
    assert (engine.dp.n_hit, engine.dp.n_cache_hit) == (4, 0)


def test_what_is_remembered_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datapath, "RECENT_MAX", 4)
    engine.flow(ALL_IP, "2")
    port = engine.hosts[1].port
    assert port is not None
    for number in range(9):
        engine.hosts[1].send(udp(number))
        assert len(port.recent) <= 4
    assert len(engine.out(2)) == 9


# Lists of packets.


@pytest.fixture(params=[3, 200], ids=["few", "many"])
def packets(request: pytest.FixtureRequest) -> list[bytes]:
    return [udp(1000 + number % 7, bytes(12 + number)) for number in range(request.param)]


def test_a_list_leaves_in_its_order(engine: Engine, packets: list[bytes]) -> None:
    flow = engine.flow(ALL_IP, "3,2")
    for _ in range(2):
        engine.hosts[1].send_many(packets)
        assert engine.out(2) == packets
        assert engine.out(3) == packets
    size = 2 * sum(map(len, packets))
    assert (flow.packets, flow.bytes) == (2 * len(packets), size)
    port = engine.hosts[1].port
    assert port is not None
    assert (port.received_packets, port.received_bytes) == (2 * len(packets), size)
    assert engine.dp.n_hit == 2 * len(packets)


def test_in_their_order_with_others_that_are_changed_on_the_way(engine: Engine, packets: list[bytes]) -> None:
    engine.flow(ALL_IP, "2")
    engine.flow("in_port(1),eth(),eth_type(0x0806),arp()", "trunc(20),2")
    mixed = [one for packet in packets for one in (packet, ARP, packet)]
    for _ in range(2):
        engine.hosts[1].send_many(mixed)
        assert engine.out(2) == [packet if packet != ARP else ARP[:20] for packet in mixed]


def test_a_full_queue_drops_the_rest(engine: Engine, packets: list[bytes]) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[1].send_many(packets)
    engine.out(2)
    engine.hosts[2].queue_length = 2
    engine.hosts[1].send_many(packets)
    assert engine.hosts[2].recv_many() == packets[:2]
    port = engine.hosts[2].port
    assert port is not None
    assert port.tx_dropped == len(packets) - 2
    assert engine.hosts[2].recv_many() == []


def test_answers_wait_for_the_end_of_the_list(engine: Engine, packets: list[bytes]) -> None:
    engine.flow(ALL_IP, "2")
    engine.flow("in_port(2),eth(),eth_type(0x0806),arp()", "1")
    engine.hosts[2].on_packet = lambda packet: engine.hosts[2].send_many([ARP])
    engine.hosts[1].send_many(packets)
    assert engine.hosts[1].recv_many() == [ARP] * len(packets)


def test_a_port_that_goes_takes_the_rest_with_it(engine: Engine, packets: list[bytes]) -> None:
    engine.flow(ALL_IP, "2")
    engine.hosts[2].on_packet = lambda packet: engine.hosts[1].close()
    engine.hosts[1].send_many(packets)
    assert engine.dp.n_hit == 1


def test_actions_are_output_only_when_all_are(engine: Engine) -> None:
    assert engine.dp.compile(parse_actions("1,2")).outputs == (1, 2)
    assert engine.dp.compile(parse_actions("")).outputs == ()
    assert engine.dp.compile(parse_actions("1,trunc(20),2")).outputs is None
