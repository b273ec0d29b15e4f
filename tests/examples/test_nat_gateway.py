"""The NAT gateway: two subscribers inside, a server outside."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import answer, build
from dpif.packet.addresses import BROADCAST
from dpif.packet.headers import Ethernet, Icmp, Ipv4, Udp
from dpif.program.testing import Playground
from dpif.testing.netns import CommandFailed, Host
from dpif.testing.traffic import exchange_udp, ping
from dpif.testing.waiting import PATIENCE

from .world import Talk, World, reaches, service

INSIDE, OUTSIDE = ("02:00:00:00:01:01", "192.168.1.1"), ("02:00:00:00:02:01", "203.0.113.1")
ALICE, BOB, SERVER = "192.168.1.5", "192.168.1.6", "203.0.113.9"
MACS = {ALICE: "02:00:00:00:00:05", BOB: "02:00:00:00:00:06", SERVER: "02:00:00:00:00:09"}


@pytest.fixture
def gateway(example: Callable[[str], ModuleType]) -> ModuleType:
    module = example("nat_gateway")
    module.blocks.update({f"{ALICE}/32": "1024-2047", f"{BOB}/32": "2048-3071"})
    return module


@pytest.fixture
def net(gateway: ModuleType) -> Iterator[Playground]:
    gateway.join("in", "out", INSIDE, OUTSIDE, SERVER)
    with Playground(gateway.program, ("in", "out")) as made:
        for address, port, (_, asked) in ((ALICE, "in", INSIDE), (BOB, "in", INSIDE), (SERVER, "out", OUTSIDE)):
            request = build.arp_request(MACS[address], address, asked)
            assert made.send(port, build.ethernet(MACS[address], BROADCAST, request))
        yield made


def outward(net: Playground, src: str, layer: bytes) -> bytes:
    """Send what a subscriber sends; return what comes out."""
    (packet,) = net.send("in", build.ethernet(MACS[src], INSIDE[0], layer))["out"]
    head = Ethernet.read(packet)
    assert (str(head.src), str(head.dst), str(Ipv4.read(packet, 14).src)) == (OUTSIDE[0], MACS[SERVER], OUTSIDE[1])
    return packet


def inward(net: Playground, layer: bytes) -> dict[str, list[bytes]]:
    return net.send("out", build.ethernet(MACS[SERVER], OUTSIDE[0], layer))


def test_each_subscriber_has_ports_of_his_own(net: Playground) -> None:
    for src, ports in ((ALICE, range(1024, 2048)), (BOB, range(2048, 3072))):
        packet = outward(net, src, build.udp(src, SERVER, 5000, 53, b"?"))
        assert Udp.read(packet, 34).src in ports
        assert Ipv4.read(packet, 14).ttl == 63
        (reply,) = inward(net, build.udp(SERVER, OUTSIDE[1], 53, Udp.read(packet, 34).src, b"!"))["in"]
        assert (str(Ethernet.read(reply).dst), str(Ipv4.read(reply, 14).dst)) == (MACS[src], src)
        assert Udp.read(reply, 34).dst == 5000


def test_one_flow_does_for_all_that_subscribers_ask_for(net: Playground) -> None:
    for last in range(10, 30):
        outward(net, ALICE, build.udp(ALICE, f"198.51.100.{last}", 5000, 53, b"?"))
    assert net.flows() == {
        "in_port(in),eth(dst=02:00:00:00:01:01),eth_type(0x0800)": (
            "dec_ttl(le_1(recirc(too_old,02:00:00:00:01:01,192.168.1.1))),ct(nat),recirc(tracked,out,True)"
        ),
        "recirc_id(tracked,out,True),in_port(in),ct_state(+new-inv),eth(),eth_type(0x0800),"
        "ipv4(src=192.168.1.5)": "set(eth(src=02:00:00:00:02:01,dst=02:00:00:00:00:09)),"
        "ct(commit,nat(src=203.0.113.1:1024-2047)),out",
    }


def test_an_error_finds_back_to_whom_it_concerns(net: Playground) -> None:
    about = outward(net, BOB, build.udp(BOB, SERVER, 5000, 53, b"?"))
    error = answer.icmp_error("198.51.100.7", about, 3, 1)
    assert error is not None
    (packet,) = inward(net, error)["in"]
    assert str(Ipv4.read(packet, 14).dst) == BOB
    assert Icmp.read(packet, 34).type == 3
    quoted = packet[42:]
    assert (str(Ipv4.read(quoted, 0).src), Udp.read(quoted, 20).src) == (BOB, 5000)


def test_who_is_outside_begins_nothing_and_who_has_no_ports_neither(net: Playground) -> None:
    assert not inward(net, build.udp(SERVER, OUTSIDE[1], 53, 1024, b"!"))
    stranger = build.ethernet(MACS[ALICE], INSIDE[0], build.udp("192.168.1.77", SERVER, 5000, 53, b"?"))
    assert not net.send("in", stranger)


# With hosts


def test_subscribers_reach_a_server_and_hear_of_errors(gateway: ModuleType, world: World) -> None:
    alice, server = world.host(f"{ALICE}/24", INSIDE[1]), world.host(f"{SERVER}/24")
    gateway.join(alice.port, server.port, INSIDE, OUTSIDE, SERVER)
    with world.running(gateway.program), service(server, 80):
        assert reaches(alice, server)
        assert ping(alice, server, count=10) == (10, 10)
        assert exchange_udp(alice, server, (0, 100, 3000)) == 3
        with Talk(alice, SERVER, 80) as talk:
            assert talk.ask() == server.namespace.name
        assert seen_port(alice, server) in range(1024, 2048)
        assert refused(alice, server)
        with pytest.raises(CommandFailed, match=f"From {INSIDE[1]} .*Time to live exceeded"):
            alice.namespace.run("ping", "-c", "1", "-t", "1", SERVER)


def seen_port(source: Host, target: Host) -> int:
    """Send a datagram; return the port that it seems to come from."""
    with udp_socket(source) as here, udp_socket(target) as there:
        there.bind((target.address, 7001))
        here.sendto(b"?", (target.address, 7001))
        _, (address, port) = there.recvfrom(10)
    assert address == OUTSIDE[1]
    return int(port)


def refused(source: Host, target: Host) -> bool:
    """Send a datagram to where nobody listens; tell whether an ICMP error says so."""
    with udp_socket(source) as here:
        here.connect((target.address, 7002))
        here.send(b"?")
        try:
            here.recv(10)
        except ConnectionRefusedError:
            return True
    return False


def udp_socket(host: Host) -> socket.socket:
    made = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    return made
