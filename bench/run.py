"""Runs the benchmarks: ``python bench/run.py [--json] [--seconds S] [NAME...]``.

A benchmark is a function in a file ``bench/bench_*.py`` whose own name starts with ``bench_``. It takes nothing
and yields `(label, operations, function)`: calling `function` once does so many operations. Each is called over
and over, and the best time counts: whatever else the machine does only ever adds to it. NAME picks benchmarks
whose file or function contains it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent

Case = tuple[str, int, Callable[[], object]]


class Result(NamedTuple):
    """What one case took at its best, in microseconds per operation, of so many tries."""

    benchmark: str
    case: str
    microseconds: float
    tries: int


def discover(names: list[str]) -> Iterator[tuple[str, Callable[[], Iterable[Case]]]]:
    """Yield each benchmark's full name and its function."""
    for path in sorted(HERE.glob("bench_*.py")):
        module = _load(path)
        for attribute in sorted(vars(module)):
            full_name = f"{path.stem.removeprefix('bench_')}.{attribute.removeprefix('bench_')}"
            wanted = not names or any(name in full_name for name in names)
            if attribute.startswith("bench_") and wanted:
                yield full_name, getattr(module, attribute)


def _load(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(function: Callable[[], object], operations: int, seconds: float) -> tuple[float, int]:
    """Return the best time in microseconds per operation, and the number of tries in about `seconds`."""
    best = float("inf")
    tries = 0
    end = time.perf_counter() + seconds
    while tries < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
        tries += 1
    return best / operations * 1e6, tries


def results(names: list[str], seconds: float) -> Iterator[Result]:
    """Run the benchmarks; yield what each case took."""
    for name, cases in discover(names):
        for label, operations, function in cases():
            yield Result(name, label, *measure(function, operations, seconds))


def main() -> int:
    """Print a table as the results come, or all of them as JSON."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Run the benchmarks.")
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each case (default: 0.5)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only benchmarks whose name contains this")
    arguments = parser.parse_args()
    rows = results(arguments.names, arguments.seconds)
    if arguments.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return 0
    found = False
    for row in rows:
        found = True
        print(f"{row.benchmark:<40} {row.case:<30} {row.microseconds:>12.3f} us/op", flush=True)
    if not found:
        print("no benchmark of that name")
    return 0


if __name__ == "__main__":
    sys.exit(main())
