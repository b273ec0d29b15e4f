"""Ports of the userspace datapath on real Linux devices: veth pairs through raw sockets, and TAP devices.

All of it happens in a network namespace that the test makes, entered by the thread that opens the devices.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

import dpif
from dpif.errors import AlreadyExists, NetlinkError, NoSuchObject
from dpif.packet import build
from dpif.testing import netns
from dpif.testing.waiting import PATIENCE, eventually

pytestmark = pytest.mark.root

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"a payload that needs no padding"))
TAGGED = build.ethernet(A, B, build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"a payload of a length")))
ANYTHING = "in_port({}),eth(),eth_type(0x0800),ipv4()"
TAGGED_MATCH = "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4())"

PORT = f"u{os.getpid()}"


@pytest.fixture
def far() -> Iterator[netns.Namespace]:
    """A namespace with the far end of a veth pair, ``far``; the near end is `PORT`, here."""
    with netns.Namespace(f"{PORT}-far") as namespace:
        try:
            namespace.add_veth("far", PORT)
            yield namespace
        finally:
            netns.delete_link(PORT)


@pytest.fixture
def us() -> Iterator[dpif.Userspace]:
    with dpif.Userspace() as made:
        yield made


@pytest.fixture
def dp(us: dpif.Userspace) -> Iterator[dpif.Datapath]:
    with us.open("br0", create=True) as made:
        yield made


@pytest.fixture
def wire(far: netns.Namespace) -> Iterator[socket.socket]:
    """A raw socket on the far end."""
    with far.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as opened:
        far.call(lambda: opened.bind(("far", 3)))
        opened.settimeout(PATIENCE)
        yield opened


def run_until(us: dpif.Userspace, count: int) -> None:
    received = 0
    while received < count:
        received += us.run_once(5.0)


def wait_for(wire: socket.socket, packet: bytes) -> None:
    """Receive until `packet` comes: the host has things of its own to say."""
    while wire.recv(2000) != packet:
        pass


def test_packets_pass_both_ways(us: dpif.Userspace, dp: dpif.Datapath, wire: socket.socket) -> None:
    dp.ports.add(PORT)
    host = us.device("h1")
    dp.ports.add(host.name)
    dp.flows.add(ANYTHING.format(1), "2")
    dp.flows.add(ANYTHING.format(2), "1")
    wire.send(UDP)
    run_until(us, 1)
    assert host.recv() == UDP
    host.send(UDP)
    wait_for(wire, UDP)
    assert us.run_once(0.0) == 0  # what was sent from here does not come in


def test_a_tag_that_the_kernel_took_off_is_put_back(
    us: dpif.Userspace, dp: dpif.Datapath, wire: socket.socket
) -> None:
    dp.ports.add(PORT)
    host = us.device("h1")
    dp.ports.add(host.name)
    dp.flows.add(TAGGED_MATCH, "2")
    wire.send(TAGGED)
    run_until(us, 1)
    assert host.recv() == TAGGED


def test_a_packet_too_long_for_the_device_is_dropped(
    us: dpif.Userspace, dp: dpif.Datapath, wire: socket.socket
) -> None:
    dp.ports.add(PORT)
    host = us.device("h1")
    dp.ports.add(host.name)
    dp.flows.add(ANYTHING.format(2), "1")
    host.send(build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(1600))))
    stats = dp.ports.get(1).stats
    assert stats is not None
    assert (stats.tx_packets, stats.tx_dropped) == (0, 1)


def test_a_deleted_device_takes_its_port_with_it(us: dpif.Userspace, dp: dpif.Datapath, far: netns.Namespace) -> None:
    dp.ports.add(PORT)
    us.start()
    with dp.ports.watch() as watch:
        netns.delete_link(PORT)
        (event,) = watch.poll(PATIENCE)
    assert (type(event).__name__, event.port.name) == ("PortRemoved", PORT)
    with pytest.raises(NoSuchObject):
        dp.ports.get(1)


def test_other_devices_may_come_and_go(us: dpif.Userspace, dp: dpif.Datapath, far: netns.Namespace) -> None:
    dp.ports.add(PORT)
    netns.ip("link", "set", PORT, "down")
    us.run_once(1.0)
    netns.ip("link", "set", PORT, "up")
    us.run_once(1.0)
    assert dp.ports.get(1).name == PORT


def test_a_device_belongs_to_one_datapath(us: dpif.Userspace, dp: dpif.Datapath, far: netns.Namespace) -> None:
    dp.ports.add(PORT)
    with pytest.raises(AlreadyExists):
        dp.ports.add(PORT)
    with us.open("br1", create=True) as other:
        with pytest.raises(NetlinkError) as caught:
            other.ports.add(PORT)
        assert caught.value.errno == errno.EBUSY
        dp.ports.delete(1)
        assert other.ports.add(PORT).number == 1


def test_what_is_not_ethernet_is_refused(dp: dpif.Datapath) -> None:
    with pytest.raises(NetlinkError) as caught:
        dp.ports.add("lo")
    assert caught.value.errno == errno.EINVAL


def test_a_tap_device_is_the_hosts_end_of_a_port(us: dpif.Userspace, dp: dpif.Datapath) -> None:
    name = f"{PORT}t"
    port = dp.ports.add(name, type="tap")
    assert (port.type, port.number) == ("tap", 1)
    dp.ports.add(us.device("h1").name)
    dp.flows.add(ANYTHING.format(2), "1")
    us.device("h1").send(UDP)
    assert dp.ports.get(1).stats.tx_dropped == 1  # type: ignore[union-attr]  # it is down
    netns.ip("link", "set", name, "up")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as host:
        host.bind((name, 3))
        host.settimeout(PATIENCE)
        us.device("h1").send(UDP)
        wait_for(host, UDP)
        dp.flows.add(ANYTHING.format(1), "2")
        host.send(UDP)
        eventually(lambda: bool(us.run_once(0.1)) and us.device("h1").recv() == UDP)
    dp.ports.delete(1)
    assert name not in [device for _, device in socket.if_nameindex()]


def test_a_tap_device_that_somebody_deletes_takes_its_port_with_it(us: dpif.Userspace, dp: dpif.Datapath) -> None:
    name = f"{PORT}t"
    dp.ports.add(name, type="tap")
    us.start()
    with dp.ports.watch() as watch:
        netns.delete_link(name)
        (event,) = watch.poll(PATIENCE)
    assert event.port.name == name


def test_the_name_of_a_tap_device_may_be_any_bytes(us: dpif.Userspace, dp: dpif.Datapath) -> None:
    name = f"{PORT}\udcff"
    dp.ports.add(name, type="tap")
    assert name in [each for _, each in socket.if_nameindex()]
    with dpif.Userspace() as another, another.open("br1", create=True) as other:
        with pytest.raises(AlreadyExists):
            other.ports.add(name, type="tap")
        with pytest.raises(NetlinkError, match="is not UTF-8"):
            other.ports.add(name)


def test_a_tap_device_does_not_take_a_name_that_is_taken(dp: dpif.Datapath, far: netns.Namespace) -> None:
    with pytest.raises(AlreadyExists):
        dp.ports.add(PORT, type="tap")
