"""Floods: what a port may take from a program and from its datapath, and what others keep."""

from __future__ import annotations

from dpif._typing import Any
from dpif.packet import build
from dpif.program import Program, flood, output
from dpif.program.options import Options
from dpif.program.runner import Runner
from dpif.testing.conformance.harness import Harness, Host, two_ports
from dpif.testing.waiting import eventually

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
_BATCH = 50
"""Packets that are sent without a pause: fewer than there is room for on their way up."""


class Floods:
    """Packets that all come up, from one port, while the other one has something to say."""

    def test_flows_are_bounded_and_the_other_port_loses_nothing(self, harness: Harness) -> None:
        """Each packet comes from a station of its own; beyond its share of the flows a port has none."""
        dp, attacker, victim = two_ports(harness)
        with Runner(_learning(), dp, [], Options(idle=1e6, max_flows=1200)) as runner:
            _pass(runner, attacker, victim, _frame(A, B))
            for number in range(0, 1500, _BATCH):
                for source in range(number, number + _BATCH):
                    attacker.send(_frame(f"02:01:00:00:{source >> 8:02x}:{source & 255:02x}", B))
                _pass(runner, victim, attacker, _frame(f"02:02:00:00:00:{number // _BATCH:02x}", A))
            eventually(lambda: not runner.step(0.1))
            assert runner.counters.upcalls >= 1530
            assert 1000 <= runner.keeper.flows.of_port[1] <= 1001
            assert runner.keeper.flows.of_port[2] >= 30, "each of the other port's stations has its flow"
            assert dp.stats().flows == len(runner.keeper.flows) <= 1200

    def test_masks_are_bounded(self, harness: Harness) -> None:
        """A function whose masks depend on what the packet says makes no more of them than it may."""
        dp, attacker, victim = two_ports(harness)
        with Runner(_of_many_masks(), dp, [], Options(idle=1e6, max_masks=4)) as runner:
            for number in range(100):
                _pass(runner, attacker, victim, _frame(A, B, number))
            masks = dp.stats().masks
            assert runner.counters.masks <= 8
            assert masks is not None
            assert masks <= 8
            assert runner.counters.uncached, "there was more to be had"


def _frame(src: str, dst: str, port: int = 0) -> bytes:
    return build.ethernet(src, dst, build.udp("10.0.0.1", "10.0.0.2", 1000, port))


def _pass(runner: Runner, sender: Host, receiver: Host, frame: bytes) -> None:
    """Send a frame, and let a program work until it has arrived."""
    sender.send(frame)

    def arrives() -> bool:
        runner.step(0.01)
        return frame in list(iter(lambda: receiver.recv(0), None))

    eventually(arrives)


def _learning() -> Program:
    program = Program()
    stations = program.table("stations")

    @program.forward
    def switch(packet: Any) -> Any:
        stations[packet.eth.src] = packet.in_port
        port = stations.get(packet.eth.dst)
        return output(port) if port is not None else flood()

    return program


def _of_many_masks() -> Program:
    program = Program()

    @program.forward
    def forward(packet: Any) -> Any:
        if packet.udp is not None:
            number = int(packet.udp.dst)
            packet.ipv4.src.prefix(number % 32)
            packet.ipv4.dst.prefix(number // 32)
        return flood()

    return program
