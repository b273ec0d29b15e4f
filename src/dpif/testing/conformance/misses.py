"""Packets that no flow matches, sent for the sake of their upcalls."""

from __future__ import annotations

from dpif.client import Datapath
from dpif.testing.conformance.harness import Host
from dpif.testing.conformance.packets import UDP4
from dpif.testing.waiting import eventually


def let_miss(dp: Datapath, host: Host, count: int = 1) -> None:
    """Have a host send packets that no flow matches, and wait until the datapath has dealt with all of them.

    A busy kernel hands on later what came in.
    """
    before = dp.stats().missed
    for _ in range(count):
        host.send(UDP4)
    eventually(lambda: dp.stats().missed >= before + count)


def flood(dp: Datapath, host: Host) -> int:
    """Have a host send such packets until their queue is full, and return how many were lost."""
    while not (lost := dp.stats().lost):  # the queue is bounded, so this ends
        let_miss(dp, host, 100)
    return lost
