"""Flows as columns, on a real kernel, beside the *floor*: reading the same dump without looking at it.

``python bench/columns.py [--json FILE]`` boots the lab once and runs itself in there. The contestants take turns and
medians count; of each there is the time that passed and the processor's, whole and marginal between two sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import workload

import dpif
from dpif import lab
from dpif.client.datapath import Datapath
from dpif.client.operations import Put
from lab import PORTS, drain, shell, touch


class Cost(NamedTuple):
    """Seconds that passed, and seconds of the processor, user and system."""

    wall: float
    processor: float


def main() -> int:
    """On the host boot the lab; in there measure."""
    parser = argparse.ArgumentParser(prog="bench/columns.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--flows", type=int, nargs=2, default=[30_000, 100_000], help="sizes of the table")
    arguments = parser.parse_args()
    if not os.environ.get("DPIF_LAB"):
        return lab.run([sys.executable, *sys.argv], modules=["dummy"])
    rows = measure(arguments.rounds, arguments.flows)
    for row in rows:
        figures = f"{row['microseconds']:8.2f} us {row['processor']:8.2f} us"
        print(f"{row['what']:<36} {figures}   {row['ratio']:5.2f} {row['processor_ratio']:5.2f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


def measure(rounds: int, sizes: list[int]) -> list[dict[str, object]]:
    """Return for each contestant and each size, and between them, microseconds per flow and ratios to the floor."""
    with dpif.open("dp0", create=True) as datapath:
        for number in range(1, PORTS + 1):
            shell(f"ip link add d{number} type dummy && ovs-dpctl add-if dp0 d{number}")
        contestants: dict[str, Callable[[Datapath], object]] = {
            "floor": drain,
            "columns to Arrow": lambda dp: dp.flows.to_arrow(),
            "columns to NumPy": lambda dp: dp.flows.to_numpy(),
            "typed flows": touch,
        }
        medians = []
        there = 0
        for size in sizes:
            datapath.operate([Put(workload.key(number), workload.actions(number)) for number in range(there, size)])
            there = size
            medians.append(take_turns(contestants, datapath, rounds))
    small, large = medians
    rows = []
    for label, flows, costs in (
        (str(sizes[0]), sizes[0], small),
        (str(sizes[1]), sizes[1], large),
        ("marginal", sizes[1] - sizes[0], {name: _difference(large[name], small[name]) for name in large}),
    ):
        for name, cost in costs.items():
            floor = costs["floor"]
            rows.append(
                {
                    "what": f"{name}, {label}",
                    "microseconds": cost.wall / flows * 1e6,
                    "processor": cost.processor / flows * 1e6,
                    "ratio": cost.wall / floor.wall,
                    "processor_ratio": cost.processor / floor.processor,
                }
            )
    return rows


def take_turns(
    contestants: dict[str, Callable[[Datapath], object]], datapath: Datapath, rounds: int
) -> dict[str, Cost]:
    """Run each so many times, in turn, after a first time that does not count; return the medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            wall, processor = time.perf_counter(), time.process_time()
            run(datapath)
            if turn:
                costs[name].append(Cost(time.perf_counter() - wall, time.process_time() - processor))
    return {name: Cost(*map(statistics.median, zip(*found, strict=True))) for name, found in costs.items()}


def _difference(large: Cost, small: Cost) -> Cost:
    return Cost(large.wall - small.wall, large.processor - small.processor)


if __name__ == "__main__":
    sys.exit(main())
