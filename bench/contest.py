"""Contests: several functions take turns, and each one's time counts beside its peer's of the same round.

The machine may be busy and its speed drift, so a time by itself says little: what stands next to each other was
measured next to each other, and medians count: of the times, and of the ratios that they have in each round. The
*processor* time is this process's and its children's, user and system, which waiting for other processes does not
lengthen (in the lab the host's other processes still do).
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Contestants = dict[str, Callable[[], object]]


class Times(NamedTuple):
    """Seconds that something took."""

    wall: float
    processor: float

    def less(self, other: Times) -> Times:
        """Return by how much this is longer than `other`."""
        return Times(self.wall - other.wall, self.processor - other.processor)


class Row(NamedTuple):
    """A measurement beside its peer: medians in microseconds for each `unit` (a flow, a line).

    A ratio says how many times the peer's time ours takes: the median of those of the rounds. `mark` is what it must
    not exceed, None where none was set.
    """

    what: str
    peer: str
    peer_wall: float
    peer_processor: float
    wall: float
    processor: float
    ratio: float
    processor_ratio: float
    mark: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the mark is met."""
        if self.mark is None:
            return ""
        return f"{'met' if self.ratio <= self.mark else 'not met'} ({self.mark:.3g})"

    def __str__(self) -> str:
        return (
            f"{self.what:<44} {self.wall:8.2f} us   {self.peer:<9} {self.peer_wall:8.2f} us   "
            f"{self.ratio:6.3f}   {self.processor_ratio:6.3f}   {self.verdict}"
        )


def take_turns(contestants: Contestants, rounds: int) -> dict[str, list[Times]]:
    """Run each so many times, in turn; return the times of each, by rounds."""
    times: dict[str, list[Times]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(_time(run))
    return times


def row(what: str, ours: list[Times], peer: str, theirs: list[Times], count: int, mark: float | None = None) -> Row:
    """Return the medians of two contestants who did `count` things in each round, beside a mark."""
    ratios = [_ratios(mine, other) for mine, other in zip(ours, theirs, strict=True)]
    ratio, processor_ratio = map(statistics.median, zip(*ratios, strict=True))
    return Row(what, peer, *_medians(theirs, count), *_medians(ours, count), ratio, processor_ratio, mark)


def save(rows: list[Row], file: str | None) -> None:
    """Write rows as a JSON array into `file`, if there is to be one."""
    if file:
        Path(file).write_text(json.dumps([row._asdict() for row in rows], indent=1))


def marginal(small: list[Times], large: list[Times]) -> list[Times]:
    """Return by how much the larger task took longer, in each round."""
    return [more.less(less) for less, more in zip(small, large, strict=True)]


def _medians(times: list[Times], count: int) -> tuple[float, float]:
    wall, processor = (statistics.median(values) / count * 1e6 for values in zip(*times, strict=True))
    return wall, processor


def _ratios(ours: Times, theirs: Times) -> list[float]:
    """Return how many times as long ours took; infinite where theirs is too short to tell."""
    return [mine / other if other > 0 else math.inf for mine, other in zip(ours, theirs, strict=True)]


def _time(run: Callable[[], object]) -> Times:
    processor, wall = _processor(), time.perf_counter()
    run()
    return Times(time.perf_counter() - wall, _processor() - processor)


def _processor() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
