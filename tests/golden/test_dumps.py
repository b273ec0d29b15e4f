"""Every line of dumps from the field, and of an ovs-vswitchd's, is read, and printed again as it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif.odp.actions import parse_actions
from dpif.odp.model.key import format_key, parse_match

_LINE = re.compile(
    r"(?:(?P<ufid>ufid:\S+), )?(?P<match>.*?), packets:.*, actions:(?P<actions>.*?)(?:, dp-extra-info:.*)?"
)
_NAMES = (
    "p0 p1 p2 p3 p4 br0 eth0 eth1 ens7 br-int br-data int-br gre_sys vxlan_sys_4789 genev_sys_6081 fg-c8dcce74-c4 "
    "qg-14f81a43-69 qr-3a70b31c-3f sg-189f4c40-9d ha-550dc175-c0 tap0e778df8-ca"
)
NUMBERS = {name: number for number, name in enumerate(_NAMES.split(), 1000)}
PORTS = {number: name for name, number in NUMBERS.items()}
MISFIT = "key6(bad key length 1, expected 0)(01)"
"""How an old version shows the flag ``csum``."""


class Line(NamedTuple):
    """What a line tells of a flow; ``verbose`` when it was printed with -m."""

    file: str
    match: str
    actions: str
    verbose: bool


def _lines() -> list[Line]:
    found = []
    for path in sorted((Path(__file__).parent / "dumps").glob("*.txt")):
        for text in path.read_text().splitlines():
            if not text.startswith("#"):
                parts = _LINE.fullmatch(text)
                assert parts is not None, text
                found.append(Line(path.stem, parts["match"], parts["actions"], parts["ufid"] is not None))
    return found


@pytest.mark.parametrize("line", _lines(), ids=lambda line: f"{line.file} {line.match[:60]}")
def test_a_line_is_read_and_printed_again(line: Line) -> None:
    key, mask = parse_match(line.match, NUMBERS)
    assert format_key(key, mask, verbose=line.verbose, port_names=PORTS) == line.match
    actions = line.actions
    if MISFIT in actions:
        actions = actions.replace(MISFIT, "").replace("flags(key)", "flags(csum|key)")
    assert parse_actions(line.actions, NUMBERS).format(port_names=PORTS) == actions
