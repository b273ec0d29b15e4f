"""The kernel takes the flows of all workloads of the benchmarks, and lists them by the messages that they give."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import dpif
from dpif.odp.kernel.check import explain_actions
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.ufid import Ufid

BENCH = Path(__file__).parents[2] / "bench"
COUNT = 300


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.parametrize("name", ["plain", "ovn", "openstack", "dumps", "random"])
def test_the_kernel_takes_a_workload_and_lists_it_as_it_says(name: str) -> None:
    from workloads import flows

    with dpif.open("loads", create=True) as dp:
        try:
            rules = dp.rules
            found = flows(name, COUNT, seed=7, rules=rules)
            refused = [str(result.error) for result in dp.operate([flow.put() for flow in found]) if not result.ok]
            assert not refused
            listed = {_told(flow.record) for flow in dp.flows}
        finally:
            dp.destroy()
    told = {_told(FlowRecord.from_reply(flow.message(rules))) for flow in found}
    assert len(told) == COUNT
    assert told == listed


def _told(record: FlowRecord) -> tuple[Ufid | None, str, str]:
    """Return what a message tells; this kernel puts a pad before the id of a tunnel, which no text tells."""
    key, actions = record.flow_key(), record.flow_actions()
    assert key is not None
    assert actions is not None
    return record.flow_ufid(), dpif.format_key(key, record.flow_mask(), verbose=True), actions.format()


def test_the_kernel_takes_every_kind() -> None:
    from workloads import fill
    from workloads.kinds import KINDS

    with dpif.open("kinds", create=True) as dp:
        try:
            rules = dp.rules
            given = [form for form in KINDS.values() if _takes(form.match, form.actions, rules)]
            assert len(given) > len(KINDS) * 0.8
            found = list(itertools.islice(fill(given), 2 * len(given)))
            refused = [str(result.error) for result in dp.operate([flow.put() for flow in found]) if not result.ok]
        finally:
            dp.destroy()
    assert not refused


def _takes(match: str, actions: str, rules: object) -> bool:
    from workloads.complete import complete

    key, mask = dpif.parse_match(complete(match))
    return explain_actions(dpif.parse_actions(actions), key, mask, rules) is None
