"""The lab's guest is what the other tests in this directory rely on."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from dpif.testing import netns
from dpif.testing.traffic import ping
from dpif.testing.waiting import PATIENCE

NETLINK_GENERIC = 16


def test_the_module_is_loaded() -> None:
    assert Path("/sys/module/openvswitch").is_dir()


def test_the_families_are_there() -> None:
    families = _generic_netlink_families()
    assert {"nlctrl", "ovs_datapath", "ovs_vport", "ovs_flow", "ovs_packet", "ovs_meter", "ovs_ct_limit"} <= families


def test_the_c_tool_makes_and_shows_a_datapath() -> None:
    netns.run("ovs-dpctl", "add-dp", "lab0")
    try:
        shown = netns.run("ovs-dpctl", "show", "lab0")
    finally:
        netns.run("ovs-dpctl", "del-dp", "lab0")
    assert shown.startswith("system@lab0:")
    assert "port 0: lab0 (internal)" in shown
    assert netns.run("ovs-dpctl", "dump-dps") == ""


def test_a_module_loads_when_the_kernel_asks_for_it() -> None:
    assert not Path("/sys/module/nlmon").exists()  # a module that no other test here needs
    netns.ip("link", "add", "nlmon7", "type", "nlmon")
    netns.delete_link("nlmon7")
    assert Path("/sys/module/nlmon").exists()


def test_a_namespace_has_devices_of_its_own(namespace: netns.Namespace) -> None:
    namespace.add_veth("inside", "outside")
    there = _devices(namespace.ip("-brief", "link"))  # modules of tunnels give each namespace devices, gre0 and such
    assert {"lo", "inside"} <= there
    assert "outside" not in there
    assert {"lo", "outside"} <= _devices(netns.ip("-brief", "link"))
    assert "inside" not in _devices(netns.ip("-brief", "link"))


def test_a_deleted_namespace_takes_its_devices_along() -> None:
    with netns.Namespace("brief") as brief:
        brief.add_veth("inside", "outside")
    assert "outside" not in _devices(netns.ip("-brief", "link"))
    assert "brief" not in netns.ip("netns", "list")


def test_a_packet_socket_stays_in_its_namespace(two_hosts: list[netns.Host]) -> None:
    host = two_hosts[0]
    frame = bytes.fromhex("ffffffffffff02000000000188b5") + b"to the port".ljust(46, b"\0")
    with (
        host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as inside,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as outside,
    ):
        outside.bind((host.port, 0x88B5))
        outside.settimeout(PATIENCE)
        inside.bind(("eth0", 0))
        inside.send(frame)
        assert outside.recv(2000) == frame


def test_hosts_ping_through_the_kernel_datapath(two_hosts: list[netns.Host]) -> None:
    first, second = two_hosts
    ports = [host.port for host in two_hosts]
    netns.run("ovs-dpctl", "add-dp", "lab0")
    try:
        netns.run("ovs-dpctl", "add-if", "lab0", *ports)
        for here, there in (("1", "2"), ("2", "1")):
            for kind in ("eth_type(0x0806),arp()", "eth_type(0x0800),ipv4(frag=no)"):
                netns.run("ovs-dpctl", "add-flow", "lab0", f"in_port({here}),eth(),{kind}", there)
        assert ping(first, second) == (3, 3)
    finally:
        netns.run("ovs-dpctl", "del-dp", "lab0")


def test_a_failing_program_is_told_in_one_line(namespace: netns.Namespace) -> None:
    with pytest.raises(netns.CommandFailed, match=r"^ip netns add test: .*File exists") as caught:
        netns.Namespace("test").create()
    assert "\n" not in str(caught.value)


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(netns.CommandFailed, match=r"sleep 60: not done after 0\.1 s"):
        netns.run("sleep", "60", timeout=0.1)


def _devices(brief: str) -> set[str]:
    """Return the device names in the output of ``ip -brief link``."""
    return {line.split()[0].split("@")[0] for line in brief.splitlines()}


def _generic_netlink_families() -> set[str]:
    """Ask the kernel (CTRL_CMD_GETFAMILY, NLM_F_REQUEST | NLM_F_DUMP) without any of dpif's own code."""
    names = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as control:
        control.send(struct.pack("=IHHII BBH", 20, 16, 0x301, 1, 0, 3, 1, 0))
        while True:
            datagram = control.recv(65536)
            start = 0
            while start < len(datagram):
                length, kind = struct.unpack_from("=IH", datagram, start)
                if kind == 3:  # NLMSG_DONE
                    return names
                names.add(_family_name(datagram[start + 20 : start + length]))
                start += length


def _family_name(attributes: bytes) -> str:
    """Return the value of CTRL_ATTR_FAMILY_NAME."""
    start = 0
    while start < len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, start)
        if kind == 2:
            return attributes[start + 4 : start + length].rstrip(b"\0").decode()
        start += (length + 3) & ~3
    raise AssertionError("a family without a name")
