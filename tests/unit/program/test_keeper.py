"""What a keeper of flows does where there is more to do than time."""

from __future__ import annotations

from typing import Any

import pytest

from dpif.packet import build
from dpif.program import Program, drop, output
from dpif.program import keeper as keeping
from dpif.program.testing import Playground

COUNT = 200


def playing() -> tuple[Playground, Any]:
    """Flows that all hang on one entry."""
    program = Program()
    mode = program.table("mode")
    mode["on"] = True

    @program.forward
    def forward(packet: Any) -> Any:
        return output("h2") if packet.udp is not None and packet.udp.dst.value and mode.get("on") else drop()

    return Playground(program, ("h1", "h2")), mode


def fill(net: Playground) -> None:
    ethernet = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
    net.send(
        "h1", *[build.ethernet(*ethernet, build.udp("10.0.0.1", "10.0.0.2", 1, 1 + port)) for port in range(COUNT)]
    )
    assert len(net.flows()) == COUNT


def test_flows_grow_old_however_often_tables_change(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = playing()
    with net:
        fill(net)
        monkeypatch.setattr(keeping, "_SLICE", 0.0)  # there is never time to decide again
        for _ in range(COUNT):
            net.program.site.mark_stale(list(net.runner.keeper.flows))
            net.now += 1
            net.runner.step()
        assert not list(net.datapath.flows)
        assert {deleted.reason for deleted in net.runner.keeper.deleted} == {"idle"}


def test_of_too_many_those_are_deleted_that_are_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_MANY", 10)
    net, mode = playing()
    with net:
        fill(net)
        mode["on"] = False
        assert set(net.flows().values()) == {"drop"}
        reasons = [deleted.reason for deleted in net.runner.keeper.deleted]
        assert reasons.count("too many were to be decided again") == COUNT - 10
        assert len(net.flows()) == 10
        assert net.counters.changed == 10
