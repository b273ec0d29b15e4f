"""Tunnels on the kernel: their devices come and go with their ports, and traffic goes through."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dpif
from dpif.client import Datapath
from dpif.client.tunnels import TUNNELS, device_name
from dpif.errors import AlreadyExists, EncodeError, NetlinkError
from dpif.testing import netns
from dpif.testing.conformance.harness import refused
from dpif.testing.kernel import KernelHarness
from dpif.testing.traffic import ping
from dpif.testing.waiting import PATIENCE

MADE = [
    ("vxlan", {}, "vxlan_sys_4789", {"dst_port": 4789}),
    ("vxlan", {"dst_port": 4790, "gbp": True}, "vxlan_sys_4790", {"dst_port": 4790}),
    ("vxlan", {"dst_port": 4791, "gpe": True}, "vxlan_sys_4791", {"dst_port": 4791}),
    ("geneve", {"dst_port": 6082}, "genev_sys_6082", {"dst_port": 6082}),
    ("gre", {}, "gre_sys", None),
    ("ip6gre", {}, "ip6gre_sys", None),
    ("erspan", {}, "erspan_sys", None),
    ("ip6erspan", {}, "ip6erspan_sys", None),
]
KINDS = {"gre": "gretap", "ip6gre": "ip6gretap"}


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


def device(name: str) -> dict[str, Any] | None:
    """Return a device as iproute2 sees it, None when it is not there."""
    for link in json.loads(netns.ip("-json", "-details", "link")):
        if link["ifname"] == name:
            return dict(link)
    return None


@pytest.mark.parametrize(("type_", "options", "name", "shown"), MADE, ids=lambda value: str(value))
def test_a_port_brings_its_device_and_takes_it_away(
    harness: KernelHarness, type_: str, options: dict[str, object], name: str, shown: dict[str, int] | None
) -> None:
    dp = harness.open("conf0", create=True)
    port = dp.ports.add("any", type=type_, options=options)
    assert (port.number, port.name, port.type, port.options) == (1, name, type_, shown)
    assert dp.ports.get(name).type == type_
    assert [each.type for each in dp.ports] == ["internal", type_]
    link = device(name)
    assert link is not None
    assert "UP" in link["flags"]
    assert link["mtu"] >= 65000
    assert link["linkinfo"]["info_kind"] == KINDS.get(type_, type_)
    data = link["linkinfo"]["info_data"]
    assert data["external"]
    assert data.get("port") == (shown or {}).get("dst_port")
    assert bool(data.get("gbp")) == bool(options.get("gbp"))
    assert bool(data.get("gpe")) == bool(options.get("gpe"))
    dp.ports.delete(port)
    assert device(name) is None


def test_a_device_that_is_there_as_it_should_be_is_shared(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    netns.ip(
        "link",
        "add",
        "vxlan_sys_4789",
        "type",
        "vxlan",
        "dstport",
        "4789",
        "external",
        "nolearning",
        "udp6zerocsumrx",
    )
    before = device("vxlan_sys_4789")
    dp.ports.add("", type="vxlan")
    after = device("vxlan_sys_4789")
    assert before is not None
    assert after is not None
    assert after["ifindex"] == before["ifindex"]
    dp.ports.delete(1)


def test_a_device_with_other_options_is_made_anew(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    netns.ip("link", "add", "vxlan_sys_4789", "type", "vxlan", "id", "7", "dstport", "4700")
    dp.ports.add("", type="vxlan")
    link = device("vxlan_sys_4789")
    assert link is not None
    assert link["linkinfo"]["info_data"]["port"] == 4789
    dp.ports.delete(1)


def test_a_tunnel_port_is_not_added_twice_and_survives_the_try(harness: KernelHarness) -> None:
    """The reference deletes and makes anew the device under the running datapath."""
    dp = harness.open("conf0", create=True)
    port = dp.ports.add("", type="vxlan")
    for options in ({}, {"gbp": True}):
        with pytest.raises(AlreadyExists):
            dp.ports.add("", type="vxlan", options=options)
    other = harness.open("conf1", create=True)
    with refused(errno.EBUSY):
        other.ports.add("", type="vxlan")
    with pytest.raises(AlreadyExists, match="in use, with other options"):
        other.ports.add("", type="vxlan", options={"gbp": True})
    assert dp.ports.get(1).ifindex == port.ifindex
    dp.ports.delete(1)
    assert other.ports.add("", type="vxlan").number == 1
    other.ports.delete(1)


def test_only_one_device_serves_a_tunnel(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    netns.ip("link", "add", "mine", "type", "gretap", "external")
    try:
        with pytest.raises(AlreadyExists, match="another device serves this tunnel"):
            dp.ports.add("", type="gre")
    finally:
        netns.delete_link("mine")


def test_a_port_that_fails_leaves_no_device(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    with refused(errno.EBUSY):
        dp.ports.add("conf0i", type="internal", number=5)
        dp.ports.add("", type="vxlan", number=5)
    assert device("vxlan_sys_4789") is None


def test_where_there_are_no_such_devices_a_vport_type_is_tried(harness: KernelHarness) -> None:
    """Without the module there is neither; the refusal is that of the vport type."""
    dp = harness.open("conf0", create=True)
    helper = Path("/proc/sys/kernel/modprobe")
    loads_modules = helper.read_text()
    for module in ("vport_geneve", "geneve"):
        if Path(f"/sys/module/{module}").exists():
            netns.run("rmmod", module)
    helper.write_text("/bin/false\n")
    try:
        with refused(errno.EAFNOSUPPORT):
            dp.ports.add("", type="geneve")
    finally:
        helper.write_text(loads_modules)


def test_types_that_only_user_space_has_are_refused(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    for type_ in ("lisp", "stt", "gtpu", "bareudp"):
        with pytest.raises(NetlinkError):
            dp.ports.add("", type=type_)
    with pytest.raises(EncodeError, match="unknown option 'nonsense'"):
        dp.ports.add("", type="vxlan", options={"nonsense": 1})
    assert set(KINDS) < set(TUNNELS)


class Site:
    """One end of a tunnel: a namespace with a datapath, an internal port that plays a host, and a tunnel port."""

    def __init__(self, namespace: netns.Namespace, number: int, type_: str) -> None:
        self.namespace = namespace
        self.number = number
        self.type = type_

    def build(self) -> None:
        """Make datapath, ports and flows, inside the namespace."""
        with dpif.open("br0", create=True) as dp:
            dp.ports.add("host0", type="internal", number=1)
            tunnel = dp.ports.add("", type=self.type, number=2)
            assert tunnel.name == device_name(self.type)
            self._connect(dp)
        self.namespace.ip("address", "add", f"10.1.0.{self.number}/24", "dev", "host0")
        self.namespace.ip("link", "set", "host0", "mtu", "1400", "up")

    def _connect(self, dp: Datapath) -> None:
        here, there = f"172.16.0.{self.number}", f"172.16.0.{3 - self.number}"
        header = f"tun_id=0x5,src={here},dst={there},ttl=64,flags(df|key)"
        came = f"tunnel(tun_id=0x5,src={there},dst={here},ttl=64/0)"
        for kind in ("eth_type(0x0806),arp()", "eth_type(0x0800),ipv4()"):
            dp.flows.add(f"in_port(1),eth(),{kind}", f"set(tunnel({header})),2")
            dp.flows.add(f"{came},in_port(2),eth(),{kind}", "1")

    def destroy(self) -> None:
        """Delete the datapath, inside the namespace."""
        with dpif.open("br0") as dp:
            dp.ports.delete(2)
            dp.destroy()


@pytest.mark.parametrize("type_", ["vxlan", "geneve", "gre"])
def test_hosts_of_two_datapaths_reach_each_other(type_: str) -> None:
    with netns.Namespace("west") as west, netns.Namespace("east") as east:
        west.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", "east")
        for number, namespace in enumerate((west, east), 1):
            namespace.ip("address", "add", f"172.16.0.{number}/24", "dev", "wire")
            namespace.ip("link", "set", "wire", "up")
            namespace.call(Site(namespace, number, type_).build)
        hosts = [netns.Host(namespace, "", f"10.1.0.{n}") for n, namespace in enumerate((west, east), 1)]
        assert ping(*hosts) == (3, 3)
        assert tcp_greeting(west, east) == b"hello through the tunnel"
        for number, namespace in enumerate((west, east), 1):
            namespace.call(Site(namespace, number, type_).destroy)


def tcp_greeting(client: netns.Namespace, server: netns.Namespace) -> bytes:
    """Return what a TCP server in one namespace says to a client in the other."""
    import socket

    with server.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("10.1.0.2", 8000))
        listening.listen()
        with client.socket(socket.AF_INET, socket.SOCK_STREAM) as connecting:
            connecting.settimeout(PATIENCE)
            connecting.connect(("10.1.0.2", 8000))
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(b"hello through the tunnel")
                return connecting.recv(100)
