"""The balancer: clients on one port, two or three servers on others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.addresses import BROADCAST
from dpif.packet.headers import Arp, Ethernet, Ipv4
from dpif.program.testing import Playground
from dpif.testing.waiting import eventually

from .world import Talk, World, mac_of, service

SERVICE = "02:00:00:00:00:fe", "10.0.0.100"
CLIENT = "02:00:00:00:00:c1"
SERVERS = {"s1": "10.0.0.11", "s2": "10.0.0.12", "s3": "10.0.0.13"}
MACS = {port: f"02:00:00:00:00:{number:02x}" for number, port in enumerate(SERVERS, 0x11)}
SYN, ACK = 2, 16


@pytest.fixture
def balancer(example: Callable[[str], ModuleType]) -> ModuleType:
    module = example("balancer")
    module.service.update({"mac": SERVICE[0], "address": ip_address(SERVICE[1])})
    return module


@pytest.fixture
def net(balancer: ModuleType) -> Iterator[Playground]:
    for port, address in SERVERS.items():
        balancer.servers[ip_address(address)] = MACS[port]
        balancer.health[ip_address(address)] = True
    with Playground(balancer.program, ("clients", *SERVERS)) as made:
        for port, address in SERVERS.items():
            made.send(port, build.ethernet(MACS[port], BROADCAST, build.arp_request(MACS[port], address, address)))
        yield made


def begin(net: Playground, client: str, sport: int, flags: int = SYN) -> str:
    """Send a packet to the service; return the port of the server which got it."""
    packet = build.ethernet(CLIENT, SERVICE[0], build.tcp(client, SERVICE[1], sport, 80, flags=flags))
    arrived = net.send("clients", packet)
    if not arrived:
        return ""
    ((port, (got,)),) = arrived.items()
    assert (str(Ethernet.read(got).dst), str(Ipv4.read(got, 14).dst)) == (MACS[port], SERVERS[port])
    return port


def answered(net: Playground, port: str, client: str, sport: int) -> bool:
    """Have a server answer; tell whether the client gets it, as from the service."""
    packet = build.ethernet(MACS[port], CLIENT, build.tcp(SERVERS[port], client, 80, sport, flags=SYN | ACK))
    ((out, (got,)),) = net.send(port, packet).items()
    return (out, str(Ethernet.read(got).src), str(Ipv4.read(got, 14).src)) == ("clients", *SERVICE)


def test_the_address_is_answered_for(net: Playground) -> None:
    request = build.arp_request(CLIENT, "10.0.0.1", SERVICE[1])
    ((port, (reply,)),) = net.send("clients", build.ethernet(CLIENT, BROADCAST, request)).items()
    assert (port, str(Arp.read(reply, 14).sender_mac)) == ("clients", SERVICE[0])


def test_connections_are_shared_out_and_answers_come_from_the_service(net: Playground) -> None:
    went = {sport: begin(net, "10.0.0.1", sport) for sport in range(2000, 2150)}
    assert min(Counter(went.values()).values()) > 25
    assert all(answered(net, port, "10.0.0.1", sport) for sport, port in went.items())
    assert all(begin(net, "10.0.0.1", sport, ACK) == port for sport, port in went.items())


def test_flows_are_for_shares_and_servers_and_not_for_connections(net: Playground) -> None:
    for sport in range(2000, 2400):
        begin(net, "10.0.0.1", sport)
    assert net.masks() == {
        "eth(src,dst),eth_type,arp(tip/0xa000040,op)",
        "eth(src),eth_type,ipv4(proto,frag)",
        "ct_state(new),eth(dst),eth_type,ipv4(dst)",
        "dp_hash/0xff,eth_type",
        "eth(dst),eth_type,ipv4(dst)",
    }
    assert len(net.flows()) < 256 + 2 * len(SERVERS) + 3


def test_connections_outlive_that_their_server_takes_no_new_ones(balancer: ModuleType, net: Playground) -> None:
    went = {sport: begin(net, "10.0.0.1", sport) for sport in range(2000, 2040)}
    assert all(answered(net, port, "10.0.0.1", sport) for sport, port in went.items())
    balancer.health[ip_address(SERVERS["s1"])] = False
    assert all(begin(net, "10.0.0.1", sport, ACK) == port for sport, port in went.items())
    later = {sport: begin(net, "10.0.0.2", sport) for sport in range(2000, 2040)}
    assert set(later.values()) == {"s2", "s3"}


def test_without_a_server_nothing_is_sent(balancer: ModuleType, net: Playground) -> None:
    for address in SERVERS.values():
        balancer.health[ip_address(address)] = False
    assert begin(net, "10.0.0.1", 2000) == ""


# With hosts


def test_clients_reach_servers_and_stay_with_them(balancer: ModuleType, world: World) -> None:
    client, *servers = (world.host(f"10.0.0.{number}/24") for number in (1, 11, 12))
    by_name = {host.namespace.name: ip_address(host.address) for host in servers}
    for number, address in enumerate(by_name.values(), 2):
        balancer.servers[address] = mac_of(number)
        balancer.health[address] = True
    with ExitStack() as stack:
        runner = stack.enter_context(world.running(balancer.program))
        for host in servers:
            stack.enter_context(service(host, 80))

        def connected() -> tuple[Talk, str]:
            talk = stack.enter_context(Talk(client, SERVICE[1], 80))
            return talk, talk.ask()

        talks = [connected() for _ in range(20)]
        assert {name for _, name in talks} == set(by_name), "by chance it fails once in half a million times"
        assert runner.counters.flows < 20 + 20, "a share for each, and some that do for all"
        gone, stays = talks[0][1], (set(by_name) - {talks[0][1]}).pop()
        balancer.health[by_name[gone]] = False
        eventually(lambda: {connected()[1] for _ in range(5)} == {stays})
        assert all(talk.ask() == name for talk, name in talks)
