"""A program that is started on a datapath whose flows somebody left: a former run of it, or who knows."""

from __future__ import annotations

from typing import Any

from dpif import Userspace
from dpif.client import Datapath
from dpif.packet import build
from dpif.program import Program, ct, drop, output
from dpif.program.options import Options
from dpif.program.runner import Runner

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def frame(port: int = 80) -> bytes:
    return build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, port, flags=2))


def filtering(*ports: int) -> Program:
    """A program with no more state than what is allowed."""
    program = Program("filter")
    allowed = program.table("allowed")
    for port in ports:
        allowed[port] = True

    @program.forward
    def forward(packet: Any) -> Any:
        return output(2) if packet.tcp is not None and allowed.get(packet.tcp.dst) else drop()

    return program


class Bench:
    """Two devices, and programs that come and go."""

    def __init__(self, us: Userspace) -> None:
        self.us = us
        self.dp: Datapath = us.open("br0", create=True)
        for name in ("p1", "p2"):
            us.device(name)
            self.dp.ports.add(name)

    def start(self, program: Program, **options: Any) -> Runner:
        runner = Runner(program, self.dp, options=Options(**options))
        self.settle(runner)
        return runner

    def settle(self, runner: Runner) -> None:
        while runner.step() or runner.keeper.has_work:
            pass

    def send(self, runner: Runner, packet: bytes) -> int:
        """Send a packet in at ``p1``; return how many come out of ``p2``."""
        self.us.device("p1").send(packet)
        self.settle(runner)
        return len(self.us.device("p2").recv_many())

    def flows(self) -> set[tuple[bytes | None, str]]:
        return {(flow.record.ufid, str(flow.actions)) for flow in self.dp.flows}


def test_flows_that_it_would_make_itself_stay_and_are_its_own() -> None:
    with Userspace() as us:
        bench = Bench(us)
        former = bench.start(filtering(80))
        assert [bench.send(former, frame(port)) for port in (80, 81)] == [1, 0]
        there = bench.flows()
        former.close(keep_flows=True)
        assert bench.flows() == there
        program = filtering(80)
        with bench.start(program) as runner:
            assert bench.flows() == there
            assert bench.send(runner, frame()) == 1
            assert runner.counters.upcalls == runner.counters.changed == 0
            del program.tables["allowed"][80]  # the flow that it took over hangs on this
            bench.settle(runner)
            assert bench.send(runner, frame()) == 0
            assert (runner.counters.upcalls, runner.counters.changed) == (0, 1)
        assert bench.flows() == set(), "they go when it ends"


def test_a_flow_that_now_does_something_else_is_changed_in_place() -> None:
    with Userspace() as us:
        bench = Bench(us)
        former = bench.start(filtering(80))
        bench.send(former, frame())
        ((ufid, _),) = bench.flows()
        former.close(keep_flows=True)
        with bench.start(filtering()) as runner:
            assert bench.flows() == {(ufid, "drop")}
            assert bench.send(runner, frame()) == runner.counters.upcalls == 0


def test_flows_that_it_would_not_make_are_deleted() -> None:
    with Userspace() as us:
        bench = Bench(us)
        bench.dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.2)", "2")
        bench.dp.flows.add("recirc_id(7),in_port(1),eth(),eth_type(0x0800),ipv4()", "2")
        with bench.start(filtering()):
            assert bench.flows() == set()


def test_one_that_ends_at_once_leaves_nothing_either() -> None:
    with Userspace() as us:
        bench = Bench(us)
        bench.dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.2)", "2")
        Runner(filtering(), bench.dp).close()
        assert bench.flows() == set()


def tracking() -> Program:
    program = Program("tracking")

    @program.forward
    def forward(packet: Any) -> Any:
        return ct(commit=True, then=tracked) if packet.tcp is not None else drop()

    def tracked(packet: Any) -> Any:
        return output(2) if packet.ct.state.trk else drop()

    return program


def test_flows_behind_a_recirculation_are_taken_over_too() -> None:
    with Userspace() as us:
        bench = Bench(us)
        former = bench.start(tracking())
        assert bench.send(former, frame()) == 1
        there = bench.flows()
        assert len(there) == 2
        former.close(keep_flows=True)
        with bench.start(tracking()) as runner:
            assert bench.flows() == there
            assert bench.send(runner, frame()) == 1
            assert runner.counters.upcalls == 0
