"""Tunnels between the kernel's datapath in one namespace and the userspace datapath in another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dpif
from dpif.client import Datapath
from dpif.testing import netns
from dpif.testing.traffic import exchange_udp, ping, send_tcp

OPTIONS = "geneve({class=0x102,type=0x80,len=4,0x1020304})"
KINDS = [
    pytest.param("vxlan", {}, "", id="vxlan"),
    pytest.param("vxlan", {"gbp": True}, ",vxlan(gbp(id=5,flags=0))", id="vxlan-gbp"),
    pytest.param("geneve", {}, "," + OPTIONS, id="geneve-options"),
    pytest.param("gre", {}, "", id="gre"),
]


class End:
    """One end of a tunnel: a namespace with a datapath, a device that plays a host, and a tunnel port."""

    def __init__(self, namespace: netns.Namespace, number: int, userspace: dpif.Userspace | None) -> None:
        self.namespace = namespace
        self.number = number
        self.userspace = userspace

    def open(self, *, create: bool = False) -> Datapath:
        if self.userspace is not None:
            return self.userspace.open("br0", create=create)
        return dpif.open("br0", create=create)

    def build(self, type_: str, options: dict[str, object], more: str) -> None:
        """Make datapath, ports and flows, inside the namespace."""
        with self.open(create=True) as dp:
            dp.ports.add("host0", type="tap" if self.userspace else "internal", number=1)
            dp.ports.add("", type=type_, number=2, options=options)
            here, there = f"172.16.0.{self.number}", f"172.16.0.{3 - self.number}"
            header = f"tun_id=0x5,src={here},dst={there},ttl=64{more},flags(df|key)"
            came = f"tunnel(tun_id=0x5,src={there},dst={here},ttl=64{more})"
            for kind in ("eth_type(0x0806),arp()", "eth_type(0x0800),ipv4()"):
                dp.flows.add(f"in_port(1),eth(),{kind}", f"set(tunnel({header})),2")
                dp.flows.add(f"{came},in_port(2),eth(),{kind}", "1")
        self.namespace.ip("address", "add", f"10.1.0.{self.number}/24", "dev", "host0")
        self.namespace.ip("link", "set", "host0", "mtu", "1400", "up")

    def destroy(self) -> None:
        """Delete the datapath, inside the namespace."""
        with self.open() as dp:
            dp.ports.delete(2)
            dp.destroy()


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    with netns.Namespace("west") as west, netns.Namespace("east") as east, dpif.Userspace() as us:
        west.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", "east")
        for number, namespace in enumerate((west, east), 1):
            namespace.ip("address", "add", f"172.16.0.{number}/24", "dev", "wire")
            namespace.ip("link", "set", "wire", "up")
        us.start()
        yield End(west, 1, None), End(east, 2, us)


@pytest.mark.parametrize(("type_", "options", "more"), KINDS)
def test_kernel_and_user_space_reach_each_other(
    ends: tuple[End, End], type_: str, options: dict[str, object], more: str
) -> None:
    for end in ends:
        end.namespace.call(lambda end=end: end.build(type_, options, more))  # type: ignore[misc]
    west, east = (netns.Host(end.namespace, "host0", f"10.1.0.{end.number}") for end in ends)
    try:
        for source, target in ((west, east), (east, west)):
            assert ping(source, target).received == 3
            assert exchange_udp(source, target, (1, 1300)) == 2
            assert send_tcp(source, target, 100_000)
    finally:
        for end in ends:
            end.namespace.call(end.destroy)
