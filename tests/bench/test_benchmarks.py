"""Every benchmark that needs no kernel runs; what it takes is nobody's business here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let benchmarks import one another, and be forgotten."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in set(sys.modules) - before:
        if str(BENCH) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def test_the_benchmarks_run() -> None:
    import run

    found = 0
    for _, cases in run.discover([]):
        if "COUNT" in cases.__globals__:  # type: ignore[attr-defined]
            cases.__globals__["COUNT"] = 20  # type: ignore[attr-defined]
        for _, operations, function in cases():
            _, tries = run.measure(function, operations, 0)
            assert tries == 3
            found += 1
    assert found > 10


def test_what_is_measured_beside_a_peer_runs() -> None:
    import peers

    lines = peers.rounds_of_lines(2, 20)
    assert len({line for part in lines for line in part}) == 40
    for contestant in peers.ours().values():
        contestant(lines[0])


def test_contestants_take_turns_and_medians_count(tmp_path: Path) -> None:
    import contest

    order: list[str] = []
    times = contest.take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3
    assert {name: len(rounds) for name, rounds in times.items()} == {"a": 3, "b": 3}

    small, large = ([contest.Times(wall, wall / 2) for wall in walls] for walls in ([1.0, 2.0, 3.0], [3.0, 9.0, 4.0]))
    more = contest.marginal(small, large)
    assert more == [(2.0, 1.0), (7.0, 3.5), (1.0, 0.5)]
    row = contest.row("more", more, "small", small, 1_000_000)
    assert (row.wall, row.peer_wall) == (2.0, 2.0)
    assert row.ratio == row.processor_ratio == 2.0  # of 2.0, 3.5 and 1/3, those of the rounds
    assert "2.00" in str(row)
    contest.save([row], None)
    contest.save([row], str(tmp_path / "rows"))
    assert json.loads((tmp_path / "rows").read_text()) == [row._asdict()]
    assert contest.row("", more, "nothing", [contest.Times(0.0, 0.0)] * 3, 1).ratio == float("inf")
