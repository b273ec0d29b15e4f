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
