"""What every table does, in memory or kept in a file; and what the file is for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from dpif import Userspace
from dpif.packet import build
from dpif.packet.addresses import Mac
from dpif.program import Program, ProgramError, drop, flood, output
from dpif.program.testing import Playground
from dpif.testing.waiting import PATIENCE

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
FRAME = build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80))
MakeTable = Callable[..., Any]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> MakeTable:
    """Makes the table ``t`` of a new program; called again it is that of the program's next run."""

    def made(**settings: Any) -> Any:
        if request.param == "file":
            settings["persist"] = str(tmp_path / "tables.db")
        return Program(clock=clock).table("t", **settings)

    return made


# -- the contract --------------------------------------------------------------------------------------------------


def test_it_is_a_dictionary(make: MakeTable) -> None:
    table = make()
    table["a"] = 1
    table.update({"b": 2}, c=3)
    assert (table["a"], table.get("b"), table.get("x"), table.get("x", 0)) == (1, 2, None, 0)
    assert ("a" in table, "x" in table, len(table)) == (True, False, 3)
    assert (list(table), table.keys(), table.values()) == (["a", "b", "c"], ["a", "b", "c"], [1, 2, 3])
    assert table.items() == [("a", 1), ("b", 2), ("c", 3)]
    del table["a"]
    assert table.discard("b")
    assert not table.discard("b")
    with pytest.raises(KeyError, match="a"):
        table["a"]
    with pytest.raises(KeyError, match="a"):
        del table["a"]
    table.clear()
    assert len(table) == 0


def test_keys_and_values_may_be_what_packets_have(make: MakeTable) -> None:
    table = make()
    table[5, Mac(A)] = ip_address("10.0.0.1")
    table[ip_network("10.0.0.0/8")] = ("x", (1, b"\0", None, 1.5))
    assert table[5, Mac(A)] == ip_address("10.0.0.1")
    assert table[ip_network("10.0.0.0/8")] == ("x", (1, b"\0", None, 1.5))


def test_idle_entries_go_and_used_ones_stay(make: MakeTable, clock: Clock) -> None:
    table = make(idle=10)
    table.update(a=1, b=2)
    clock.now = 9
    table["a"] = 1
    clock.now = 10
    assert table.expire(clock.now) == 1
    assert table.keys() == ["a"]
    clock.now = 19
    assert table.expire(clock.now) == 1


def test_hard_entries_go_however_much_they_are_used(make: MakeTable, clock: Clock) -> None:
    table = make(hard=10)
    table["a"] = 1
    clock.now = 9
    table.touch("a")
    table["a"] = 1
    clock.now = 10
    assert table.expire(clock.now) == 1


def test_a_full_table_takes_nothing_new_and_changes_what_it_has(make: MakeTable) -> None:
    table = make(limit=1)
    table["a"] = 1
    with pytest.raises(OverflowError, match="the table t is full: 1 entries"):
        table["b"] = 1
    table["a"] = 2
    assert table.items() == [("a", 2)]
    assert table.changes == 1


def test_threads_may_write_at_once(make: MakeTable) -> None:
    table = make()

    def write(number: int) -> None:
        for index in range(50):
            table[number, index] = index

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(table) == 200


# -- files ---------------------------------------------------------------------------------------------------------


def test_what_is_kept_in_a_file_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = str(tmp_path / "tables.db")
    for run in range(2):
        program = Program()
        stations = program.table("stations", persist=path)
        other = program.table("other", persist=path)

        @program.forward
        def switch(packet: Any, stations: Any = stations) -> Any:
            stations[packet.eth.src] = packet.in_port
            port = stations.get(packet.eth.dst)
            return output(port) if port is not None else flood()

        assert dict(stations.items()) == ({Mac(A): 1} if run else {})
        assert dict(other.items()) == ({"x": 1} if run else {})
        if not run:
            with Userspace() as us, us.open("br0", create=True) as dp:
                us.device("h1").send(FRAME)
                from dpif.program import Runner

                with Runner(program, dp, ["h1"]) as runner:
                    us.device("h1").send(FRAME)
                    runner.step()
            other.update(x=1, y=2)
            del other["y"]


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tables.db"
    path.write_bytes(b"this is no database at all, " * 100)
    with pytest.raises(ProgramError, match=r"tables\.db"):
        Program().table("t", persist=str(path))
    with pytest.raises(ProgramError, match="nowhere"):
        Program().table("t", persist=str(tmp_path / "nowhere" / "tables.db"))


# -- in an event loop ------------------------------------------------------------------------------------------------


def test_a_program_runs_in_an_event_loop_until_its_task_is_cancelled() -> None:
    program = Program()
    program.forward(lambda packet: output("h2") if packet.tcp is not None else drop())

    async def play(us: Userspace) -> None:
        with us.open("br0", create=True) as dp:
            us.device("h1")
            us.device("h2")
            task = asyncio.create_task(program.run_async(dp, ["h1", "h2"]))
            while len(program.ports) < 3:
                await asyncio.sleep(0)
            us.device("h1").send(FRAME)
            async with asyncio.timeout(PATIENCE):
                while (arrived := us.device("h2").recv()) is None:
                    await asyncio.sleep(0.001)
            assert arrived == FRAME
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not list(dp.flows)
            assert [port.name for port in dp.ports] == ["br0"]

    with Userspace() as us:
        asyncio.run(play(us))


def test_a_playground_gives_tables_back_as_they_were() -> None:
    program = Program()
    table = program.table("t")
    table["a"] = 1

    @program.forward
    def learn(packet: Any) -> Any:
        table["b"] = packet.in_port
        return drop()

    with Playground(program, ["h1"]) as net:
        net.send("h1", FRAME)
        assert table.items() == [("a", 1), ("b", 1)]
    assert table.items() == [("a", 1)]
