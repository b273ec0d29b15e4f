"""What flows take by workload and by kind of attribute: ``python bench/kinds.py [--json FILE] [NAME...]``.

On the host, from messages and texts, without a kernel: microseconds for a line of ``dump-flows`` (by default, with
``--names``, with ``-m``), for a put from text, for a typed flow of which every field is read, and for a row of an
Arrow table, of processor time. Every flow has every value new, and is taken once. The table by kind shows what a flow
takes that has such an attribute, the worst first, and how many times that is what the simple kinds take in the mean;
a kind is as bad as the worse of its line and its put. NAME picks workloads and kinds whose names contain it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from measures import MEASURES, Batch, marginal, take
from workloads import WORKLOADS, Flow, Form, fill, forms
from workloads.kinds import KINDS, SIMPLE

MARK = 4
"""What the worst kind of attribute may take, in times of the simple ones."""
MOST_WARM = 4000
"""How many flows come first at most."""
Figures = dict[str, float]
"""Microseconds a flow, by what is measured."""


def figures(given: list[Form], warm: int, count: int, rounds: int) -> Figures:
    """Return what the flows of some forms take: after `warm` others, in so many rounds of `count` of them."""
    source = fill(given)
    first, *batches = [_batch(itertools.islice(source, size)) for size in [warm] + [count] * rounds]
    all_together = Batch(*(list(itertools.chain(*parts)) for parts in zip(*batches, strict=True)))
    found = {}
    for name, make in MEASURES.items():
        measure = make()
        if name == "arrow":
            found[name] = marginal(measure, batches[0], all_together)
        else:
            found[name] = take(measure, first, batches)
    return found


def _batch(flows: Iterable[Flow]) -> Batch:
    listed = list(flows)
    return Batch(listed, [flow.message() for flow in listed])


def by_workload(names: Iterable[str], count: int, rounds: int) -> dict[str, Figures]:
    """Return what the flows of workloads take; enough come first to tell of each form, used or not."""
    found = {}
    for name in names:
        given = forms(name)
        warm = len(given) * max(1, min(MOST_WARM // len(given), count // 5))
        found[name] = figures(given, warm, count, rounds)
    return found


def by_kind(names: Iterable[str], count: int, rounds: int) -> dict[str, Figures]:
    """Return what the flows of kinds take."""
    return {name: figures([KINDS[name]], count, count, rounds) for name in names}


def simple_mean(kinds: dict[str, Figures]) -> Figures:
    """Return the mean of the simple kinds."""
    return {name: statistics.mean(kinds[kind][name] for kind in SIMPLE) for name in MEASURES}


def ratio(kind: Figures, mean: Figures) -> float:
    """Return how many times the simple kinds' a kind takes: its line or its put, what is worse."""
    return max(kind[name] / mean[name] for name in ("line", "put"))


def table_of_workloads(found: dict[str, Figures]) -> str:
    """Return the table by workload."""
    rows = [_row(name, told, "") for name, told in found.items()]
    return "\n".join([_head("µs a flow, by workload", ""), *rows])


def table_of_kinds(found: dict[str, Figures]) -> str:
    """Return the table by kind, the worst first."""
    mean = simple_mean(found)
    ratios = {name: ratio(told, mean) for name, told in found.items()}
    worst = sorted(found, key=lambda name: -ratios[name])
    rows = [_row(name, found[name], f"{ratios[name]:7.1f}") for name in worst]
    met = "met" if ratios[worst[0]] <= MARK else "not met"
    head = _head(f"µs a flow, by kind (at most {MARK} times: {met})", "  times")
    return "\n".join([head, _row("mean of the simple", mean, f"{1:7.1f}"), *rows])


def _head(title: str, behind: str) -> str:
    return f"{title}\n{'':<26}" + "".join(f"{name:>9}" for name in MEASURES) + behind


def _row(name: str, told: Figures, behind: str) -> str:
    return f"{name:<26}" + "".join(f"{told[measure]:9.1f}" for measure in MEASURES) + behind


def main(given: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="bench/kinds.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--flows", type=int, default=200, help="flows in a round (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, whose median counts (default: 5)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those whose names contain this")
    arguments = parser.parse_args(given)
    size = arguments.flows, arguments.rounds
    wanted = [name for name in (*WORKLOADS, *KINDS) if not arguments.names or any(n in name for n in arguments.names)]
    workloads = by_workload([name for name in wanted if name in WORKLOADS], *size)
    if workloads:
        print(table_of_workloads(workloads), flush=True)
    kinds = [name for name in wanted if name in KINDS]
    found = by_kind([*SIMPLE, *(name for name in kinds if name not in SIMPLE)], *size) if kinds else {}
    if found:
        print(f"\n{table_of_kinds(found)}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"workloads": workloads, "kinds": found}, indent=1))


if __name__ == "__main__":
    main()
