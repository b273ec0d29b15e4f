"""All examples: each is short, is told of, and can be run as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpif.packet import build
from dpif.program.load import load
from dpif.program.testing import Playground

from .conftest import EXAMPLES

PATHS = sorted(EXAMPLES.glob("*.py"))
FRAMES = [
    build.ethernet("02:00:00:00:00:0a", "02:00:00:00:00:0b", layer)
    for layer in (
        build.arp_request("02:00:00:00:00:0a", "10.0.0.1", "10.0.0.2"),
        build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, flags=2),
        build.tcp("fd00::1", "fd00::2", 1000, 80, flags=2),
        build.vlan(5, build.udp("fd00::1", "fd00::2", 1000, 5353, b"x")),
    )
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_short_and_told_of_and_can_be_run_as_it_is(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60
    assert f"- [{path.name}]({path.name}): " in (EXAMPLES / "README.md").read_text()
    with Playground(load(str(path)), ("h1", "h2", "h3")) as net:
        for frame in FRAMES:
            net.send("h1", frame)
        assert not net.reports
