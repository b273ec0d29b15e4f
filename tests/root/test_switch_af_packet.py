"""The learning switch on a userspace datapath whose ports are real network devices, between network namespaces.

Needs root and namespaces, no kernel module: it runs on any Linux machine, and in the lab.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

import dpif
from dpif.apps import Switch
from dpif.testing import netns
from dpif.testing.netns import Host
from dpif.testing.traffic import exchange_udp, ping, send_tcp
from dpif.testing.waiting import eventually

pytestmark = pytest.mark.root

HANDFUL = 6


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    with netns.hosts(3, prefix=f"s{os.getpid()}-") as made:
        yield made


@pytest.fixture
def us() -> Iterator[dpif.Userspace]:
    with dpif.Userspace() as made:
        made.start()
        yield made


@pytest.fixture
def switch(us: dpif.Userspace, hosts: list[Host]) -> Iterator[Switch]:
    """A switch with three hosts, at work in a thread."""
    with us.open("br0", create=True) as dp, Switch(dp) as made:
        made.attach([host.port for host in hosts])
        thread = threading.Thread(target=made.run)
        thread.start()
        try:
            yield made
        finally:
            made.stop()
            thread.join()


def test_hundred_pings_lose_nothing_and_only_a_handful_come_up(switch: Switch, hosts: list[Host]) -> None:
    assert ping(hosts[0], hosts[1], count=100) == (100, 100)
    counters = switch.counters
    print(f"100 pings: none lost, {counters.upcalls} packets came up, {counters.switched} switched by flows")
    assert counters.upcalls <= HANDFUL
    assert counters.switched >= 200 - HANDFUL
    assert counters.lost == counters.refused == 0


def test_udp_arrives_unchanged_fragments_and_all(switch: Switch, hosts: list[Host]) -> None:
    """A veth device leaves checksums to be completed: who takes them as they are loses every datagram."""
    sizes = (0, 1, 2, 1000, 1471, 1472, 1473, 5000, 20000)
    assert exchange_udp(hosts[0], hosts[1], sizes) == len(sizes)
    assert switch.counters.lost == 0


def test_tcp_arrives_unchanged_segmentation_offload_and_all(switch: Switch, hosts: list[Host]) -> None:
    assert send_tcp(hosts[0], hosts[1], size=1_000_000)
    assert send_tcp(hosts[1], hosts[0], size=100_000)
    assert switch.counters.upcalls <= HANDFUL


def test_deleting_a_device_under_it_does_not_stop_it(switch: Switch, hosts: list[Host]) -> None:
    assert ping(hosts[0], hosts[2]) == (3, 3)
    netns.delete_link(hosts[2].port)
    eventually(lambda: switch.counters.ports == 3)
    assert ping(hosts[0], hosts[1], count=20) == (20, 20)
