"""Fragments at random, given to the kernel and to our datapath: both make the same of them."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest

import dpif
from dpif.errors import NetlinkError
from dpif.packet import build
from dpif.packet.constants import IP_DF
from dpif.testing.conformance.fragments import IDENTS, MAKE, same
from dpif.testing.conformance.harness import Harness, Host, two_ports
from dpif.testing.kernel import KernelHarness
from dpif.testing.userspace import UserspaceHarness

KEY = dpif.FlowKey(in_port=1)
TEXT = bytes(range(256)) * 12
MARK = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2))
"""A packet that goes out after what is tested: a kernel may be at work on that when `execute` has returned."""


class Outcome(NamedTuple):
    """What became of a fragment: the errno that it was refused with, and what came out."""

    errno: int
    sent: list[bytes]


def take(dp: dpif.Datapath, host: Host, packet: bytes, actions: str) -> Outcome:
    """Give a datapath a packet."""
    errno = 0
    try:
        dp.execute(packet, actions, KEY)
    except NetlinkError as error:
        errno = error.errno or 0
    return Outcome(errno, same(until_mark(dp, host)))


def until_mark(dp: dpif.Datapath, host: Host) -> list[bytes]:
    """Return all that came out so far."""
    dp.execute(MARK, "2")
    frames = []
    while (frame := host.recv()) != MARK:
        assert frame is not None, "nothing comes out any more"
        frames.append(frame)
    return frames


def some_fragments(random: Random, version: int, unit: int) -> list[bytes]:
    """Return fragments of one packet, which fit together or do not."""
    length = random.randrange(1, 8)
    ident = next(IDENTS)
    parts = []
    at = 0
    while at < length:
        size = random.randrange(1, 4)
        parts.append((at * unit, size * unit, at + size < length))
        at += size
    for _ in range(random.choice((0, 0, 1, 2))):
        odd = random.choice((0, 0, 0, 3))
        parts.append((random.randrange(8) * unit, random.randrange(4) * unit + odd, random.random() < 0.6))
    random.shuffle(parts)
    tos = random.choice(((0,), (0,), (1, 2), (2, 3), (0, 2)))
    flags = random.choice(((0,), (0, IP_DF)))
    return [
        MAKE[version](
            ident,
            start,
            TEXT[start : start + size],
            more=more,
            flags=random.choice(flags),
            tos=random.choice(tos),
        )
        for start, size, more in parts
    ]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("unit", "actions"), [(8, "ct,2"), (400, "ct,2"), (400, "ct,2,2"), (8, "ct,clone(2)")])
def test_the_same_becomes_of_them(version: int, unit: int, actions: str) -> None:
    random = Random(version * unit)
    whole = 0
    with KernelHarness() as kernel, UserspaceHarness() as ours:
        sides = [connected(harness) for harness in (kernel, ours)]
        for _ in range(300):
            parts = some_fragments(random, version, unit)
            for number, part in enumerate(parts):
                expected, found = (take(dp, host, part, actions) for dp, host in sides)
                assert found == expected, (number, [part.hex() for part in parts])
                whole += bool(found.sent)
    assert whole > 50


def connected(harness: Harness) -> tuple[dpif.Datapath, Host]:
    """Return a datapath, and the host on its port 2."""
    dp, _, host = two_ports(harness)
    assert not until_mark(dp, host)
    return dp, host
