"""What a diagnosis says of a datapath, its counters, its listeners and its devices."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

import dpif
from dpif.apps.doctor import Finding, Level, diagnose, worst
from dpif.apps.doctor.devices import Device, judge_devices, stray_tunnels
from dpif.apps.doctor.listeners import Sockets, examine_listeners
from dpif.apps.doctor.sockets import NetlinkSocket
from dpif.apps.doctor.traffic import examine_traffic
from dpif.client.port import Port, UpcallStats
from dpif.netlink.route import Link
from dpif.odp.constants import DatapathFeature
from dpif.odp.messages.datapath import DatapathRecord, DatapathStats, MegaflowStats

PER_CPU = int(DatapathFeature.DISPATCH_UPCALL_PER_CPU)


def by_check(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def link(name: str, *, is_up: bool = True, is_running: bool = True, mtu: int = 1500) -> Link:
    return Link(name, 1, is_up, is_running, mtu, 0, "", b"")


def port(number: int, name: str, type: str = "system", **more: object) -> Port:
    return Port(number, name, type, **more)  # type: ignore[arg-type]


# Who listens.


def listeners(record: DatapathRecord, ports: list[Port], sockets: Sockets | None = None) -> dict[str, Finding]:
    return by_check(examine_listeners(record, ports, 2, sockets))


def test_per_cpu_with_an_id_for_each() -> None:
    record = DatapathRecord(user_features=PER_CPU, per_cpu_pids=(7, 7))
    sockets = Sockets({7: NetlinkSocket(7, 0, 70)}, {70: "ovs-vswitchd (99)"})
    found = listeners(record, [], sockets)
    assert worst(found.values()) is Level.OK
    assert found["listener"].facts["processes"] == ["ovs-vswitchd (99)"]
    assert found["features"].facts == {"features": ["DISPATCH_UPCALL_PER_CPU"]}


@pytest.mark.parametrize("port_ids", [(), (0,) * 4, (7, 0)])
def test_per_cpu_with_holes(port_ids: tuple[int, ...]) -> None:
    found = listeners(DatapathRecord(user_features=PER_CPU, per_cpu_pids=port_ids), [])
    assert found["dispatch"].level is Level.PROBLEM


def test_a_listener_that_died_and_one_that_is_too_slow() -> None:
    record = DatapathRecord(user_features=PER_CPU, per_cpu_pids=(7, 8))
    found = listeners(record, [], Sockets({7: NetlinkSocket(7, 5, 70)}, {}))
    assert (found["listener"].level, found["socket-drops"].facts) == (Level.OK, {"drops": 5})
    gone = [
        f
        for f in examine_listeners(record, [], 2, Sockets({7: NetlinkSocket(7, 5, 70)}, {}))
        if f.check == "listener"
    ]
    assert [finding.facts.get("port_ids") for finding in gone] == [[8], [7]]
    assert gone[0].level is Level.PROBLEM


def test_per_vport() -> None:
    deaf, heard = port(1, "a", upcall_pids=(0,)), port(2, "b", upcall_pids=(7, 8))
    assert listeners(DatapathRecord(user_features=0), [heard])["dispatch"].level is Level.OK
    assert listeners(DatapathRecord(user_features=0), [deaf, heard])["dispatch"].facts["without"] == ["a"]
    assert listeners(DatapathRecord(user_features=0), [deaf])["dispatch"].found == "no port has a listener"


@pytest.mark.parametrize("record", [DatapathRecord(user_features=0), DatapathRecord(user_features=PER_CPU)])
def test_no_service_of_the_system_is_advised_for_a_datapath_in_user_space(record: DatapathRecord) -> None:
    ports = [port(1, "a", upcall_pids=(0,))]
    for in_kernel in (True, False):
        found = by_check(examine_listeners(record, ports, 1, None, in_kernel=in_kernel))["dispatch"]
        assert ("systemctl" in found.advice, found.level) == (in_kernel, Level.PROBLEM)


# What was counted.


def traffic(
    stats: DatapathStats,
    mega: MegaflowStats | None = None,
    cache: int | None = None,
    ports: tuple[Port, ...] = (),
    datapath: str = "system@dp0",
) -> dict[str, Finding]:
    record = DatapathRecord(stats=stats, megaflow_stats=mega, masks_cache_size=cache)
    return by_check(examine_traffic(record, ports, datapath))


def test_counters_that_are_well() -> None:
    found = traffic(DatapathStats(99_000, 1_000, 0, 5), MegaflowStats(100_000, 2, 90_000), 256)
    assert found.keys() == {"lost", "flows", "masks", "mask-cache"}
    assert worst(found.values()) is Level.OK


def test_counters_of_nothing() -> None:
    found = traffic(DatapathStats(), MegaflowStats(), 256)
    assert worst(found.values()) is Level.OK


@pytest.mark.parametrize(
    ("check", "stats", "mega", "cache"),
    [
        ("lost", DatapathStats(0, 10, 1, 0), None, None),
        ("flows", DatapathStats(8_000, 2_000, 0, 1), None, None),
        ("masks", DatapathStats(10_000, 0, 0, 1), MegaflowStats(80_000, 20, 9_000), 256),
        ("mask-cache", DatapathStats(10_000, 0, 0, 1), MegaflowStats(20_000, 20, 4_000), 256),
        ("mask-cache", DatapathStats(10_000, 0, 0, 1), MegaflowStats(20_000, 20, 4_000), 0),
    ],
)
def test_counters_that_are_not(
    check: str, stats: DatapathStats, mega: MegaflowStats | None, cache: int | None
) -> None:
    found = traffic(stats, mega, cache)
    assert [finding.check for finding in found.values() if finding.level is Level.NOTICE] == [check]


def test_upcalls_of_a_port_that_failed() -> None:
    for datapath, advice in (("system@dp0", "tcpdump -ni a"), ("netdev@br0", "dpif upcalls netdev@br0 a")):
        ports = (port(1, "a", upcall_stats=UpcallStats(10, 2)),)
        found = traffic(DatapathStats(), ports=ports, datapath=datapath)["upcalls"]
        assert (found.level, found.subject, found.facts) == (Level.PROBLEM, "a", {"success": 10, "fail": 2})
        assert found.advice.endswith(advice)


# Devices.


def test_devices_that_are_well() -> None:
    devices = [Device(port(1, "a"), link("a")), Device(port(2, "vxlan_sys_4789", "vxlan"), link("v", mtu=65000))]
    assert [finding.level for finding in judge_devices(devices)] == [Level.OK]


def test_internal_devices_that_are_down_or_elsewhere_are_as_ever() -> None:
    """So are ``ovs-system``, an integration bridge's own device, and the end of a router in its namespace."""
    devices = [
        Device(port(0, "ovs-system", "internal"), link("ovs-system", is_up=False, is_running=False)),
        Device(port(1, "br-int", "internal"), link("br-int", is_up=False, is_running=False)),
        Device(port(2, "qr-0", "internal"), None),
    ]
    assert [finding.level for finding in judge_devices(devices)] == [Level.OK]


@pytest.mark.parametrize(
    ("check", "level", "device"),
    [
        ("down", Level.PROBLEM, Device(port(1, "a"), link("a", is_up=False, is_running=False))),
        (
            "down",
            Level.NOTICE,
            Device(port(0, "br0", "internal"), link("br0", is_up=False, is_running=False), has_address=True),
        ),
        ("carrier", Level.NOTICE, Device(port(1, "a"), link("a", is_running=False))),
        ("lro", Level.PROBLEM, Device(port(1, "a"), link("a"), merges=True)),
        ("device", Level.NOTICE, Device(port(1, "a"), None)),
        ("tunnel-device", Level.PROBLEM, Device(port(1, "vx", "vxlan"), None)),
    ],
)
def test_a_device_that_is_not(check: str, level: Level, device: Device) -> None:
    (found,) = judge_devices([device])
    assert (found.check, found.level, found.subject) == (check, level, device.port.name)


def test_mtus_that_differ() -> None:
    devices = [Device(port(1, "a"), link("a", mtu=9000)), Device(port(2, "b"), link("b"))]
    found = by_check(judge_devices(devices))["mtu"]
    assert found.facts == {"mtu_least": 1500, "mtu_most": 9000, "smallest": ["b"]}
    tunnel = Device(port(3, "genev_sys_6081", "geneve"), link("g", mtu=65000))
    assert by_check(judge_devices([*devices, tunnel])).keys() == {"devices"}, "who uses it has a smaller one"


def test_tunnel_devices_that_nobody_has() -> None:
    found = list(stray_tunnels({"vxlan_sys_4789"}, ["lo", "vxlan_sys_4789", "genev_sys_6081"]))
    assert [finding.subject for finding in found] == ["genev_sys_6081"]


# A whole datapath.


def test_a_datapath_before_and_while_somebody_listens() -> None:
    with dpif.Userspace() as userspace, userspace.open("br0", create=True) as datapath:
        assert by_check(diagnose(datapath))["dispatch"].level is Level.PROBLEM
        with datapath.upcalls():
            assert worst(diagnose(datapath)) is Level.OK
