"""The benchmark of the userspace datapath runs; what it measures means nothing here."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "bench" / "userspace.py"


def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FILE))["main"](["--quick", "--json", str(tmp_path / "rows.json")])
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [line.split("  ")[0] for line in lines] == [row["what"] for row in rows]
    assert {"one by one", "lists of packets"} <= {row["what"] for row in rows}
    assert all(row["ratio"] > 0 for row in rows)
