"""The dumps of ``tests/golden/dumps``, which people published or ovs-vswitchd made, scaled up: each line is a form.

Where they are from, and under which licence, stands in their README. Some things differ from what they were. Every
packet was recirculated, for copies of flows that match little (a port and an EtherType) would overlap otherwise.
Ports have numbers, and so have those who listen to upcalls (``pid``). And ``packet_type`` is not there, which no
kernel knows; lines that mean a datapath in user space by it, or by their actions, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dpif import FlowKey, FlowMask, format_key, parse_actions, parse_match
from dpif.odp.kernel.check import explain_actions
from dpif.odp.kernel.rules import Features
from workloads import Form
from workloads.complete import complete
from workloads.ovn import without_zones

DIRECTORY = Path(__file__).parents[2] / "tests" / "golden" / "dumps"
_LINE = re.compile(
    r"(?P<ufid>ufid:\S+, )?(?P<match>.*?), packets:.*?, actions:(?P<actions>.*?)(?:, dp-extra-info:.*)?"
)
_NAME = re.compile(r"(?<=in_port\()[a-z][\w-]*|(?<![:\w=|+-])(?=\w*[\d-])[a-z][\w-]*(?=[,)]|$)")
_ETHERNET = re.compile(r"packet_type\(ns=0[^)]*\)")
"""What is shown in place of ``eth()``."""
_MISFIT = "key6(bad key length 1, expected 0)(01)"
"""How an old version shows the flag ``csum``."""


def forms(seed: int, rules: Features) -> list[Form]:
    """Return a form for each line whose flow the kernel takes; they are the same with every seed."""
    found = {}
    for with_ufid, match, actions in _lines():
        if not rules.ct_zones:
            match, actions = without_zones(match), without_zones(actions)
        if explain_actions(parse_actions(actions), *parse_match(complete(match)), rules) is None:
            found[match, actions] = Form(1, match, actions, with_ufid=with_ufid)
    return list(found.values())


def _lines() -> Iterator[tuple[bool, str, str]]:
    """Yield whether the flow of a line has a UFID, its match and its actions, as of a dump without ``-m``."""
    for path in sorted(DIRECTORY.glob("*.txt")):
        for text in path.read_text().splitlines():
            if text.startswith("#") or "tnl_p" in text:
                continue
            line = _LINE.fullmatch(
                text.replace(f"{_MISFIT}geneve", "geneve").replace("flags(key)", "flags(csum|key)")
            )
            assert line is not None, text
            names = dict.fromkeys(_NAME.findall(f"{line['match']},{line['actions']}"), 1)
            match = line["match"] if ",eth(" in line["match"] else _ETHERNET.sub("eth()", line["match"])
            actions = parse_actions(line["actions"].replace("(pid=0,", "(pid=1,"), names)
            yield line["ufid"] is not None, _recirculated(*parse_match(match, names)), actions.format()


def _recirculated(key: FlowKey, mask: FlowMask) -> str:
    """Return the text of a match as of a kernel."""
    key, mask = key.without_packet_type(), mask.replace(packet_type=None)
    return format_key(key.replace(recirc_id=key.recirc_id or 1), mask.replace(recirc_id=0xFFFFFFFF))
