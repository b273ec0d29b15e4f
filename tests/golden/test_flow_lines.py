"""Every line of dumps from the field, and of an ovs-vswitchd's, is a flow, and that flow is shown as the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dpif

from .test_dumps import MISFIT, NUMBERS, PORTS

NOW = 10_000_000.0
LINES = [
    (path.stem, line)
    for path in sorted((Path(__file__).parent / "dumps").glob("*.txt"))
    for line in path.read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("file", "line"), LINES, ids=lambda text: text[:60])
def test_a_line(file: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpif.odp.lines.text.milliseconds", lambda: int(NOW * 1000))
    shown = dpif.parse_flow(line, NUMBERS, now=NOW).format(verbose=line.startswith("ufid:"), port_names=PORTS)
    expected = re.sub(r", dp-extra-info:.*|, offloaded:\w+", "", line).replace("dp:tc", "dp:ovs")
    expected = re.sub(r"used:(\d+)[.](\d)s", r"used:\1.\g<2>00s", expected)  # as newer versions print it
    if MISFIT in expected:
        expected = expected.replace(MISFIT, "").replace("flags(key)", "flags(csum|key)")
    assert shown == expected
