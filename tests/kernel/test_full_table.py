"""A conntrack table that is full, on the kernel's datapath and on ours."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif.testing.conformance.conntrack import ACK, CLIENT, NEW, SERVER, SYN, SYN_ACK, TRK, Tracking, tcp, udp
from dpif.testing.conformance.harness import Harness, refused, two_ports
from dpif.testing.kernel import KernelHarness, ways
from dpif.testing.userspace import UserspaceHarness
from dpif.userspace import Limits

ROOM = 512
"""Connections that there is room for, and buckets of the kernel's table (a page of pointers is the least)."""
MAXIMUM = Path("/proc/sys/net/netfilter/nf_conntrack_max")
BUCKETS = Path("/sys/module/nf_conntrack/parameters/hashsize")


@contextlib.contextmanager
def small_table() -> Iterator[None]:
    before = {path: path.read_text() for path in (BUCKETS, MAXIMUM)}
    try:
        for path in before:
            path.write_text(str(ROOM))
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)


@contextlib.contextmanager
def kernel() -> Iterator[Harness]:
    with small_table(), KernelHarness() as harness:
        yield harness


@contextlib.contextmanager
def ours() -> Iterator[Harness]:
    with UserspaceHarness(ways(), Limits(connections=ROOM)) as harness:
        yield harness


@pytest.fixture(params=[kernel, ours])
def tracking(request: pytest.FixtureRequest) -> Iterator[Tracking]:
    with request.param() as harness:
        dp, first, _ = two_ports(harness)
        dp.conntrack.flush()
        with dp.upcalls() as upcalls:
            yield Tracking(dp, upcalls, first.send)
            dp.conntrack.flush()


def test_a_new_connection_takes_the_place_of_one_without_an_answer(tracking: Tracking) -> None:
    for port in range(1, ROOM + 1):
        assert tracking.state(udp(CLIENT, SERVER, port, 53), "ct(commit)") == TRK | NEW
    for port in range(1000, 1020):
        assert tracking.state(udp(CLIENT, SERVER, port, 53), "ct(commit)") == TRK | NEW
    assert ROOM - 100 < len(list(tracking.dp.conntrack)) <= ROOM


def test_where_all_are_assured_a_new_one_is_dropped(tracking: Tracking) -> None:
    for port in range(1, ROOM + 1):
        out, back = (CLIENT, SERVER, port, 80), (SERVER, CLIENT, 80, port)
        for segment in (tcp(*out, SYN, 100), tcp(*back, SYN_ACK, 500, 101), tcp(*out, ACK, 101, 501)):
            tracking.go(segment, "ct(commit)")
    for port in range(1000, 1005):
        with refused(errno.ENOENT if ways() == "6.1" else errno.EINVAL):
            tracking.go(udp(CLIENT, SERVER, port, 53), "ct(commit)")
    assert len(list(tracking.dp.conntrack)) == ROOM
