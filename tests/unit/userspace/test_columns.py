"""Fingerprints of many packets: those of each, with NumPy and without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random

import pytest

from dpif.packet import build
from dpif.userspace.engine import columns
from dpif.userspace.engine.columns import fingerprints
from dpif.userspace.engine.fingerprint import fingerprint

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, bytes(22)))
TCP = build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, bytes(10)))
OTHERS = [
    TCP[:46] + b"\xf0" + TCP[47:],  # says it has options, which are cut
    TCP[:46] + b"\x70" + TCP[47:],
    build.ethernet(A, B, build.udp("fe80::1", "fe80::2", 1000, 53, b"")),
    build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")) + bytes(20),
    UDP[:14] + b"\x46" + UDP[15:],
]


@pytest.fixture(params=["numpy", "without"], autouse=True)
def numpy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    columns._numpy.cache_clear()
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "numpy", None)
    yield
    columns._numpy.cache_clear()


@pytest.mark.parametrize("kinds", [[UDP], [TCP], [UDP, TCP], [UDP, TCP, *OTHERS], OTHERS, [UDP, UDP[:42]]])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 300])
def test_fingerprints_of_many_are_those_of_each(kinds: list[bytes], count: int) -> None:
    packets = Random(1).choices(kinds, k=count)
    assert list(fingerprints(packets)) == [fingerprint(packet) for packet in packets]


def test_the_tests_see_both_answers() -> None:
    assert {fingerprint(packet) is None for packet in OTHERS} == {True, False}
