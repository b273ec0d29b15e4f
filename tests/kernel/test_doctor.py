"""What ``dpif doctor`` finds wrong with a kernel's datapath, one thing after the other, and that it only reads."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

import dpif
from dpif.apps.doctor import Level, diagnose, diagnose_host, diagnose_tunnels, worst
from dpif.client import Datapath
from dpif.testing import netns
from dpif.testing.waiting import eventually


@pytest.fixture
def datapath() -> Iterator[Datapath]:
    netns.ip_batch("link add v0 type veth peer name w0", "link set v0 up", "link set w0 up")
    with dpif.open("dp0", create=True) as made:
        made.ports.add("v0")
        netns.ip("link", "set", "dp0", "up")
        yield made
        made.destroy()
    netns.delete_link("v0")


def checks(datapath: Datapath, level: Level) -> set[tuple[str, str]]:
    """Return the findings of a level: what was checked, and of what."""
    return {(finding.check, finding.subject) for finding in diagnose(datapath) if finding.level is level}


def test_the_labs_kernel_has_the_module() -> None:
    found = {finding.check: finding for finding in diagnose_host()}
    assert found["kernel-module"].facts["module"] == "loaded"
    assert worst(found.values()) is Level.OK


def test_a_datapath_that_is_well(datapath: Datapath) -> None:
    with datapath.upcalls():
        assert checks(datapath, Level.PROBLEM) == set()
        (listener,) = [finding for finding in diagnose(datapath) if finding.check == "listener"]
    assert str(os.getpid()) in str(listener.facts["processes"])


def test_nobody_listens(datapath: Datapath) -> None:
    assert checks(datapath, Level.PROBLEM) == {("dispatch", "")}


def test_the_listener_was_killed(datapath: Datapath) -> None:
    ready, child_end = socket.socketpair()
    child = os.fork()
    if child == 0:
        with dpif.open("dp0") as mine, mine.upcalls():
            child_end.send(b"!")
            signal.pause()
    with ready, child_end:
        ready.recv(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert checks(datapath, Level.PROBLEM) == {("listener", "")}


def test_devices(datapath: Datapath) -> None:
    netns.ip("link", "set", "w0", "down")
    assert ("carrier", "v0") in checks(datapath, Level.NOTICE)
    netns.ip_batch("link set w0 up", "link set v0 mtu 9000")
    assert ("mtu", "") in checks(datapath, Level.NOTICE)
    netns.ip("link", "set", "v0", "down")
    assert ("down", "v0") in checks(datapath, Level.PROBLEM)


def test_an_internal_device_is_to_be_up_where_the_host_has_an_address(datapath: Datapath) -> None:
    datapath.ports.add("int0", type="internal")
    assert not {subject for check, subject in checks(datapath, Level.NOTICE) if check == "down"}
    netns.ip("address", "add", "192.0.2.1/24", "dev", "int0")
    assert ("down", "int0") in checks(datapath, Level.NOTICE)
    netns.ip("link", "set", "int0", "up")
    assert ("down", "int0") not in checks(datapath, Level.NOTICE)


def test_a_kernel_without_zones_is_named(datapath: Datapath) -> None:
    """By the doctor, and where a flow with a zone is refused; and none where they are there."""
    has_zones = datapath.features().ct_zone
    (found,) = [finding for finding in diagnose(datapath) if finding.check == "ct-zones"]
    assert (found.level, found.facts) == (Level.OK if has_zones else Level.NOTICE, {"zones": has_zones})
    if has_zones:
        return
    assert "dpif lab --qemu" in found.advice
    for match, actions in (("", "ct(zone=5)"), ("ct_zone(5),", "2")):
        with pytest.raises(dpif.NetlinkError, match=r"without conntrack zones.*dpif lab --qemu"):
            datapath.flows.put(f"in_port(1),{match}eth(),eth_type(0x0800),ipv4()", actions)


def test_lost_packets(datapath: Datapath) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("w0", 0))
        sender.send(bytes.fromhex("020000000002 020000000001 88b5") + bytes(46))
    eventually(lambda: ("lost", "") in checks(datapath, Level.NOTICE))


def test_a_tunnels_device_that_was_left_behind(datapath: Datapath) -> None:
    before = [finding.subject for finding in diagnose_tunnels([])]  # by others, on this kernel
    datapath.ports.add("vx", type="vxlan")
    names = [port.name for port in datapath.ports]
    assert [finding.subject for finding in diagnose_tunnels(names)] == before
    assert {finding.subject for finding in diagnose_tunnels(["v0"])} == {"vxlan_sys_4789", *before}


def test_it_only_reads(datapath: Datapath) -> None:
    with datapath.upcalls():
        before = datapath.read().per_cpu_pids, datapath.user_features, list(datapath.flows)
        list(diagnose(datapath))
        assert (datapath.read().per_cpu_pids, datapath.user_features, list(datapath.flows)) == before
