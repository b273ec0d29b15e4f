"""The benchmarks that need a kernel run; what they take is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .conftest import on_the_newest_kernel

BENCH = Path(__file__).parents[2] / "bench"


@on_the_newest_kernel
def test_every_benchmark_runs_with_little_to_do(tmp_path: Path) -> None:
    result = tmp_path / "rows.json"
    sizes = ["--rounds", "1", "--flows", "20", "60", "--lines", "40", "--workloads", "ovn"]
    run = [sys.executable, BENCH / "lab.py", *sizes, "--json", result]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    rows = json.loads(result.read_text())
    assert {"ovs-dpctl", "by hand", "floor"} == {row["peer"] for row in rows}
    assert printed.count("peak memory") == 3
    assert len(printed.splitlines()) == len(rows) + 3


@on_the_newest_kernel
def test_the_benchmarks_of_programs_run_with_little_to_do(tmp_path: Path) -> None:
    result = tmp_path / "results.json"
    sizes = ["--rounds", "1", "--packets", "130", "--flows", "300", "--seconds", "0.5"]
    subprocess.run([sys.executable, BENCH / "programs.py", *sizes, "--json", result], check=True, capture_output=True)
    found = json.loads(result.read_text())
    (upcall,) = found["upcalls"]
    assert set(upcall["parts"]) == {"receive", "decide", "install and send", "the rest"}
    one, all_ = found["revalidation"]
    assert 0 < one["decided_again"] < all_["decided_again"]
    (flood,) = found["flood"]
    assert flood["answered"] == flood["asked"] > 0
