"""The reason of a drop, as whoever traces the kernel sees it; user-mode Linux has no tracefs."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif.packet import build
from dpif.testing.conformance.harness import need, two_ports
from dpif.testing.kernel import KernelHarness
from dpif.testing.waiting import eventually

LAST_ACTION, EXPLICIT, EXPLICIT_WITH_ERROR = 1, 3, 4
"""``enum ovs_drop_reason`` (net/openvswitch/drop.h): no action sent the packet; ``drop``; ``drop`` with a reason."""
_REASON = re.compile(r"kfree_skb: .* reason: 0x([0-9a-f]+)$", re.MULTILINE)
_SUBSYSTEM_SHIFT = 16
"""What a reason has above so many bits says whose it is; the kernel's own reasons have nothing there, but names."""


@pytest.fixture
def tracing(tmp_path: Path) -> Iterator[Path]:
    """An instance of the kernel's tracing, which does nothing yet."""
    subprocess.run(["mount", "-t", "tracefs", "tracefs", tmp_path], check=True)
    instance = tmp_path / "instances" / "drops"
    instance.mkdir()
    try:
        yield instance
    finally:
        instance.rmdir()
        subprocess.run(["umount", tmp_path], check=True)


@contextlib.contextmanager
def noted(tracing: Path) -> Iterator[None]:
    """Have drops noted meanwhile, behind those of before."""
    switch = tracing / "events/skb/kfree_skb/enable"
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text("0")


def reasons(tracing: Path) -> list[int]:
    """Return the reasons of Open vSwitch, in the order of the drops."""
    told = [int(reason, 16) for reason in _REASON.findall((tracing / "trace").read_text())]
    assert len({reason >> _SUBSYSTEM_SHIFT for reason in told}) <= 1
    return [reason & (1 << _SUBSYSTEM_SHIFT) - 1 for reason in told]


DROPS = [
    ("drop", LAST_ACTION),
    ("drop(0)", EXPLICIT),
    ("drop(42)", EXPLICIT_WITH_ERROR),
    ("drop(stack_too_deep)", EXPLICIT_WITH_ERROR),
    ("2,drop(0)", EXPLICIT),
]


def test_what_the_kernel_says_of_a_drop(harness: KernelHarness, tracing: Path) -> None:
    dp, first, _ = two_ports(harness)
    need(dp.features().drop, "the action drop (Linux 6.7)")
    datagram = build.udp("10.0.0.1", "10.0.0.2", 1000, 6000, b"to be dropped")
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)
    with noted(tracing):
        for count, (actions, _) in enumerate(DROPS, 1):
            dp.flows.put("in_port(1),eth(),eth_type(0x0800),ipv4()", actions)
            first.send(frame)
            eventually(lambda count=count: len(reasons(tracing)) >= count)
    assert reasons(tracing) == [reason for _, reason in DROPS]
