"""What only ports of the kernel have: namespaces, chosen interface indices, hashes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

import dpif
from dpif.client.devices import has_lro, switch_off_lro
from dpif.netlink.constants import NLM_F_ECHO
from dpif.odp.constants import DatapathCmd, VportCmd, VportType
from dpif.odp.messages import DatapathRecord, VportRecord
from dpif.packet import build
from dpif.testing import netns
from dpif.testing.conformance.harness import refused, two_ports
from dpif.testing.kernel import KernelHarness
from dpif.testing.waiting import PATIENCE

FRAME = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"x"))


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


def test_a_port_tells_its_device_and_the_namespace_that_it_went_to(
    harness: KernelHarness, namespace: netns.Namespace
) -> None:
    dp = harness.open("conf0", create=True)
    port = dp.ports.add("i1", type="internal")
    assert (port.ifindex, port.netnsid) == (socket.if_nametoindex("i1"), None)
    netns.ip("link", "set", "i1", "netns", namespace.name)
    assert dp.ports.get(1).netnsid is not None
    dp.ports.delete("i1")
    assert "i1" not in namespace.ip("-brief", "link")


def test_the_index_of_a_device_that_is_made_may_be_chosen(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    record = VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=dp.ifindex,
        name="i1",
        type=VportType.INTERNAL,
        upcall_pid=(0,),
        ifindex=4711,
    )
    dp.connection.transact(record.request("chosen", NLM_F_ECHO))
    assert socket.if_nametoindex("i1") == dp.ports.get("i1").ifindex == 4711
    other = DatapathRecord(command=DatapathCmd.NEW, name="conf1", upcall_pid=0, user_features=0, ifindex=4712)
    dp.connection.transact(other.request("chosen as well"))
    with dpif.open("conf1") as found:
        assert found.ifindex == 4712
        found.destroy()


def test_an_internal_device_is_not_deleted_but_by_its_port(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    dp.ports.add("i1", type="internal")
    with pytest.raises(netns.CommandFailed, match="not supported"):
        netns.ip("link", "delete", "i1")
    dp.ports.delete("i1")


def test_lro_is_off(harness: KernelHarness) -> None:
    dp = harness.open("conf0", create=True)
    host = harness.host()
    dp.ports.add(host.name)
    assert not has_lro(host.name)
    with pytest.raises(OSError, match="No such device"):
        switch_off_lro("nosuchdev")
    with refused(errno.ENODEV):  # and that it cannot be switched off is not what is complained of
        dp.ports.add("nosuchdev")


def test_upcalls_tell_the_packets_hash(harness: KernelHarness) -> None:
    dp, first, _ = two_ports(harness)
    with dp.upcalls() as upcalls:
        first.send(FRAME)
        (upcall,) = upcalls.poll(PATIENCE)
    assert upcall.hash is not None
