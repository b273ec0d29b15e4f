"""Packets with an MRU and devices of Linux with an MTU, as ports of the kernel's datapath and of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dpif
from dpif._userspace import Userspace
from dpif.packet import build
from dpif.packet.fragment import fragment
from dpif.testing import netns
from dpif.testing.conformance.harness import NONE_WITHIN, two_ports
from dpif.testing.kernel import KernelHarness, VethHost

FRAME = build.ethernet(
    "02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(range(256)) * 8)
)


@pytest.fixture(params=["kernel", "user space"])
def narrow(request: pytest.FixtureRequest) -> Iterator[tuple[dpif.Datapath, VethHost]]:
    """A datapath whose port 2 is a device with an MTU of 1000, and the host behind it."""
    with KernelHarness() as harness, Userspace() as system:
        if request.param == "kernel":
            dp, _, host = two_ports(harness)
        else:
            host = harness.host()
            dp = system.open("u0", create=True)
            dp.ports.add(host.name, number=2)
        netns.ip("link", "set", host.name, "mtu", "1000")
        with dp:
            yield dp, host


def test_what_came_in_larger_fragments_than_the_device_takes_is_dropped(
    narrow: tuple[dpif.Datapath, VethHost],
) -> None:
    dp, host = narrow
    for mru, expected in ((1000, list(map(bytes, fragment(FRAME, 1000)))), (1001, []), (1500, [])):
        dp.execute(FRAME, "2", dpif.FlowKey(in_port=0), mru=mru)
        assert list(iter(lambda: host.recv(NONE_WITHIN), None)) == expected, mru
