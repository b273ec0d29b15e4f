"""Ten thousand cycles leave a userspace datapath, and this process, as they were before."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator

import pytest

import dpif
from dpif.client import Datapath

CYCLES = 10_000


@pytest.fixture
def system() -> Iterator[dpif.Userspace]:
    with dpif.Userspace() as made:
        yield made


@pytest.fixture
def dp(system: dpif.Userspace) -> Iterator[Datapath]:
    with system.open("br0", create=True) as dp:
        yield dp


def assert_leaves_nothing(system: dpif.Userspace, cycle: Callable[[], object], times: int = CYCLES) -> None:
    """Carry out `cycle` until all that is kept is there, then `times` more; nothing may have grown.

    That are the descriptors of this process, the peers and members that the service knows, devices and ports, and the
    objects that the garbage collector sees, of which each cycle would have left one at the least.
    """
    for _ in range(20):
        cycle()
    start, objects = usage(system), count_objects()
    for _ in range(times):
        cycle()
    assert usage(system) == start
    assert count_objects() - objects < times // 10


def usage(system: dpif.Userspace) -> tuple[object, ...]:
    namespace, service = system.namespace, system.service
    members = sum(map(len, service._members.values()))
    ports = {dp.name: sorted(dp.ports) for dp in namespace.datapaths.values()}
    return len(os.listdir("/proc/self/fd")), len(service._peers), members, sorted(namespace.devices), ports


def count_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_opening_and_closing(system: dpif.Userspace, dp: Datapath) -> None:
    assert_leaves_nothing(system, lambda: system.open("br0").close())


def test_adding_and_deleting_ports(system: dpif.Userspace, dp: Datapath) -> None:
    """In turn a device that stays and an internal one, which goes with its port."""
    host = system.device("h1").name

    def cycle() -> None:
        dp.ports.delete(dp.ports.add(host))
        dp.ports.delete(dp.ports.add("i1", type="internal"))

    assert_leaves_nothing(system, cycle, CYCLES // 2)


def test_listening_and_stopping(system: dpif.Userspace, dp: Datapath) -> None:
    assert_leaves_nothing(system, lambda: dp.upcalls(dispatch="per-cpu").close())


def test_listening_in_other_ways(system: dpif.Userspace, dp: Datapath) -> None:
    def cycle() -> None:
        dp.upcalls(dispatch="per-vport").close()
        dp.upcall_handlers(2).close()
        dp.ports.watch().close()

    assert_leaves_nothing(system, cycle, CYCLES // 20)


def test_connections(system: dpif.Userspace, dp: Datapath) -> None:
    def cycle() -> None:
        with system.open("br0") as other:
            assert list(other.conntrack) == []

    assert_leaves_nothing(system, cycle, CYCLES // 10)
    assert len(system.netfilter._peers) == 0
