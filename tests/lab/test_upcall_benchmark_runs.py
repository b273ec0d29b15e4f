"""The benchmark of flow set-up runs in the lab; what it measures in so short a time means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

FILE = Path(__file__).parents[2] / "bench" / "upcalls.py"


def test_it_runs(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    command = [sys.executable, str(FILE), "--quick", "--json", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("dpif switch")
    (row,) = json.loads(rows.read_text())
    assert row["switch"] == "dpif switch"
    assert row["kept"] > 0
