"""The network devices behind the ports of a kernel's datapath: there, up, with fitting MTUs, not merging packets."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence

from dpif._typing import NamedTuple
from dpif.apps.doctor.findings import Finding, counted, notice, ok, problem
from dpif.client import Port
from dpif.client.devices import has_address, has_lro
from dpif.client.tunnels import TUNNELS, tunnel_of_device
from dpif.errors import NoSuchObject
from dpif.netlink.route import Link, Links

__all__ = ["Device", "examine_devices", "judge_devices", "stray_tunnels"]


class Device(NamedTuple):
    """A port and the device of its name; ``link`` None where this namespace has none.

    ``merges`` says that it does large receive offload, ``has_address`` that the host has an IPv4 address there.
    """

    port: Port
    link: Link | None
    merges: bool = False
    has_address: bool = False


def examine_devices(ports: Sequence[Port]) -> Iterator[Finding]:
    """Yield what there is to say about the devices of ports, read from the kernel."""
    with Links() as links:
        yield from judge_devices([_look_up(links, port) for port in ports])


def _look_up(links: Links, port: Port) -> Device:
    try:
        link = links.get(port.name)
    except NoSuchObject:
        return Device(port, None)
    merges = False
    with contextlib.suppress(OSError):  # devices that have no such setting
        merges = has_lro(port.name)
    return Device(port, link, merges, has_address(port.name))


def judge_devices(devices: Sequence[Device]) -> Iterator[Finding]:
    """Yield the findings about devices that were looked up."""
    findings = [finding for device in devices for finding in _judge(device)]
    yield from findings
    yield from _mtus(devices)
    if not findings:
        found = f"{counted(len(devices), 'port')}: devices are there, and up where they are in use"
        yield ok("devices", found, {"ports": len(devices)})


def _judge(device: Device) -> Iterator[Finding]:
    port, link = device.port, device.link
    if link is None:
        if port.type != "internal":  # those are made to be moved: a router's or a pod's end is in its own namespace
            yield _missing(port)
        return
    if not link.is_up:
        yield from _down(device)
    elif not link.is_running:
        yield notice(
            "carrier",
            "the device has no carrier",
            "The cable, or the other end of a veth pair, is down: packets sent there are lost.",
            f"ip link show {port.name}",
            subject=port.name,
        )
    if device.merges:
        yield problem(
            "lro",
            "large receive offload is on",
            "The device merges packets, which must not be forwarded: they are dropped or arrive garbled.",
            f"ethtool -K {port.name} lro off",
            subject=port.name,
        )


def _missing(port: Port) -> Finding:
    if port.type in TUNNELS:
        return problem(
            "tunnel-device",
            f"the {port.type} port has no device",
            "Its tunnels carry nothing.",
            f"make the port anew: dpif del-if DP {port.name}, then dpif add-if DP {port.name},type={port.type}",
            subject=port.name,
        )
    return notice(
        "device",
        "this network namespace has no device of this name",
        "It was moved into another namespace or renamed; packets still pass.",
        "ip -all netns exec ip -br link",
        subject=port.name,
    )


def _down(device: Device) -> Iterator[Finding]:
    """Yield what a device that is down means: of an internal one nothing, unless the host wants to use it.

    ``ovs-system`` is always down, and a bridge's own device, such as ``br-int``, mostly.
    """
    name, advice = device.port.name, f"ip link set {device.port.name} up"
    if device.port.type != "internal":
        yield problem("down", "the device is down", "Packets sent to it are dropped.", advice, subject=name)
    elif device.has_address:
        meaning = "This host does not take part through it."
        yield notice("down", "the device has an address, and is down", meaning, advice, subject=name)


def _mtus(devices: Iterable[Device]) -> Iterator[Finding]:
    """Yield a finding where ports differ in MTU: the datapath does not fragment, it drops what is too long.

    Where there are tunnels, those who use them have smaller ones by design.
    """
    devices = list(devices)
    mtus = {device.port.name: device.link.mtu for device in devices if device.link is not None and device.link.is_up}
    if len(set(mtus.values())) < 2 or any(device.port.type in TUNNELS for device in devices):
        return
    least, most = min(mtus.values()), max(mtus.values())
    small = [name for name, mtu in mtus.items() if mtu == least]
    yield notice(
        "mtu",
        f"MTUs differ: {least} of {', '.join(small)}, up to {most}",
        "A packet longer than the MTU of the port that it is sent to is dropped; there is no fragmentation.",
        f"unless it is meant so: ip link set {small[0]} mtu {most}",
        {"mtu_least": least, "mtu_most": most, "smallest": small},
    )


def stray_tunnels(attached: Collection[str], devices: Iterable[str]) -> Iterator[Finding]:
    """Yield those of this namespace's `devices` that are named as a datapath's tunnels and not among its ports.

    `attached` are the names of the ports of all datapaths.
    """
    for name in devices:
        if name not in attached and tunnel_of_device(name) is not None:
            yield notice(
                "stray-tunnel",
                "a tunnel's device belongs to no datapath",
                "It was left behind, and keeps its UDP port from others.",
                f"ip link delete {name}",
                subject=name,
            )
