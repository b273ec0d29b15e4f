"""The switch with VLANs: two access ports in VLAN 5, one in 6, and two trunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.addresses import BROADCAST
from dpif.program.testing import Playground
from dpif.testing.traffic import exchange_udp, ping, send_tcp

from .world import World

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
VLANS = {"five": 5, "fives": 5, "six": 6}
TRUNKS = ("trunk", "trunks")


@pytest.fixture
def switch(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("vlan_switch")


@pytest.fixture
def net(switch: ModuleType) -> Iterator[Playground]:
    switch.access.update(VLANS)
    with Playground(switch.program, (*VLANS, *TRUNKS)) as made:
        yield made


def frame(src: str, dst: str, vlan: int = 0) -> bytes:
    packet = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x")
    return build.ethernet(src, dst, build.vlan(vlan, packet) if vlan else packet)


def test_a_packet_for_all_goes_to_its_vlan_and_to_trunks_with_a_tag(net: Playground) -> None:
    plain, tagged = frame(A, BROADCAST), frame(A, BROADCAST, 5)
    assert net.send("five", plain) == {"fives": [plain], "trunk": [tagged], "trunks": [tagged]}
    assert net.send("trunk", tagged) == {"five": [plain], "fives": [plain], "trunks": [tagged]}


def test_a_packet_for_one_goes_to_it_alone(net: Playground) -> None:
    net.send("five", frame(A, BROADCAST))
    net.send("trunk", frame(B, BROADCAST, 6))
    assert net.send("trunk", frame(B, A, 5)) == {"five": [frame(B, A)]}
    assert net.send("six", frame(A, B)) == {"trunk": [frame(A, B, 6)]}
    group = "eth(src,dst/0x10000000000)"
    assert net.masks() == {group, f"{group},vlan(vid)", "eth(src,dst)", "eth(src,dst),vlan(vid)"}


def test_access_ports_take_no_tags_and_trunks_nothing_else(net: Playground) -> None:
    assert not net.send("five", frame(A, BROADCAST, 6))
    assert not net.send("trunk", frame(A, BROADCAST))


def test_a_port_that_is_given_another_vlan_is_there_at_once(switch: ModuleType, net: Playground) -> None:
    assert "fives" in net.send("five", frame(A, BROADCAST))
    switch.access["fives"] = 6
    assert set(net.send("five", frame(A, BROADCAST))) == set(TRUNKS)
    assert "fives" in net.send("six", frame(B, BROADCAST))


# With hosts


def test_hosts_with_and_without_tags_are_in_one_network(switch: ModuleType, world: World) -> None:
    plain, other, tagged = (world.host(f"10.0.0.{number}/24") for number in (1, 2, 9))
    tagged.namespace.ip("link", "add", "link", "eth0", "name", "five", "type", "vlan", "id", "5")
    tagged.namespace.ip("address", "add", "10.0.0.3/24", "dev", "five")
    tagged.namespace.ip("address", "delete", "10.0.0.9/24", "dev", "eth0")
    tagged.namespace.ip("link", "set", "five", "up")
    tagged = tagged._replace(address="10.0.0.3")
    switch.access.update({plain.port: 5, other.port: 6})
    with world.running(switch.program) as runner:
        assert ping(plain, tagged, count=20) == (20, 20)
        assert exchange_udp(tagged, plain, (1, 3000)) == 2
        assert send_tcp(plain, tagged, 100_000)
        assert runner.counters.upcalls < 12
        assert ping(other, tagged, count=1, patience=1) == (1, 0)
        switch.access[other.port] = 5
        assert ping(other, tagged) == (3, 3)
