"""Handlers of upcalls in processes of their own, made by fork: each reads its own sockets, and all are answered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import pytest

import dpif
from dpif.client import Datapath, Upcalls
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN
from dpif.testing.forked import forked
from dpif.testing.kernel import KernelHarness, VethHost

PACKETS = 64


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


def packet(port: int) -> bytes:
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", port, 53))


def three_ports(harness: KernelHarness) -> tuple[Datapath, list[VethHost], VethHost]:
    """Return a datapath, hosts that send on its ports 1 and 2, and one that receives on port 3."""
    dp = harness.open("conf0", create=True)
    hosts = [harness.host() for _ in range(3)]
    for number, host in enumerate(hosts, 1):
        dp.ports.add(host.name, number=number)
    return dp, hosts[:2], hosts[2]


def sign(handler: Upcalls, number: int) -> None:
    """Send on to port 3 what comes up, with a source address that tells the handler."""
    with dpif.open("conf0") as dp:  # sockets of a connection are one process's
        while True:
            for upcall in handler.poll(60):
                dp.execute(upcall.packet, f"set(eth(src=02:00:00:00:01:{number:02x})),3", upcall.key)


def test_each_process_handles_its_own_sockets(harness: KernelHarness) -> None:
    """Ports are spread over them; with several CPUs the packets of each port are, by their hash."""
    dp, senders, out = three_ports(harness)
    with dp.upcall_handlers(2, dispatch="per-vport") as handlers, contextlib.ExitStack() as children:
        ids = {children.enter_context(forked(partial(sign, *pair))) for pair in zip(handlers, (0, 1), strict=True)}
        assert len(ids) == 2
        for port in range(PACKETS):
            senders[port % 2].send(packet(1000 + port))
        came = [out.recv() or b"" for _ in range(PACKETS)]
        assert out.recv(NONE_WITHIN) is None, "each upcall goes to one of them"
        assert sorted(frame[12:] for frame in came) == [packet(1000 + port)[12:] for port in range(PACKETS)]
        assert {frame[11] for frame in came} == {0, 1}, "either has its part"
        assert [handler.poll(0) for handler in handlers] == [[], []]


def test_the_parts_of_a_process_that_dies_are_lost_and_no_others(harness: KernelHarness) -> None:
    """Its sockets live on in the parent, which takes its place."""
    dp, senders, out = three_ports(harness)
    with dp.upcall_handlers(2, dispatch="per-vport") as handlers, forked(partial(sign, handlers[0], 0)):
        with forked(partial(sign, handlers[1], 1)):
            pass
        for port in range(PACKETS):
            senders[port % 2].send(packet(1000 + port))
        waiting = {upcall.packet for upcall in drain(handlers[1])}
        answered = {(out.recv() or b"")[12:] for _ in range(PACKETS - len(waiting))}
        assert 0 < len(waiting) < PACKETS
        assert answered | {frame[12:] for frame in waiting} == {packet(1000 + port)[12:] for port in range(PACKETS)}


def drain(handler: Upcalls) -> list[dpif.Upcall]:
    """Return what waits at a handler."""
    waiting: list[dpif.Upcall] = []
    while more := handler.poll(0):
        waiting += more
    return waiting
