"""Every benchmark that needs no kernel runs; what it takes is nobody's business here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


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
    assert found > 8


def test_what_is_measured_beside_a_peer_runs() -> None:
    import peers
    from workloads import forms

    lines = peers.rounds_of_lines(forms("ovn"), 2, 20)
    assert len({line for part in lines for line in part}) == 40
    for contestant in peers.ours().values():
        contestant(lines[0])


def test_the_tables_by_workload_and_by_kind_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import kinds

    result = tmp_path / "figures"
    kinds.main(["--flows", "4", "--rounds", "2", "--json", str(result), "plain", "erspan 1"])
    printed = capsys.readouterr().out
    figures = json.loads(result.read_text())
    assert list(figures["workloads"]) == ["plain"]
    assert set(figures["kinds"]) == {*kinds.SIMPLE, "erspan 1"}
    assert all(set(told) == set(kinds.MEASURES) for told in figures["kinds"].values())
    assert "mean of the simple" in printed

    told = {"line": 2.0, "put": 3.0}
    assert kinds.ratio({"line": 1.0, "put": 12.0}, told) == 4.0


def test_every_field_is_read() -> None:
    import measures
    from workloads import flows

    from dpif.client.flows import Flow
    from dpif.odp.messages.flow import FlowRecord

    for flow in flows("random", 40):
        measures.read_all(Flow(FlowRecord.from_reply(flow.message())))


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
    assert row.verdict == ""
    assert [row._replace(mark=mark).verdict for mark in (2.0, 1.9)] == ["met (2)", "not met (1.9)"]
    contest.save([row], None)
    contest.save([row], str(tmp_path / "rows"))
    assert json.loads((tmp_path / "rows").read_text()) == [row._asdict()]
    assert contest.row("", more, "nothing", [contest.Times(0.0, 0.0)] * 3, 1).ratio == float("inf")
