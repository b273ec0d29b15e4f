"""The firewall: the first host is inside, the second outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from types import ModuleType

import pytest

from dpif.packet import answer, build
from dpif.packet.constants import ICMP_DEST_UNREACH
from dpif.program.testing import Playground

from .world import Stream, World, goes_on, service, stands_still

INSIDE, OUTSIDE = "10.0.0.1", "10.0.0.2"
MACS = {INSIDE: "02:00:00:00:00:01", OUTSIDE: "02:00:00:00:00:02"}
PORTS = {INSIDE: "h1", OUTSIDE: "h2"}
SYN, ACK = 2, 16
WEB = (6, ip_address(INSIDE), 80)


@pytest.fixture
def firewall(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("firewall")


@pytest.fixture
def net(firewall: ModuleType) -> Iterator[Playground]:
    firewall.protect("h1", "h2")
    with Playground(firewall.program, PORTS.values()) as made:
        yield made


def passes(net: Playground, src: str, dst: str, sport: int, dport: int, flags: int) -> bool:
    """Send a TCP packet, and tell whether it came out at the other end."""
    packet = build.ethernet(MACS[src], MACS[dst], build.tcp(src, dst, sport, dport, flags=flags))
    return net.send(PORTS[src], packet) == {PORTS[dst]: [packet]}


def connects(net: Playground, src: str, dst: str, dport: int, sport: int = 1000) -> bool:
    """Begin a TCP connection, and tell whether all of its first three packets passed."""
    return (
        passes(net, src, dst, sport, dport, SYN)
        and passes(net, dst, src, dport, sport, SYN | ACK)
        and passes(net, src, dst, sport, dport, ACK)
    )


def test_who_is_inside_may_begin_and_who_is_outside_may_not(net: Playground) -> None:
    assert connects(net, INSIDE, OUTSIDE, 443)
    assert not connects(net, OUTSIDE, INSIDE, 80)
    assert not passes(net, OUTSIDE, INSIDE, 443, 2000, ACK)


def test_a_rule_lets_one_service_in(firewall: ModuleType, net: Playground) -> None:
    firewall.rules[WEB] = True
    assert connects(net, OUTSIDE, INSIDE, 80)
    assert not connects(net, OUTSIDE, INSIDE, 81)


def test_a_connection_ends_with_its_rule_and_no_other_does(firewall: ModuleType, net: Playground) -> None:
    other = (6, ip_address(INSIDE), 22)
    firewall.rules.update({WEB: True, other: True})
    assert connects(net, OUTSIDE, INSIDE, 80)
    assert connects(net, OUTSIDE, INSIDE, 22)
    assert connects(net, INSIDE, OUTSIDE, 443)
    before = net.counters.revalidated
    del firewall.rules[WEB]
    assert not passes(net, OUTSIDE, INSIDE, 1000, 80, ACK)
    assert not passes(net, INSIDE, OUTSIDE, 80, 1000, ACK)
    assert passes(net, OUTSIDE, INSIDE, 1000, 22, ACK)
    assert passes(net, INSIDE, OUTSIDE, 22, 1000, ACK)
    assert passes(net, INSIDE, OUTSIDE, 1000, 443, ACK)
    assert net.counters.revalidated - before == 3, "of the rule's first packet, and of each direction"


def test_flows_are_for_services_and_not_for_connections(firewall: ModuleType, net: Playground) -> None:
    firewall.rules[WEB] = True
    for port in range(1000, 1010):
        assert connects(net, OUTSIDE, INSIDE, 80, port)
    service = "ct_tuple4(dst=10.0.0.1,proto=6,tp_dst=80),eth(),eth_type(0x0800)"
    assert net.flows() == {
        "in_port(h1),eth(),eth_type(0x0800)": "ct,recirc(tracked,h1)",
        "in_port(h2),eth(),eth_type(0x0800)": "ct,recirc(tracked,h2)",
        f"recirc_id(tracked,h2),in_port(h2),ct_state(+new-rpl-inv+trk),{service}": "ct(commit),h1",
        f"recirc_id(tracked,h2),in_port(h2),ct_state(-new-rpl-inv+trk),{service}": "h1",
        f"recirc_id(tracked,h1),in_port(h1),ct_state(-new+rpl-inv+trk),{service}": "h2",
    }


def test_ipv6_is_told_apart_in_the_same_way(firewall: ModuleType, net: Playground) -> None:
    inside, outside = "fd00::1", "fd00::2"
    firewall.rules[6, ip_address(inside), 80] = True

    def sent(port: str, layer: bytes) -> bool:
        return bool(net.send(port, build.ethernet(MACS[OUTSIDE], MACS[INSIDE], layer, 0x86DD)))

    assert sent("h2", build.tcp(outside, inside, 1000, 80, flags=SYN))
    assert sent("h1", build.tcp(inside, outside, 80, 1000, flags=SYN | ACK))
    assert not sent("h2", build.tcp(outside, inside, 1000, 81, flags=SYN))
    assert sent("h2", build.neighbour_solicit(MACS[OUTSIDE], outside, inside)), "who is there?"
    assert sent("h1", build.icmpv6(inside, "ff02::16", 143, 0, bytes(4))), "who listens to which group?"
    assert not sent("h2", build.echo(outside, inside))
    assert sent("h1", build.echo(inside, outside))
    del firewall.rules[6, ip_address(inside), 80]
    assert not sent("h2", build.tcp(outside, inside, 1000, 80, flags=ACK))


def test_an_icmp_error_belongs_to_its_connection(firewall: ModuleType, net: Playground) -> None:
    firewall.rules[WEB] = True
    assert connects(net, OUTSIDE, INSIDE, 80)
    about = build.ethernet(MACS[INSIDE], MACS[OUTSIDE], build.tcp(INSIDE, OUTSIDE, 80, 1000, flags=ACK))
    error = build.ethernet(MACS[OUTSIDE], MACS[INSIDE], answer.icmp_error(OUTSIDE, about, ICMP_DEST_UNREACH, 1))
    assert net.send("h2", error) == {"h1": [error]}
    del firewall.rules[WEB]
    assert not net.send("h2", error)


# With hosts


def test_a_running_connection_stops_when_its_rule_goes(firewall: ModuleType, world: World) -> None:
    inside, outside = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
    firewall.protect(inside.port, outside.port)
    firewall.rules.update({(6, ip_address(inside.address), port): True for port in (80, 22)})
    with ExitStack() as stack:
        stack.enter_context(world.running(firewall.program))
        for port in (80, 22):
            stack.enter_context(service(inside, port))
        web, shell = (stack.enter_context(Stream(outside, inside.address, port)) for port in (80, 22))
        assert goes_on(web)
        assert goes_on(shell)
        start = time.monotonic()
        del firewall.rules[WEB]
        assert stands_still(web, beside=shell)
        world.tell("a rule went, and its connection stood still after", web.last - start)
        firewall.rules[WEB] = True
        assert goes_on(web), "TCP sends again what was lost"
