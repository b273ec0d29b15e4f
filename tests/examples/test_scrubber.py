"""The scrubber: clients outside, a server inside."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.headers import Ipv4, Tcp
from dpif.program.testing import Playground
from dpif.testing.waiting import eventually

from .world import Talk, World, service

CLIENT, FORGED, SERVER = "10.0.0.1", "198.51.100.9", "10.0.0.2"
MACS = {CLIENT: "02:00:00:00:00:01", FORGED: "02:00:00:00:00:01", SERVER: "02:00:00:00:00:02"}
SYN, RST, ACK = 2, 4, 16


@pytest.fixture
def scrubber(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("scrubber")


@pytest.fixture
def net(scrubber: ModuleType) -> Iterator[Playground]:
    scrubber.protect("out", "in")
    with Playground(scrubber.program, ("out", "in")) as made:
        yield made


def tcp(src: str, flags: int, seq: int = 100) -> bytes:
    return build.ethernet(MACS[src], MACS[SERVER], build.tcp(src, SERVER, 1000, 80, flags=flags, seq=seq))


def udp(src: str) -> bytes:
    return build.ethernet(MACS[src], MACS[SERVER], build.udp(src, SERVER, 1000, 53, b"?"))


def challenged(net: Playground, src: str) -> int:
    """Send a SYN that is answered; return the number that it is to be reset with."""
    ((port, (packet,)),) = net.send("out", tcp(src, SYN)).items()
    head = Tcp.read(packet, 34)
    assert (port, str(Ipv4.read(packet, 14).dst), head.flags) == ("out", src, SYN | ACK)
    assert head.ack != 101
    return head.ack


def test_who_resets_what_is_wrong_is_let_in(net: Playground) -> None:
    number = challenged(net, CLIENT)
    assert not net.send("out", tcp(CLIENT, RST, number))
    for flags in (SYN, ACK):
        assert net.send("out", tcp(CLIENT, flags)) == {"in": [tcp(CLIENT, flags)]}
    answer = build.ethernet(MACS[SERVER], MACS[CLIENT], build.tcp(SERVER, CLIENT, 80, 1000, flags=SYN | ACK))
    assert net.send("in", answer) == {"out": [answer]}
    assert net.masks() == {"", "eth_type,ipv4(src,proto,frag)"}


def test_who_does_not_know_the_number_is_not(net: Playground) -> None:
    number = challenged(net, FORGED)
    for packet in (tcp(FORGED, RST, number + 1), tcp(FORGED, ACK), tcp(FORGED, RST, 101)):
        assert not net.send("out", packet)
    assert challenged(net, FORGED) == number
    assert challenged(net, CLIENT) != number


def test_the_address_of_who_is_silent_is_forgotten(scrubber: ModuleType, net: Playground) -> None:
    net.send("out", tcp(CLIENT, RST, challenged(net, CLIENT)))
    for _ in range(10):
        assert net.send("out", tcp(CLIENT, ACK))
        net.sleep(100)
    assert len(scrubber.genuine) == 1
    net.sleep(700)
    assert len(scrubber.genuine) == 0


def test_a_limit_is_of_its_network_and_the_datapaths(scrubber: ModuleType, net: Playground) -> None:
    scrubber.limits["198.51.100.0/24"] = scrubber.program.meter(3, "pktps")
    arrived = [set(net.send("out", udp(FORGED))) for _ in range(10)]
    assert arrived == [{"in"}] * 3 + [set()] * 7
    assert net.send("out", udp(CLIENT))
    net.sleep(1)
    assert net.send("out", udp(FORGED))
    assert net.masks() == {"eth_type,ipv4(src/24)", "eth_type,ipv4(src/1,proto,frag)", "eth_type,ipv4(proto,frag)"}
    flood = [tcp(FORGED, SYN)] * 100
    before = net.counters.upcalls
    net.send("out", *flood)
    assert net.counters.upcalls - before <= 3, "what exceeds the limit does not come up"


# With hosts


def test_a_flood_stays_outside_and_clients_come_in(scrubber: ModuleType, world: World) -> None:
    client, server = world.host(f"{CLIENT}/24"), world.host(f"{SERVER}/24")
    scrubber.protect(client.port, server.port)
    with (
        world.running(scrubber.program),
        service(server, 80),
        server.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as seen,
        client.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger,
    ):
        with Talk(client, SERVER, 80) as talk:
            for last in range(50):
                forged = build.tcp(f"198.51.100.{last}", SERVER, 1000 + last, 80, flags=SYN)
                forger.sendto(forged, (SERVER, 0))
            assert talk.ask() == server.namespace.name
        with Talk(client, SERVER, 80) as talk:
            assert talk.ask() == server.namespace.name
        assert list(map(str, scrubber.genuine)) == [CLIENT]
        assert sources(seen) == {CLIENT}


def test_a_limit_holds_what_a_host_sends(scrubber: ModuleType, world: World) -> None:
    client, server = world.host(f"{CLIENT}/24"), world.host(f"{SERVER}/24")
    scrubber.protect(client.port, server.port)
    scrubber.limits["10.0.0.0/24"] = limit = scrubber.program.meter(1, "pktps", burst=5)
    with (
        world.running(scrubber.program) as runner,
        server.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((SERVER, 7000))
        for _ in range(200):
            sender.sendto(b"x", (SERVER, 7000))
        meters = runner.datapath.meters
        eventually(lambda: meters.get(limit.number).packets >= 150)
        assert meters.get(limit.number).bands[0].n_packets > 0


def sources(raw: socket.socket) -> set[str]:
    """Who sent the packets that a raw socket has."""
    raw.setblocking(False)
    found = set()
    try:
        while True:
            found.add(raw.recvfrom(2048)[1][0])
    except BlockingIOError:
        return found
