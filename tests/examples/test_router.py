"""The router, between three hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.addresses import BROADCAST
from dpif.packet.headers import Arp, Ethernet, Icmp, Ipv4
from dpif.program.testing import Playground
from dpif.testing.netns import CommandFailed, Host
from dpif.testing.traffic import ping, send_tcp

from .world import World, reaches

HOSTS = {"h1": "02:00:00:00:01:05", "h2": "02:00:00:00:02:05", "h3": "02:00:00:00:03:05"}
GATES = {"h1": "02:00:00:00:01:01", "h2": "02:00:00:00:02:01", "h3": "02:00:00:00:03:01"}
FAR = "198.51.100.0/24"


@pytest.fixture
def router(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("router")


@pytest.fixture
def net(router: ModuleType) -> Iterator[Playground]:
    for number, (port, mac) in enumerate(GATES.items(), 1):
        router.add_interface(port, mac, f"10.0.{number}.1/24", 1400 if port == "h3" else 1500)
    with Playground(router.program, HOSTS) as made:
        for number, (port, mac) in enumerate(HOSTS.items(), 1):
            request = build.arp_request(mac, f"10.0.{number}.5", f"10.0.{number}.1")
            (reply,) = made.send(port, build.ethernet(mac, BROADCAST, request))[port]
            assert Arp.read(reply, 14).sender_mac == GATES[port]
        yield made


def udp(dst: str, *, ttl: int = 64, size: int = 10) -> bytes:
    """A datagram of the first host, by way of its gateway."""
    return build.ethernet(HOSTS["h1"], GATES["h1"], build.udp("10.0.1.5", dst, 1000, 53, bytes(size), ttl=ttl))


def error(out: dict[str, list[bytes]]) -> tuple[int, int, int]:
    """Type, code and second word of the one ICMP error, which the first host got."""
    ((port, (packet,)),) = out.items()
    assert (port, str(Ethernet.read(packet).dst)) == ("h1", HOSTS["h1"])
    assert str(Ipv4.read(packet, 14).src) == "10.0.1.1"
    message = Icmp.read(packet, 34)
    return message.type, message.code, message.rest


def test_a_packet_is_sent_on_with_other_addresses_and_a_lower_ttl(net: Playground) -> None:
    ((port, (packet,)),) = net.send("h1", udp("10.0.2.5")).items()
    head = Ethernet.read(packet)
    assert (port, str(head.src), str(head.dst)) == ("h2", GATES["h2"], HOSTS["h2"])
    assert Ipv4.read(packet, 14).ttl == 63


def test_one_flow_does_for_all_that_is_behind_a_gateway(router: ModuleType, net: Playground) -> None:
    router.routes[FAR] = "h2", router.ip_interface("10.0.2.5").ip
    for last in range(1, 20):
        assert set(net.send("h1", udp(f"198.51.100.{last}"))) == {"h2"}
    (match,) = net.flows()
    assert match == ("in_port(h1),eth(dst=02:00:00:00:01:01),eth_type(0x0800),ipv4(dst=198.51.100.0/255.255.255.0)")
    assert net.masks() == {"eth(dst),eth_type,ipv4(dst/24)"}


def test_a_longer_prefix_takes_its_part_at_once(router: ModuleType, net: Playground) -> None:
    router.routes["198.51.100.0/24"] = "h2", router.ip_interface("10.0.2.5").ip
    assert set(net.send("h1", udp("198.51.100.200"))) == {"h2"}
    router.routes["198.51.100.128/25"] = "h3", router.ip_interface("10.0.3.5").ip
    assert set(net.send("h1", udp("198.51.100.200"))) == {"h3"}
    assert set(net.send("h1", udp("198.51.100.1"))) == {"h2"}
    del router.routes[ip_network("198.51.100.128/25")]
    assert set(net.send("h1", udp("198.51.100.200"))) == {"h2"}


def test_an_unknown_neighbour_is_asked_for_once_a_second(net: Playground) -> None:
    (request,) = net.send("h1", udp("10.0.2.9"))["h2"]
    assert (str(Arp.read(request, 14).target), Ethernet.read(request).dst) == ("10.0.2.9", BROADCAST)
    assert not net.send("h1", udp("10.0.2.9"))
    net.sleep(2)
    assert set(net.send("h1", udp("10.0.2.9"))) == {"h2"}
    reply = build.arp_reply("02:00:00:00:02:09", "10.0.2.9", GATES["h2"], "10.0.2.1")
    net.send("h2", build.ethernet("02:00:00:00:02:09", GATES["h2"], reply))
    (packet,) = net.send("h1", udp("10.0.2.9"))["h2"]
    assert str(Ethernet.read(packet).dst) == "02:00:00:00:02:09"


def test_the_errors_that_a_router_owes(net: Playground) -> None:
    assert error(net.send("h1", udp("203.0.113.1"))) == (3, 0, 0)
    assert error(net.send("h1", udp("10.0.2.5", ttl=1))) == (11, 0, 0)
    assert set(net.send("h1", udp("10.0.3.5", size=1372))) == {"h3"}
    assert error(net.send("h1", udp("10.0.3.5", size=1373))) == (3, 4, 1400)


def test_no_error_is_answered_by_another(net: Playground) -> None:
    about = build.ip("10.0.1.5", "203.0.113.1", 1, Icmp(11, 0).pack())
    assert not net.send("h1", build.ethernet(HOSTS["h1"], GATES["h1"], about))


def test_it_answers_pings(net: Playground) -> None:
    (packet,) = net.send("h1", build.ethernet(HOSTS["h1"], GATES["h1"], build.echo("10.0.1.5", "10.0.2.1", seq=7)))[
        "h1"
    ]
    assert (Icmp.read(packet, 34).type, Icmp.read(packet, 34).seq) == (0, 7)
    assert not net.send("h1", udp("10.0.1.1"))


# With hosts


@pytest.fixture
def subnets(router: ModuleType, world: World) -> Iterator[list[Host]]:
    """Hosts in three subnets; the last one's link takes packets of 1400 bytes at most."""
    hosts = [world.host(f"10.0.{number}.5/24", f"10.0.{number}.1") for number in (1, 2, 3)]
    for number, (host, mac) in enumerate(zip(hosts, GATES.values(), strict=True), 1):
        router.add_interface(host.port, mac, f"10.0.{number}.1/24", 1400 if number == 3 else 1500)
    with world.running(router.program):
        yield hosts


def test_hosts_of_all_subnets_reach_each_other_and_the_router(subnets: list[Host]) -> None:
    first, second, third = subnets
    assert reaches(first, second)
    assert ping(first, second, count=20) == (20, 20)
    assert ping(second, first._replace(address="10.0.2.1")) == (3, 3)
    assert send_tcp(second, first, 200_000)
    assert reaches(first, third)
    assert send_tcp(first, third, 200_000), "who is told of the lower MTU sends less at a time"


def test_a_host_is_told_what_is_wrong(subnets: list[Host]) -> None:
    first, _, third = subnets
    assert reaches(first, third)
    for words, said in (
        (("-t", "1", third.address), "From 10.0.1.1 .*Time to live exceeded"),
        (("-M", "do", "-s", "1373", third.address), r"From 10.0.1.1 .*Frag needed and DF set \(mtu = 1400\)"),
        (("203.0.113.1",), "From 10.0.1.1 .*Destination Net Unreachable"),
    ):
        with pytest.raises(CommandFailed, match=said):
            first.namespace.run("ping", "-c", "1", *words)
