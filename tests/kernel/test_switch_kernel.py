"""The learning switch on the kernel's datapath, between network namespaces."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import dpif
from dpif.apps import Switch, SwitchOptions, run_switch
from dpif.client import Datapath
from dpif.errors import NoSuchObject
from dpif.odp.model.key import FlowKey, format_key
from dpif.testing import netns
from dpif.testing.netns import Host
from dpif.testing.traffic import exchange_udp, ping, send_tcp
from dpif.testing.waiting import PATIENCE, eventually

HANDFUL = 6


@pytest.fixture
def dp() -> Iterator[Datapath]:
    with dpif.open("dp0", create=True) as made:
        yield made
        with suppress(NoSuchObject):
            made.destroy()


@contextmanager
def running(dp: Datapath, hosts: list[Host], options: SwitchOptions | None = None) -> Iterator[Switch]:
    """A switch with the hosts' ports, at work in a thread."""
    with Switch(dp, options) as switch:
        switch.attach([host.port for host in hosts])
        thread = threading.Thread(target=switch.run)
        thread.start()
        try:
            yield switch
        finally:
            switch.stop()
            thread.join()


def test_hundred_pings_lose_nothing_and_only_a_handful_come_up(dp: Datapath, two_hosts: list[Host]) -> None:
    with running(dp, two_hosts) as switch:
        assert ping(*two_hosts, count=100) == (100, 100)
        counters = switch.counters
    print(f"100 pings: none lost, {counters.upcalls} packets came up, {counters.switched} switched by flows")
    assert counters.upcalls <= HANDFUL
    assert counters.switched >= 200 - HANDFUL
    assert counters.lost == counters.refused == 0


def test_tcp_and_udp_arrive_unchanged(dp: Datapath, two_hosts: list[Host]) -> None:
    with running(dp, two_hosts) as switch:
        assert exchange_udp(*two_hosts, sizes=(0, 1, 1472, 5000)) == 4
        assert send_tcp(*two_hosts, size=4_000_000)
        assert switch.counters.upcalls <= HANDFUL


def test_flows_match_port_and_addresses_and_nothing_else(dp: Datapath, two_hosts: list[Host]) -> None:
    with running(dp, two_hosts):
        ping(*two_hosts)
        texts = [format_key(flow.key or FlowKey(), flow.mask) for flow in dp.flows]
    assert texts
    for text in texts:
        assert re.fullmatch(
            r"recirc_id\(0\),in_port\(\d\),eth\(src=[0-9a-f:]{17},dst=[0-9a-f:]{17}(/ff:ff:ff:ff:ff:f0)?\)", text
        )


def test_tagged_packets_are_switched_by_flows_too(dp: Datapath, two_hosts: list[Host]) -> None:
    for number, host in enumerate(two_hosts, 1):
        ip = host.namespace.ip
        ip("link", "add", "link", "eth0", "name", "outer", "type", "vlan", "id", "7", "protocol", "802.1ad")
        ip("link", "add", "link", "outer", "name", "inner", "type", "vlan", "id", "5")
        for name, address in (("outer", f"10.7.0.{number}/24"), ("inner", f"10.75.0.{number}/24")):
            ip("address", "add", address, "dev", name)
            ip("link", "set", name, "up")
    first, second = two_hosts
    with running(dp, two_hosts) as switch:
        for address in ("10.7.0.2", "10.75.0.2"):
            assert ping(first, second._replace(address=address), count=50) == (50, 50)
        counters = switch.counters
    assert counters.refused == 0
    assert counters.upcalls <= 2 * HANDFUL


def test_a_port_that_is_added_while_it_runs_takes_part(dp: Datapath) -> None:
    with netns.hosts(3) as hosts, running(dp, hosts[:2]) as switch:
        assert ping(hosts[0], hosts[1]) == (3, 3)
        with dpif.open("dp0") as other:
            other.ports.add(hosts[2].port)
        assert ping(hosts[0], hosts[2]) == (3, 3)
        assert switch.counters.ports == 4


def test_deleting_a_device_under_it_does_not_stop_it(dp: Datapath) -> None:
    with netns.hosts(3) as hosts, running(dp, hosts) as switch:
        assert ping(hosts[0], hosts[2]) == (3, 3)
        netns.delete_link(hosts[2].port)
        eventually(lambda: switch.counters.ports == 3)
        assert ping(hosts[0], hosts[1], count=20) == (20, 20)
        assert not [flow for flow in dp.flows if flow.key and flow.key.in_port == 3]
        assert not [flow for flow in dp.flows if "3" in str(flow.actions).split(",")]


def test_a_station_that_moves_is_found_where_it_is(dp: Datapath) -> None:
    with netns.hosts(3) as hosts, running(dp, hosts) as switch:
        first, second, third = hosts
        assert ping(first, second) == (3, 3)
        mac = second.namespace.run("cat", "/sys/class/net/eth0/address").strip()
        second.namespace.ip("link", "set", "eth0", "down")
        third.namespace.ip("link", "set", "eth0", "address", mac)
        third.namespace.ip("address", "add", f"{second.address}/24", "dev", "eth0")
        ping(third, first)  # now the switch knows
        assert ping(first, third._replace(address=second.address), count=20) == (20, 20)
        assert switch.counters.moved == 1


def test_it_ends_with_a_clean_datapath(dp: Datapath, two_hosts: list[Host]) -> None:
    with running(dp, two_hosts):
        ping(*two_hosts)
    assert list(dp.flows) == []
    assert [port.name for port in dp.ports] == ["dp0"]
    assert dp.user_features == 0


def test_keep_leaves_the_ports(dp: Datapath, two_hosts: list[Host]) -> None:
    switch = Switch(dp)
    switch.attach([host.port for host in two_hosts])
    switch.close(keep=True)
    assert [port.name for port in dp.ports] == ["dp0", *[host.port for host in two_hosts]]


def test_a_datapath_that_is_deleted_ends_the_run(dp: Datapath, two_hosts: list[Host]) -> None:
    with Switch(dp, SwitchOptions(sweep_interval=0.1)) as switch:
        switch.attach([host.port for host in two_hosts])
        dp.destroy()
        with pytest.raises(NoSuchObject):
            switch.run()


def test_run_switch_deletes_a_datapath_that_was_made_for_it(two_hosts: list[Host]) -> None:
    lines: list[str] = []
    with dpif.open("dp1", create=True) as dp:

        def started(switch: Switch) -> None:
            threading.Thread(target=lambda: (ping(*two_hosts), switch.stop())).start()

        counters = run_switch(
            dp, [host.port for host in two_hosts], created=True, report=lines.append, started=started
        )
    assert 0 < counters.upcalls <= HANDFUL
    assert f"came up {counters.upcalls}," in lines[-1]
    assert "system@dp1" not in dpif.datapaths("system")


PROGRAM = """
import dpif, sys
from dpif.apps import run_switch
with dpif.open("dp0") as dp:
    run_switch(dp, sys.argv[1:], started=lambda switch: print("ready", flush=True))
"""


@contextmanager
def process(hosts: list[Host]) -> Iterator[subprocess.Popen[str]]:
    """A switch in a process of its own, which is switching by now."""
    argv = [sys.executable, "-c", PROGRAM, *[host.port for host in hosts]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def test_after_sigkill_the_next_one_takes_over(dp: Datapath, two_hosts: list[Host]) -> None:
    with process(two_hosts) as child:
        assert ping(*two_hosts) == (3, 3)
        child.send_signal(signal.SIGKILL)
        assert child.wait(PATIENCE) == -signal.SIGKILL
    assert list(dp.flows)
    assert len(list(dp.ports)) == 3
    with process(two_hosts) as child:
        eventually(lambda: not list(dp.flows))  # it knows none of these stations
        assert ping(*two_hosts, count=100) == (100, 100)
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
    assert not list(dp.flows)
    assert len(list(dp.ports)) == 3, "the second one did not attach them and leaves them"


def test_without_its_devices_it_says_which(dp: Datapath) -> None:
    with Switch(dp) as switch, pytest.raises(NoSuchObject, match="nodevice"):
        switch.attach(["nodevice"])
