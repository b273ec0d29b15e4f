"""What a diagnosis says of a host, from a file system made for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dpif.apps.doctor.findings import Finding, Level, worst
from dpif.apps.doctor.host import examine_host
from dpif.apps.doctor.sockets import NetlinkSocket, generic_sockets, holders

RELEASE = "6.1.0-test"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/sys/kernel/osrelease", f"{RELEASE}\n")
    write(tmp_path, "proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n")
    (tmp_path / "sys/module/openvswitch").mkdir(parents=True)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def examined(root: Path, *, needs_kernel: bool = True) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_host(root, needs_kernel=needs_kernel)}


def test_a_host_that_is_well(root: Path) -> None:
    found = examined(root)
    assert found.keys() == {"kernel-module", "rights"}
    assert worst(found.values()) is Level.OK
    assert found["kernel-module"].facts == {"release": RELEASE, "module": "loaded"}


def test_a_module_that_is_not_loaded_can_be(root: Path) -> None:
    (root / "sys/module/openvswitch").rmdir()
    write(root, f"lib/modules/{RELEASE}/modules.dep", "kernel/net/openvswitch/openvswitch.ko: kernel/x.ko\n")
    found = examined(root)["kernel-module"]
    assert (found.level, found.advice) == (Level.PROBLEM, "modprobe openvswitch")


@pytest.mark.parametrize(("needs_kernel", "level"), [(True, Level.PROBLEM), (False, Level.OK)])
def test_a_kernel_without_the_module_matters_to_who_needs_it(root: Path, needs_kernel: bool, level: Level) -> None:
    (root / "sys/module/openvswitch").rmdir()
    found = examined(root, needs_kernel=needs_kernel)["kernel-module"]
    assert (found.level, found.facts["module"]) == (level, "missing")


def test_datapaths_in_user_space_need_no_rights_and_track_their_own_connections(root: Path) -> None:
    write(root, "proc/self/status", "CapEff:\t0\n")
    for name, text in (("count", "99"), ("max", "100")):
        write(root, f"proc/sys/net/netfilter/nf_conntrack_{name}", text)
    assert examined(root, needs_kernel=False).keys() == {"kernel-module"}


def test_who_lacks_the_capability_is_told(root: Path) -> None:
    write(root, "proc/self/status", "CapEff:\t000001ffffffefff\n")
    found = examined(root)["rights"]
    assert (found.level, found.facts) == (Level.NOTICE, {"cap_net_admin": False})


@pytest.mark.parametrize(("count", "level"), [("899", Level.OK), ("900", Level.PROBLEM)])
def test_a_table_of_connections_that_is_nearly_full(root: Path, count: str, level: Level) -> None:
    write(root, "proc/sys/net/netfilter/nf_conntrack_count", f"{count}\n")
    write(root, "proc/sys/net/netfilter/nf_conntrack_max", "1000\n")
    found = examined(root)["connections"]
    assert (found.level, found.facts) == (level, {"connections": int(count), "limit": 1000})


def test_sockets_and_their_processes(tmp_path: Path) -> None:
    table = """\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
00000000aaaaaaaa 0   4096       00000000 0        0        0     2        9        11
00000000bbbbbbbb 16  739        00000000 0        0        0     2        3        12
00000000cccccccc 16  3864684884 00000000 0        0        0     2        0        13
"""
    write(tmp_path, "proc/net/netlink", table)
    write(tmp_path, "proc/739/comm", "switch\n")
    (tmp_path / "proc/739/fd").mkdir()
    (tmp_path / "proc/739/fd/3").symlink_to("socket:[12]")
    sockets = generic_sockets(tmp_path)
    assert sockets == {739: NetlinkSocket(739, 3, 12), 3864684884: NetlinkSocket(3864684884, 0, 13)}
    assert holders(sockets.values(), tmp_path) == {12: "switch (739)"}
    (tmp_path / "proc/739/comm").write_bytes("sw-für-brücken-ä".encode()[:15] + b"\xc3\n")  # cut in a letter
    assert holders(sockets.values(), tmp_path) == {12: "sw-für-brücke\ufffd (739)"}


def test_this_process_is_found_by_its_socket() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as mine:
        mine.bind((0, 0))
        port_id, _ = mine.getsockname()
        found = generic_sockets()[port_id]
        assert holders([found])[found.inode].endswith(f"({os.getpid()})")
