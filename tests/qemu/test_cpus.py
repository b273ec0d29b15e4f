"""Several CPUs: they are there, and upcalls go by the CPU that a packet came on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dpif.client import Upcall
from dpif.packet import build
from dpif.testing.kernel import KernelHarness

CPUS = (0, 1)


@pytest.fixture
def own_cpus() -> Iterator[None]:
    """Let a test move to the CPU that it wants."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def packet(port: int) -> bytes:
    datagram = build.udp("10.0.0.1", "10.0.0.2", port, 53, b"question")
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)


def test_several_cpus_are_seen() -> None:
    assert set(CPUS) <= os.sched_getaffinity(0)


@pytest.mark.usefixtures("own_cpus")
def test_each_cpu_has_its_handler(harness: KernelHarness) -> None:
    dp = harness.open("cpus0", create=True)
    host = harness.host()
    dp.ports.add(host.name)
    before = dp.read()
    with dp.upcall_handlers(len(CPUS), dispatch="per-cpu") as handlers:
        assert dp.read().per_cpu_pids == tuple(handler.port_id for handler in handlers)
        for port in (1000, 1001):
            for cpu in CPUS:
                os.sched_setaffinity(0, {cpu})
                host.send(packet(port))
        os.sched_setaffinity(0, set(CPUS))
        for handler in handlers:
            upcalls: list[Upcall] = []
            while len(upcalls) < 2 and (more := handler.poll(10.0)):
                upcalls += more
            assert [upcall.packet for upcall in upcalls] == [packet(1000), packet(1001)]
        assert [handler.poll(0.0) for handler in handlers] == [[], []]
    assert dp.user_features == before.user_features
