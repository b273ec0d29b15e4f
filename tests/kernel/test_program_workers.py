"""A program in several processes on the kernel's datapath: they share the packets, and what one learns all know."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif.client import Datapath
from dpif.packet import build
from dpif.packet.addresses import Mac
from dpif.program import Program, ProgramError, drop, flood, output
from dpif.program.options import Options
from dpif.program.runner import Runner
from dpif.program.workers import Workers
from dpif.testing.conformance.harness import NONE_WITHIN
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import eventually

SENDERS = 40


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


def mac(number: int) -> str:
    return f"02:00:00:00:01:{number:02x}"


def frame(source: int, to: str, port: int = 80) -> bytes:
    return build.ethernet(mac(source), to, build.udp(f"10.0.0.{source}", "10.0.1.1", 1000 + source, port))


def three_hosts(harness: KernelHarness) -> tuple[Datapath, list[VethHost]]:
    dp = harness.open("work0", create=True)
    hosts = [harness.host() for _ in range(3)]
    for number, host in enumerate(hosts, 1):
        dp.ports.add(host.name, number=number)
    return dp, hosts


def learning() -> Program:
    program = Program("learning")
    stations = program.table("stations", idle=1000)

    @program.forward
    def switch(packet: Any) -> Any:
        stations[packet.eth.src] = packet.in_port
        port = stations.get(packet.eth.dst)
        return output(port) if port is not None else flood()

    return program


def arrived(host: VethHost, count: int) -> list[bytes]:
    return [host.recv() or b"" for _ in range(count)]


def test_what_one_learns_all_know(harness: KernelHarness) -> None:
    """Senders at two ports come up in either; a reply goes to the right port alone, whoever is asked for it."""
    dp, hosts = three_hosts(harness)
    program = learning()
    with Runner(program, dp, options=Options(workers=2, report=pytest.fail)) as runner:
        for number in range(SENDERS):
            hosts[number % 2].send(frame(number, "ff:ff:ff:ff:ff:ff"))
        stations = program.tables["stations"]
        eventually(lambda: runner.step(0.1) == 0 and len(stations) == SENDERS)
        assert dict(stations.items()) == {Mac(mac(number)): 1 + number % 2 for number in range(SENDERS)}
        eventually(lambda: runner.step(0.1) == 0 and runner.counters.upcalls == SENDERS)
        assert [worker.upcalls for worker in workers(runner).counters] == [SENDERS // 2] * 2
        assert len(_counted(runner, hosts[2], SENDERS)) == SENDERS
        assert len(_counted(runner, hosts[0], SENDERS // 2)) == len(_counted(runner, hosts[1], SENDERS // 2))
        for number in range(SENDERS):
            hosts[2].send(frame(200, mac(number)))
        for index in range(2):
            expected = {bytes(Mac(mac(number))) for number in range(index, SENDERS, 2)}
            assert {packet[:6] for packet in _counted(runner, hosts[index], SENDERS // 2)} == expected
        eventually(lambda: runner.step(0.1) == 0 and runner.counters.flows == len(list(dp.flows)) >= 2 * SENDERS)
    assert not list(dp.flows)


def workers(runner: Runner) -> Workers:
    assert isinstance(runner._upcalls, Workers)
    return runner._upcalls


def test_a_table_that_is_changed_here_changes_the_flows_of_all(harness: KernelHarness) -> None:
    dp, (*senders, receiver) = three_hosts(harness)
    program = Program("filter")
    allowed = program.table("allowed")

    @program.forward
    def forward(packet: Any) -> Any:
        return output(3) if packet.udp is not None and allowed.get(packet.eth.src) else drop()

    with Runner(program, dp, options=Options(workers=2, report=pytest.fail)) as runner:
        for number in range(SENDERS):
            allowed[Mac(mac(number))] = True
            senders[number % 2].send(frame(number, mac(200)))
        assert len(_counted(runner, receiver, SENDERS)) == SENDERS
        del allowed[Mac(mac(7))]
        eventually(lambda: runner.step(0.1) == 0 and sum(not flow.actions for flow in dp.flows) == 1)
        for number in range(SENDERS):
            senders[number % 2].send(frame(number, mac(200)))
        assert {packet[11] for packet in _counted(runner, receiver, SENDERS - 1)} == {*range(SENDERS)} - {7}
        assert receiver.recv(NONE_WITHIN) is None


def _counted(runner: Runner, host: VethHost, count: int) -> list[bytes]:
    """Let a runner work until so many frames have arrived."""
    found: list[bytes] = []

    def all_there() -> bool:
        runner.step(0.05)
        while (packet := host.recv(0.01)) is not None:
            found.append(packet)
        return len(found) >= count

    eventually(all_there)
    return found


def test_a_worker_that_dies_is_told_of_and_the_others_go_on(harness: KernelHarness) -> None:
    dp, hosts = three_hosts(harness)
    told: list[str] = []
    program = learning()
    with Runner(program, dp, options=Options(workers=2, report=told.append)) as runner:
        os.kill(next(iter(workers(runner)._children.values())), signal.SIGKILL)
        eventually(lambda: runner.step(0.1) == 0 and bool(told))
        assert told == ["a worker ended with status -9; its packets are lost"]
        for number in range(SENDERS):
            hosts[number % 2].send(frame(number, "ff:ff:ff:ff:ff:ff"))
        assert len(_counted(runner, hosts[2], SENDERS // 2)) == SENDERS // 2
        assert hosts[2].recv(NONE_WITHIN) is None


def test_tables_in_files_are_kept_by_the_first_process(harness: KernelHarness, tmp_path: Path) -> None:
    dp, (first, *_) = three_hosts(harness)
    path = str(tmp_path / "tables.db")

    def made() -> Program:
        program = Program("kept")
        stations = program.table("stations", persist=path)

        @program.forward
        def learn(packet: Any) -> Any:
            stations[packet.eth.src] = packet.in_port
            return drop()

        return program

    program = made()
    with Runner(program, dp, options=Options(workers=2, report=pytest.fail)) as runner:
        for number in range(SENDERS):
            first.send(frame(number, "ff:ff:ff:ff:ff:ff"))
        eventually(lambda: runner.step(0.1) == 0 and len(program.tables["stations"]) == SENDERS)
    assert len(made().tables["stations"]) == SENDERS


def test_flows_may_stay_for_the_next_run(harness: KernelHarness) -> None:
    dp, hosts = three_hosts(harness)

    def made() -> Program:
        program = Program("kept")
        program.forward(lambda packet: output(3) if packet.udp is not None and packet.udp.dst == 80 else drop())
        return program

    runner = Runner(made(), dp, options=Options(workers=2, report=pytest.fail))
    try:
        for number in range(2):
            hosts[number].send(frame(number, mac(200)))
        assert len(_counted(runner, hosts[2], 2)) == 2
    finally:
        runner.close(keep_flows=True)
    there = {flow.record.ufid for flow in dp.flows}
    assert len(there) >= 2
    with Runner(made(), dp, options=Options(workers=2, report=pytest.fail)) as runner:
        eventually(lambda: runner.step(0.1) == 0 and runner.counters.flows >= len(there))
        assert there <= {flow.record.ufid for flow in dp.flows}
        hosts[0].send(frame(7, mac(200)))
        assert len(_counted(runner, hosts[2], 1)) == 1
        assert runner.counters.installed == 0, "they are those of the former run"


def test_what_a_worker_s_function_raises_is_an_error_of_the_run(harness: KernelHarness) -> None:
    dp, hosts = three_hosts(harness)
    told: list[str] = []
    program = Program("failing")
    program.forward(lambda packet: output(packet.ipv4.dst.nothing))
    with Runner(program, dp, options=Options(workers=2, report=told.append)) as runner:
        for number in range(4):
            hosts[number % 2].send(frame(number, mac(200)))
        eventually(lambda: runner.step(0.1) == 0 and bool(runner.errors))
        assert any("AttributeError" in text for text in told)
        with pytest.raises(ProgramError, match="start them anew"):
            runner.replace(program)
