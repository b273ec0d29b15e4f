"""Several CPUs: they are there, and upcalls go by the CPU that a packet came on, or by its port."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dpif.client import Upcall, Upcalls
from dpif.client.dispatch import PER_CPU, PER_VPORT
from dpif.packet import build
from dpif.testing.conformance.misses import flood
from dpif.testing.kernel import KernelHarness
from dpif.testing.waiting import eventually

CPUS = (0, 1)
MANY = 50


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


@pytest.mark.usefixtures("own_cpus")
@pytest.mark.parametrize(
    ("dispatch", "cpu", "is_whole"), [(PER_CPU, 0, False), (PER_CPU, 1, True), (PER_VPORT, 0, True)]
)
def test_a_quiet_port_beside_a_flood(harness: KernelHarness, dispatch: str, cpu: int, is_whole: bool) -> None:
    """The flood comes in on CPU 0 while nobody reads. Per CPU it takes the room of all ports there, per vport its."""
    dp = harness.open("cpus0", create=True)
    loud, quiet = harness.host(), harness.host()
    dp.ports.add(loud.name)
    number = dp.ports.add(quiet.name).number
    with dp.upcall_handlers(len(CPUS), dispatch=dispatch) as handlers:
        os.sched_setaffinity(0, {0})
        assert flood(dp, loud) > 0
        os.sched_setaffinity(0, {cpu})
        before = dp.stats().missed
        for port in range(MANY):
            quiet.send(packet(port + 1))
        eventually(lambda: dp.stats().missed >= before + MANY)
        os.sched_setaffinity(0, set(CPUS))
        upcalls = [upcall for handler in handlers for upcall in iter_all(handler)]
    came = [upcall.packet for upcall in upcalls if upcall.key.in_port == number]
    print(f"{dispatch}, flood on CPU 0, quiet port on CPU {cpu}: {len(came)} of {MANY} packets came up")
    sent = sorted(packet(port + 1) for port in range(MANY))  # per vport the handlers take turns at each port
    assert (sorted(came) == sent) == is_whole


def iter_all(handler: Upcalls) -> Iterator[Upcall]:
    """Yield all upcalls that wait."""
    while upcalls := handler.poll(0.0):
        yield from upcalls
