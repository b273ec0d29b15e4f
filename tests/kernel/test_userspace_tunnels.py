"""Tunnels between the kernel's datapath in one namespace and the userspace datapath in another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

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
UNDER = {"src": "172.16.0.", "ipv6_src": "fd00::"}
"""How a tunnel key names its source, and how such addresses begin."""


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

    def build(self, type_: str, options: dict[str, object], more: str, source: str = "src") -> None:
        """Make datapath, ports and flows, inside the namespace; `source` is one of `UNDER`."""
        with self.open(create=True) as dp:
            dp.ports.add("host0", type="tap" if self.userspace else "internal", number=1)
            dp.ports.add("", type=type_, number=2, options=options)
            here, there = (f"{UNDER[source]}{number}" for number in (self.number, 3 - self.number))
            target = source.replace("src", "dst")
            header = f"tun_id=0x5,{source}={here},{target}={there},ttl=64{more},flags(df|key)"
            came = f"tunnel(tun_id=0x5,{source}={there},{target}={here},ttl=64{more})"
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
    both = netns.Namespace("west", ipv6=True), netns.Namespace("east", ipv6=True)
    with both[0] as west, both[1] as east, dpif.Userspace() as us:
        west.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", "east")
        for number, namespace in enumerate((west, east), 1):
            namespace.ip("address", "add", f"172.16.0.{number}/24", "dev", "wire")
            namespace.ip("address", "add", f"fd00::{number}/64", "dev", "wire", "nodad")
            namespace.ip("link", "set", "wire", "up")
        us.start()
        yield End(west, 1, None), End(east, 2, us)


@pytest.mark.parametrize(("type_", "options", "more"), KINDS)
def test_kernel_and_user_space_reach_each_other(
    ends: tuple[End, End], type_: str, options: dict[str, object], more: str
) -> None:
    with built(ends, type_, options, more):
        talk(ends)


@pytest.mark.parametrize("type_", ["vxlan", "geneve", "ip6gre"])
def test_they_reach_each_other_over_ipv6(ends: tuple[End, End], type_: str) -> None:
    with built(ends, type_, {}, "", "ipv6_src"):
        talk(ends)


@contextlib.contextmanager
def built(
    ends: tuple[End, End], type_: str, options: dict[str, object], more: str, source: str = "src"
) -> Iterator[None]:
    """Make both ends, and take them away."""
    for end in ends:
        end.namespace.call(partial(end.build, type_, options, more, source))
    try:
        yield
    finally:
        for end in ends:
            end.namespace.call(end.destroy)


def talk(ends: tuple[End, End]) -> None:
    """Have the hosts of both ends exchange pings, UDP and TCP, either way."""
    west, east = (netns.Host(end.namespace, "host0", f"10.1.0.{end.number}") for end in ends)
    for source, target in ((west, east), (east, west)):
        assert ping(source, target).received == 3
        assert exchange_udp(source, target, (1, 1300)) == 2
        assert send_tcp(source, target, 100_000)
