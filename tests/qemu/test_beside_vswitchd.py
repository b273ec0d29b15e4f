"""Beside a running ``ovs-vswitchd`` that forwards: whatever only reads leaves it alone.

Its files are under /run, which is the guest's.
"""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif import Datapath, open, parse_flow
from dpif.cli.command_table import COMMANDS
from dpif.cli.entry import main
from dpif.odp.constants import DatapathFeature
from dpif.testing import netns, traffic, vswitchd
from dpif.testing.waiting import eventually

READERS = [
    command.name
    for command in COMMANDS
    if not command.writes
    and command.least == 0
    and command.topic.startswith(("Datapaths", "Flows", "Caches", "Conn"))
]


INTERFACE = ("set", "interface")


class Switch(NamedTuple):
    """A working vswitchd: its datapath, and two hosts on its bridge."""

    dp: Datapath
    hosts: list[netns.Host]


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with vswitchd.running(Path("/run/vswitchd")) as daemon, netns.hosts(2) as hosts:
        daemon.add_bridge("br0", tuple(host.port for host in hosts))
        daemon.add_bridge("br-int")  # as of OVN: down, with a tunnel, and a port that is in another namespace
        daemon.vsctl("add-port", "br-int", "gen0", "--", *INTERFACE, "gen0", "type=geneve", "options:remote_ip=flow")
        daemon.vsctl("add-port", "br-int", "tap0", "--", *INTERFACE, "tap0", "type=internal")
        netns.ip("link", "set", "tap0", "netns", hosts[0].namespace.name)
        # What comes in before vswitchd knows its new ports is not forwarded.
        eventually(lambda: traffic.ping(hosts[0], hosts[1], count=1, patience=1) == (1, 1))
        with open(vswitchd.DATAPATH) as dp:
            yield Switch(dp, hosts)
        daemon.vsctl("del-br", "br0", "--", "del-br", "br-int")


def test_a_healthy_host_has_no_findings(switch: Switch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert [section["subject"] for section in sections] == ["this host", f"system@{vswitchd.DATAPATH}"]
    findings = [finding for section in sections for finding in section["findings"]]
    assert [finding for finding in findings if finding["level"] != "ok"] == []


def _settings(dp: Datapath) -> object:
    """All that tells vswitchd's upcalls where to go, and how the datapath works."""
    record = dp.read()
    pids = {port.name: port.upcall_pids for port in dp.ports}
    return record.user_features, record.per_cpu_pids, record.masks_cache_size, pids


def _read_everything(dp: Datapath) -> None:
    """Make every call of the library that only reads."""
    dp.stats()
    dp.features()
    dp.masks_cache_size()
    dp.is_internal_device("br0")
    for port in dp.ports:
        dp.ports.get(port.number)
    dp.ports.names()
    with dp.ports.watch():
        pass
    for flow in dp.flows.snapshot().flows:
        with contextlib.suppress(FileNotFoundError):  # vswitchd removes flows as it likes
            dp.flows.get(ufid=flow.ufid)
    list(dp.flows.dump(terse=True))
    list(dp.flows.lines(verbose=True))
    dp.meters.features()
    with contextlib.suppress(FileNotFoundError):
        dp.meters.get(0)
    assert dp.ct_limits.default == 0
    assert dp.ct_limits.zones == {}
    list(dp.conntrack.dump())
    dp.conntrack.statistics()


def _run_readers() -> None:
    """Run every command that only reads."""
    for words in [*([name] for name in READERS), ["show", "-s", vswitchd.DATAPATH], ["dump-flows", "-m"]]:
        with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
            status = main(words)
        assert status == 0, (words, output.getvalue())


def test_it_forwards_and_dispatches_per_cpu(switch: Switch) -> None:
    first, second = switch.hosts
    assert traffic.ping(first, second, count=3) == (3, 3)
    assert switch.dp.user_features & DatapathFeature.DISPATCH_UPCALL_PER_CPU
    pids = switch.dp.read().per_cpu_pids
    assert pids is not None
    assert len(set(pids)) >= 2


@pytest.mark.parametrize("options", [(), ("-m",)])
def test_every_line_of_its_flows_is_read(switch: Switch, options: tuple[str, ...]) -> None:
    first, second = switch.hosts
    numbers = {name: number for number, name in switch.dp.ports.names().items()}
    assert traffic.ping(first, second, count=3) == (3, 3)
    lines = netns.run("ovs-dpctl", *options, "dump-flows", vswitchd.DATAPATH, timeout=60).splitlines()
    assert lines
    for line in lines:
        flow = parse_flow(line, numbers)
        assert len(flow.key)
        assert flow.actions


def test_readers_leave_it_alone(switch: Switch) -> None:
    first, second = switch.hosts
    before = _settings(switch.dp)
    pings: list[traffic.Pings] = []
    pinging = threading.Thread(target=lambda: pings.append(traffic.ping(first, second, count=100, interval=0.1)))
    pinging.start()
    rounds = 0
    while pinging.is_alive() or not rounds:
        _read_everything(switch.dp)
        _run_readers()
        rounds += 1
    pinging.join()
    assert pings == [(100, 100)]
    assert _settings(switch.dp) == before


def test_its_upcalls_still_work_afterwards(switch: Switch) -> None:
    first, second = switch.hosts
    _read_everything(switch.dp)
    missed = switch.dp.stats().missed
    switch.dp.flows.flush()
    assert traffic.ping(first, second, count=3) == (3, 3)
    assert switch.dp.stats().missed > missed
