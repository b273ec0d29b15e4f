"""What the newest ``ovs-dpctl`` sends for the flows of the golden data, and prints of them, on the kernel at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dpif.odp.constants import FlowCmd
from dpif.odp.lines.text import format_flow_line
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FlowRecord

from .conftest import on_the_newest_kernel

pytestmark = on_the_newest_kernel  # it starts a program 500 times

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "odp"
STYLES: dict[str, dict[str, Any]] = {
    "plain": {},
    "verbose": {"verbose": True},
    "names": {"port_names": {0: "dp0", 1: "v1", 2: "v2"}},
}


def load(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the golden data as the newest tool gives them."""
    folder = tmp_path_factory.mktemp("golden")
    for name in ("flows.txt", "flows-dpif.txt", "actions.txt"):
        shutil.copy(GOLDEN / name, folder)
    env = {**os.environ, "PATH": f"{os.environ['DPIF_NEWEST_OVS']}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, ROOT / "tools" / "capture_golden.py", folder], env=env, check=True, timeout=600)
    return folder


SENT_OTHERWISE = {
    "drop": "by its number in newer headers",
    "tnl_pop(4)": "the same",
    "lb_output(1)": "the same",
}


@pytest.mark.timeout(900)
def test_it_sends_what_the_older_one_sent(captured: Path) -> None:
    different = set()
    for new, old in zip(load(captured / "requests.jsonl"), load(GOLDEN / "requests.jsonl"), strict=True):
        if {**new, "errno": None} != {**old, "errno": None}:
            different.add(new["actions"])
            assert new == {**old, "errno": new["errno"], "actions_hex": new["actions_hex"]}
    assert different == set(SENT_OTHERWISE)


@pytest.mark.timeout(900)
def test_it_prints_what_dpif_prints(captured: Path) -> None:
    flows = load(captured / "dump.jsonl")
    assert len(flows) >= 500
    for entry in flows:
        record = FlowRecord.from_payload(pack_headers(FlowCmd.NEW, 1, 1) + bytes.fromhex(entry["record"]))
        for style, options in STYLES.items():
            line = format_flow_line(record, 0, **options)
            for ours, theirs in json.loads((GOLDEN / "shown_otherwise.json").read_text()):
                line = line.replace(ours, theirs)
            assert line == entry[style]


@pytest.mark.timeout(900)
def test_it_reads_the_actions_that_the_older_one_read_and_samples(captured: Path) -> None:
    files = (load(folder / "actions.jsonl") for folder in (captured, GOLDEN))
    changed = {new["actions"]: new["printed"] for new, old in zip(*files, strict=True) if new != old}
    assert changed == {
        "psample(group=12,cookie=0xf102030405)": "psample(group=12,cookie=0xf102030405)",
        "psample(group=12),1": "psample(group=12),1",
        "psample(group=1cookie=0x1)": "psample(group=1)",
    }
