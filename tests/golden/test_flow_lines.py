"""Every line of dumps from the field, and of ovs-dpctl's, is read as a flow, which is shown as the line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import dpif

from .test_dumps import MISFIT, NUMBERS, PORTS
from .test_odp import AMBIGUOUS_LINES, FLOWS, PORT_NAMES, STYLES, as_the_tool_shows, means_to_differ

NOW = 10_000_000.0
UNREADABLE = {"mpls((bad key length 0)": "the tool's words for a stack without labels"}
AMBIGUOUS = AMBIGUOUS_LINES | {"eth_type(0x0000/0x0000)": "so a key without one is shown, too"}
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


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("entry", FLOWS, ids=lambda entry: entry["plain"])
def test_what_ovs_dpctl_printed_of_the_kernels_flows(entry: dict[str, Any], style: str) -> None:
    line = entry[style]
    numbers = {name: number for number, name in PORT_NAMES.items()}
    if means_to_differ(line, UNREADABLE):
        with pytest.raises(dpif.ParseError):
            dpif.parse_flow(line, numbers)
        return
    shown = as_the_tool_shows(dpif.parse_flow(line, numbers).format(**STYLES[style]))
    assert shown == line or means_to_differ(line, AMBIGUOUS)
