"""The overlay: one host's switch between its ports and a tunnel, then two hosts with one network above them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.addresses import BROADCAST
from dpif.program import Options, Runner
from dpif.program.testing import Playground
from dpif.testing import netns
from dpif.testing.netns import Host
from dpif.testing.traffic import exchange_udp, ping, send_tcp

from .conftest import BOTH_DATAPATHS
from .world import KERNEL, at_work, opened

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
EAST = "172.16.0.2"


@pytest.fixture
def net(example: Callable[[str], ModuleType]) -> Iterator[Playground]:
    overlay = example("vxlan_overlay")
    overlay.networks.update({"red1": 7, "red2": 7, "blue": 8})
    overlay.hosts[ip_address(EAST)] = True
    with Playground(overlay.program, ("red1", "red2", "blue", overlay.TUNNEL)) as made:
        yield made


def frame(src: str, dst: str) -> bytes:
    return build.ethernet(src, dst, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x"))


def test_networks_are_apart_and_a_packet_for_all_goes_to_all_hosts(net: Playground) -> None:
    net.send("red1", frame(A, BROADCAST))
    net.send("blue", frame(B, A))
    header = "set(tunnel(tun_id={},dst=172.16.0.2,ttl=64,flags(key)))"
    assert net.flows() == {
        f"in_port(red1),eth(src={A},dst=ff:ff:ff:ff:ff:ff)": f"red2,{header.format('0x7')},vxlan_sys_4789",
        f"in_port(blue),eth(src={B},dst={A})": f"{header.format('0x8')},vxlan_sys_4789",
    }
    assert net.masks() == {"eth(src,dst),tunnel"}


# With hosts


class End:
    """A host of the overlay: a namespace with a datapath, a program, and a device in the virtual network."""

    def __init__(self, stack: ExitStack, kind: str, number: int, overlay: ModuleType) -> None:
        self._kind = kind
        self._overlay = overlay
        self.address = f"172.16.0.{number}"
        self.namespace = stack.enter_context(netns.Namespace(f"o{os.getpid()}-{number}"))
        self.host = Host(self.namespace, "host0", f"10.1.0.{number}")

    def start(self, stack: ExitStack, peer: str) -> Runner:
        """Run the program; to be called inside the namespace."""
        self._overlay.networks["host0"] = 7
        self._overlay.hosts[ip_address(peer)] = True
        datapath = stack.enter_context(opened(self._kind))
        datapath.ports.add("host0", type="internal" if self._kind == KERNEL else "tap")
        ports = {self._overlay.TUNNEL: {"type": "vxlan"}}
        return stack.enter_context(Runner(self._overlay.program, datapath, ports, Options(check=True)))

    def bring_up(self) -> None:
        self.namespace.ip("address", "add", f"{self.host.address}/24", "dev", "host0")
        self.namespace.ip("link", "set", "host0", "mtu", "1400", "up")


@pytest.mark.parametrize("kind", BOTH_DATAPATHS)
def test_two_hosts_share_a_network(example: Callable[[str], ModuleType], kind: str) -> None:
    with ExitStack() as stack:
        west, east = (End(stack, kind, number, example("vxlan_overlay")) for number in (1, 2))
        west.namespace.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", east.namespace.name)
        for end in (west, east):
            end.namespace.ip("address", "add", f"{end.address}/24", "dev", "wire")
            end.namespace.ip("link", "set", "wire", "up")
        for end, other in ((west, east), (east, west)):
            runner = end.namespace.call(lambda end=end, other=other: end.start(stack, other.address))
            stack.enter_context(at_work(runner))
            end.bring_up()
        assert ping(west.host, east.host, count=10) == (10, 10)
        assert exchange_udp(east.host, west.host, (1, 1300)) == 2
        assert send_tcp(west.host, east.host, 100_000)
