"""The mirror: h1 and h2 talk, and the sensor sees what a watched network has to do with it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.constants import ETH_P_IP
from dpif.packet.headers import Icmp, Ipv4
from dpif.program.testing import Playground
from dpif.testing.traffic import ping
from dpif.testing.waiting import PATIENCE

from .world import World

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


@pytest.fixture
def mirror(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("mirror")


@pytest.fixture
def net(mirror: ModuleType) -> Iterator[Playground]:
    mirror.watched["10.0.0.0/30"] = True
    mirror.sensors["ids"] = True
    with Playground(mirror.program, ("h1", "h2", "h3", "ids")) as made:
        yield made


def udp(src: str, dst: str, back: bool = False) -> bytes:
    ends = (B, A) if back else (A, B)
    return build.ethernet(*ends, build.udp(src, dst, 1000, 53, b"x"))


def test_the_sensor_sees_what_a_watched_network_sends_and_gets(net: Playground) -> None:
    assert set(net.send("h1", udp("10.0.0.1", "10.9.0.9"))) == {"h2", "h3", "ids"}
    assert set(net.send("h2", udp("10.9.0.9", "10.0.0.1", back=True))) == {"h1", "ids"}
    assert set(net.send("h1", udp("10.8.0.8", "10.9.0.9"))) == {"h2"}


def test_it_reads_no_more_than_tells_whether_to_show_a_packet(net: Playground) -> None:
    net.send("h2", udp("10.9.0.9", "10.0.0.1", back=True))
    for last in range(4, 250):
        net.send("h1", udp(f"10.0.1.{last}", "192.0.2.9"))
        net.send("h1", udp("10.0.0.1", f"192.0.2.{last}"))
        net.send("h1", udp("10.9.0.9", f"10.0.0.{last % 3}"))
    assert net.masks() == {
        "eth(src,dst),eth_type,ipv4(src/30)",
        "eth(src,dst),eth_type,ipv4(src/24,dst/1)",
        "eth(src,dst),eth_type,ipv4(src/13,dst/30)",
    }


def test_a_sensor_that_is_taken_away_sees_nothing_any_more(mirror: ModuleType, net: Playground) -> None:
    packet = udp("10.0.0.1", "10.9.0.9")
    assert net.send("h1", packet)["ids"] == [packet]
    assert not net.send("ids", packet)
    del mirror.sensors["ids"]
    mirror.watched.clear()
    assert net.send("h1", packet)["ids"] == [packet], "it is a port like others"
    assert not net.counters.failed


# With hosts


def test_a_sensor_listens_to_pings(mirror: ModuleType, world: World) -> None:
    first, second, ids = (world.host(f"10.0.0.{number}/24") for number in (1, 2, 9))
    mirror.watched[f"{second.address}/32"] = True
    mirror.sensors[ids.port] = True
    with (
        world.running(mirror.program) as runner,
        ids.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as listener,
    ):
        listener.bind(("eth0", ETH_P_IP))
        listener.settimeout(PATIENCE)
        assert ping(first, second, count=10) == (10, 10)
        seen = [message(listener.recv(2048)) for _ in range(20)]
        assert runner.counters.upcalls < 10
    assert seen == [(host.address, number) for number in range(1, 11) for host in (first, second)]


def message(frame: bytes) -> tuple[str, int]:
    """Who sent an echo message, and its number."""
    return str(Ipv4.read(frame, 14).src), Icmp.read(frame, 34).seq
