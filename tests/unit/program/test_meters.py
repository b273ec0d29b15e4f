"""Meters of a program: the datapath has them before a flow asks for them."""

from __future__ import annotations

from typing import Any

import pytest

from dpif.errors import NoSuchObject
from dpif.packet import build
from dpif.program import Program, ProgramError, meter, output
from dpif.program.testing import Playground

FRAME = build.ethernet("02:00:00:00:00:0a", "02:00:00:00:00:0b", build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"x"))


def limited() -> tuple[Program, Any]:
    program = Program()
    limits = program.table("limits")
    program.forward(lambda packet: meter(limits["all"]) + output("h2"))
    limits["all"] = program.meter(2, "pktps")
    return program, limits


def test_what_exceeds_the_rate_is_dropped_and_time_fills_the_meter() -> None:
    program, _ = limited()
    with Playground(program, ("h1", "h2")) as net:
        assert [bool(net.send("h1", FRAME)) for _ in range(4)] == [True, True, False, False]
        net.sleep(1)
        assert net.send("h1", FRAME)
        assert net.flows() == {"in_port(h1),eth()": "meter(1),h2"}


def test_one_that_is_made_while_it_runs_is_there_for_the_next_packet() -> None:
    program, limits = limited()
    with Playground(program, ("h1", "h2")) as net:
        limits["all"] = program.meter(1, "pktps", burst=1)
        assert [bool(net.send("h1", FRAME)) for _ in range(2)] == [True, False]
        assert net.datapath.meters.get(2).packets == 2


def test_they_go_with_the_program_and_a_new_version_keeps_what_stayed_the_same() -> None:
    program, _ = limited()
    program.meter(5)
    with Playground(program, ("h1", "h2")) as net:
        net.send("h1", FRAME)
        new, _ = limited()
        net.runner.replace(new)
        net.settle()
        meters = net.datapath.meters
        assert meters.get(1).packets == 1, "it went on counting"
        with pytest.raises(NoSuchObject):
            meters.get(2)
        net.runner.close()
        with pytest.raises(NoSuchObject):
            meters.get(1)


def test_one_more_for_each_packet_is_refused() -> None:
    program = Program()
    program.forward(lambda packet: meter(program.meter(1)) + output("h2"))
    with Playground(program, ("h1", "h2")) as net:
        net.send("h1", FRAME)
        assert "make meters outside of the function" in net.reports[0]
    with pytest.raises(ProgramError, match="outside"):
        program.explain(FRAME)
