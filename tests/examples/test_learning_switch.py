"""The learning switch: what it matches, and hosts that it is between."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.addresses import BROADCAST
from dpif.program.testing import Playground
from dpif.testing.netns import Host
from dpif.testing.traffic import ping
from dpif.testing.waiting import PATIENCE

from .world import World

PORTS = ("h1", "h2", "h3")
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
HANDFUL = 8


@pytest.fixture
def switch(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("learning_switch")


@pytest.fixture
def net(switch: ModuleType) -> Iterator[Playground]:
    with Playground(switch.program, PORTS) as made:
        yield made


def frame(src: str, dst: str, vlan: int = 0) -> bytes:
    packet = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x")
    return build.ethernet(src, dst, build.vlan(vlan, packet) if vlan else packet)


def test_it_learns_and_matches_nothing_but_addresses(net: Playground) -> None:
    assert set(net.send("h1", frame(A, BROADCAST))) == {"h2", "h3"}
    assert set(net.send("h2", frame(B, A))) == {"h1"}
    assert set(net.send("h1", frame(A, B))) == {"h2"}
    assert net.masks() == {"eth(src,dst)", "eth(src,dst/44)"}, "of a group, that it is one"


def test_a_station_is_elsewhere_in_another_vlan(net: Playground) -> None:
    net.send("h1", frame(A, BROADCAST, 5))
    net.send("h2", frame(A, BROADCAST, 6))
    assert set(net.send("h3", frame(B, A, 5))) == {"h1"}
    assert set(net.send("h3", frame(B, A, 6))) == {"h2"}
    assert set(net.send("h3", frame(B, A))) == {"h1", "h2"}
    assert net.masks() == {"eth(src,dst)", "eth(src,dst),vlan(vid)", "eth(src,dst/44),vlan(vid)"}


def test_a_station_that_moves_takes_its_flows_with_it(net: Playground) -> None:
    net.send("h1", frame(A, BROADCAST))
    assert set(net.send("h2", frame(B, A))) == {"h1"}
    net.send("h3", frame(A, BROADCAST))
    assert set(net.send("h2", frame(B, A))) == {"h3"}


def test_what_bridges_keep_for_themselves_is_dropped(net: Playground) -> None:
    assert not net.send("h1", frame(A, "01:80:c2:00:00:02"))
    assert net.masks() == {"eth(dst/44)"}


# With hosts


def test_hosts_ping_each_other_and_only_a_handful_comes_up(switch: ModuleType, world: World) -> None:
    first, second = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
    for number, host in enumerate((first, second), 1):
        host.namespace.ip("link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "7")
        host.namespace.ip("address", "add", f"10.7.0.{number}/24", "dev", "tagged")
        host.namespace.ip("link", "set", "tagged", "up")
    with world.running(switch.program) as runner:
        assert ping(first, second, count=50) == (50, 50)
        assert ping(first, second._replace(address="10.7.0.2"), count=50) == (50, 50)
        assert runner.counters.upcalls <= 2 * HANDFUL
        assert {vlan for vlan, _ in switch.stations} == {0, 7}


def test_traffic_follows_a_host_that_moves(switch: ModuleType, world: World) -> None:
    source, before, after = (world.host(f"10.0.0.{number}/24") for number in (1, 2, 9))
    with world.running(switch.program), datagrams(source, before.address):
        assert receives(before)
        mac = before.namespace.run("cat", "/sys/class/net/eth0/address").strip()
        before.namespace.ip("link", "set", "eth0", "down")
        after.namespace.ip("link", "set", "eth0", "address", mac)
        after.namespace.ip("address", "add", f"{before.address}/24", "dev", "eth0")
        start = time.monotonic()
        announce(after, source)
        assert receives(after)
        world.tell("a host moved, and traffic followed after", time.monotonic() - start)


@contextlib.contextmanager
def datagrams(source: Host, address: str) -> Iterator[None]:
    """Send datagrams to an address, two hundred a second, until the end of the block."""
    over = threading.Event()

    def send() -> None:
        with source.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.wait(0.005):
                sender.sendto(b"x", (address, 7000))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def receives(host: Host) -> bool:
    """Wait for a datagram."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(PATIENCE)
        receiver.bind(("", 7000))
        return receiver.recv(10) == b"x"


def announce(host: Host, target: Host) -> None:
    """Have a host send a packet of its own."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"here", (target.address, 7001))
