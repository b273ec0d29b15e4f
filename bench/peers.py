"""Text of flows beside the PyPI package ``ovs``: ``python bench/peers.py [--json FILE]``.

Makes a virtual environment of its own with the peer in it, and runs itself there on this checkout, so that both
contestants take turns in one process. ``ovs.flow`` parses a line of a dump into values; ours are

* to parse its match and its actions into values (`read_match`; `read_actions`, remembered by the text),
* to make the request of a put of them,
* to do both and format the line again, as ``dump-flows`` shows it.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from contest import Row, row, save, take_turns
from marks import mark
from workloads import DATAPATH, WORKLOADS, Form, fill, forms

PEER = "ovs[flow]>=3.5"
INSIDE = "DPIF_BENCH_PEERS"
HERE = Path(__file__).resolve()


def main() -> int:
    """Set up the peer, and measure beside it."""
    parser = argparse.ArgumentParser(prog="bench/peers.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each is run (default: 9)")
    parser.add_argument("--lines", type=int, default=1000, help="lines in a round (default: 1000)")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS, help="which (default: all)")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    if os.environ.get(INSIDE):
        rows = compare(arguments.workloads, arguments.rounds, arguments.lines)
        print(*rows, sep="\n")
        save(rows, arguments.json)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
        environment = os.environ | {INSIDE: "1", "PYTHONPATH": str(HERE.parents[1] / "src")}
        return subprocess.run([python, HERE, *sys.argv[1:]], env=environment, check=False).returncode


def compare(workloads: Sequence[str], rounds: int, count: int) -> list[Row]:
    """Return the rows of some workloads."""
    return [row for name in workloads for row in compare_workload(name, rounds, count)]


def compare_workload(workload: str, rounds: int, count: int) -> list[Row]:
    """Return the rows of a workload."""
    from ovs.flow.odp import ODPFlow

    def peer(lines: list[str]) -> None:
        for line in lines:
            flow = ODPFlow(line)
            _ = flow.match, flow.actions, flow.info

    def is_read(form: Form) -> bool:
        """Some forms of flows the peer refuses, so that there is nothing to compare."""
        try:
            peer([next(fill([form])).dump_line()])
        except Exception:
            return False
        return True

    given = [form for form in forms(workload) if is_read(form)]
    contestants = {"ovs.flow": peer, **ours()}
    # Other lines in each round, as in a file: what is remembered of those before helps as far as it does there.
    batches = {name: iter(rounds_of_lines(given, rounds + 1, count)) for name in contestants}
    runs = {name: lambda name=name: contestants[name](next(batches[name])) for name in contestants}
    take_turns(runs, 1)
    times = take_turns(runs, rounds)
    share = f"{workload} ({len(given)} of {len(forms(workload))} forms)"
    return [
        row(f"{share}: {name}", times[name], "ovs.flow", times["ovs.flow"], count, mark("parser", workload))
        for name in list(contestants)[1:]
    ]


def rounds_of_lines(given: list[Form], rounds: int, count: int) -> list[list[str]]:
    """Return lines of a dump, all different."""
    source = fill(given)
    return [[flow.dump_line() for flow in itertools.islice(source, count)] for _ in range(rounds)]


def ours() -> dict[str, Callable[[list[str]], None]]:
    """Return what this library does with lines."""
    from dpif.client.operations import Put
    from dpif.odp.lines.compiled import FlowLines
    from dpif.odp.text.matches import read_actions, read_match

    remembered = functools.lru_cache(512)(read_actions)

    def split(line: str) -> tuple[str, str]:
        match, _, rest = line.partition(", packets:")
        return match, rest.partition(", actions:")[2]

    def parse(lines: list[str]) -> None:
        for line in lines:
            match, actions = split(line)
            _ = read_match(match), remembered(actions)

    def put(lines: list[str]) -> None:
        for line in lines:
            Put(*split(line)).request(DATAPATH)

    render = FlowLines()

    def there_and_back(lines: list[str]) -> None:
        for line in lines:
            render.lines([Put(*split(line)).request(DATAPATH).payload])

    return {"parsed to values": parse, "parsed to a put": put, "parsed, and formatted again": there_and_back}


if __name__ == "__main__":
    sys.exit(main())
