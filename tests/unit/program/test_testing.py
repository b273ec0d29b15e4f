"""The playground: what a test changes is seen at once, time is in its hands, flows are shown for people."""

from __future__ import annotations

from typing import Any

from dpif.packet import build
from dpif.program import Program, ct, drop, output, recirculate, tunnel
from dpif.program.testing import Playground

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
PORTS = ("h1", "h2", "h3")
FRAME = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"data"))


def test_a_table_that_is_changed_is_seen_by_the_next_packet_and_in_the_flows() -> None:
    program = Program()
    way = program.table("way")
    program.forward(lambda packet: output(way.get("out", "h2")))
    with Playground(program, PORTS) as net:
        assert set(net.send("h1", FRAME)) == {"h2"}
        way["out"] = "h3"
        assert set(net.flows().values()) == {"h3"}
        way["out"] = "h2"
        assert set(net.send("h1", FRAME)) == {"h2"}


def test_continuations_are_shown_by_their_names() -> None:
    program = Program()
    program.forward(lambda packet: recirculate(again, 7, "h2"))
    with Playground(program, PORTS) as net:
        net.send("h1", FRAME)
        assert net.flows() == {
            "in_port(h1),eth()": "recirc(again,7,h2)",
            "recirc_id(again,7,h2),in_port(h1),eth()": "h2",
        }


def again(packet: Any, number: int, port: str) -> Any:
    return output(port)


def test_connections_end_by_the_tests_clock() -> None:
    program = Program()
    program.forward(lambda packet: ct(then=known))
    with Playground(program, PORTS) as net:
        net.send("h1", FRAME)
        assert len(list(net.datapath.conntrack)) == 1
        net.sleep(200)
        assert not list(net.datapath.conntrack)


def known(packet: Any) -> Any:
    return ct(commit=True) + output("h2") if packet.ct.state.new else drop()


def test_the_payload_is_what_the_transport_carries() -> None:
    found = []
    program = Program()
    program.forward(lambda packet: found.append(packet.payload))
    frames = (
        FRAME + bytes(9),
        build.ethernet(A, B, build.vlan(5, build.tcp("fd00::1", "fd00::2", 1, 2, b"more", options=bytes(8)))),
        build.ethernet(A, B, build.echo("10.0.0.1", "10.0.0.2", payload=b"none")),
        build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")),
    )
    with Playground(program, PORTS) as net:
        for frame in frames:
            net.send("h1", frame)
        assert not net.flows()
    assert found == [b"data", b"more", b"", b""]


def test_a_packet_goes_through_several_tunnels_each_time_with_its_own_header() -> None:
    program = Program()
    program.forward(
        lambda packet: tunnel("h2", "192.0.2.1", 7) + tunnel("h3", "fd00::1") + tunnel("gone", "192.0.2.2")
    )
    with Playground(program, PORTS) as net:
        net.send("h1", FRAME)
        assert list(net.flows().values()) == [
            "set(tunnel(tun_id=0x7,dst=192.0.2.1,ttl=64,flags(key))),h2,"
            "set(tunnel(ipv6_dst=fd00::1,ttl=64,flags(0))),h3"
        ]
