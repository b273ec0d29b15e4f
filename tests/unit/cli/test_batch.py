"""``dpif batch``: many command lines in one process."""

from __future__ import annotations

import gc
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dpif.netlink.connection import Connection

from .command_line import command_line
from .conftest import Ran, Run

ARP = '"in_port(1),eth(),eth_type(0x0806),arp()"'
LINES = f"""\
# comments and blank lines are passed over

add-flow netdev@br0 {ARP} 2   # quoted as for a shell
dpif get-flow netdev@br0 ufid:00112233-4455-6677-8899-aabbccddeeff
dump-dps
show 'netdev@br0
show
"""


@pytest.fixture
def batch(br0: str, run: Run, tmp_path: Path) -> Any:
    """Run lines as a file; with FILE in place of its path in what is said."""
    path = tmp_path / "commands.txt"

    def run_lines(lines: str, *switches: str) -> Ran:
        path.write_text(lines)
        status, stdout, stderr = run("batch", *switches, str(path))
        return Ran(status, stdout.replace(str(path), "FILE"), stderr.replace(str(path), "FILE"))

    return run_lines


def test_the_first_failure_ends_it(batch: Any) -> None:
    assert batch(LINES) == (
        1,
        "",
        "dpif: FILE:4: getting flow (No such file or directory): there is no such flow\n",
    )


def test_it_can_go_on(batch: Any) -> None:
    status, stdout, stderr = batch(LINES, "--keep-going")
    assert status == 1
    assert stdout.startswith("netdev@br0\nnetdev@br0:\n  lookups")
    assert [line.split()[1] for line in stderr.splitlines()] == ["FILE:4:", "FILE:6:"]


def test_without_a_failure_it_succeeds(batch: Any) -> None:
    assert batch("dump-dps\n\ndump-dps") == (0, "netdev@br0\nnetdev@br0\n", "")


def test_a_failure_that_a_command_survives_counts(batch: Any) -> None:
    status, stdout, stderr = batch("show netdev@br9 netdev@br0\ndump-dps\n")
    assert status == 1
    assert stdout.startswith("netdev@br0:\n")
    assert "dump-dps" not in stdout
    assert stderr.startswith("dpif: FILE:1: opening datapath netdev@br9 failed")


@pytest.mark.parametrize(
    "name", ["serve", "switch netdev@br0", "lab", "demo", "play", "batch other", "upcalls netdev@br0", "psample"]
)
def test_what_runs_for_long_is_refused(batch: Any, name: str) -> None:
    word = name.split()[0]
    assert batch(name) == (1, "", f"dpif: FILE:1: '{word}' command cannot be run in a batch\n")


@pytest.mark.parametrize(
    ("line", "switch", "said"),
    [
        ("del-dp netdev@br0", "--read-only", "'del-dp' command does not work in read only mode"),
        ("show netdev@br0", "--socket=/nowhere", "/nowhere"),
        ("dump-dps -t 5", "-t60", "a line has no time of its own"),
    ],
)
def test_the_options_of_the_batch_hold_for_its_lines(batch: Any, line: str, switch: str, said: str) -> None:
    status, stdout, stderr = batch(line, switch)
    assert (status, stdout) == (1, "")
    assert said in stderr


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_time_is_over_for_all_of_it(batch: Any) -> None:
    """The alarm may come where a socket is just made, which then nobody closes; the process ends anyway, but here.

    Or in a destructor, which loses it; then it comes once more.
    """
    status, _, stderr = batch("dump-dps\n" * 100_000, "-t0.2")
    gc.collect()
    assert (status, stderr) == (142, "dpif: the time given by --timeout is over\n")


@pytest.mark.parametrize("words", [(), ("a", "b")])
def test_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    assert run("batch", *words).status == 2


def test_a_file_that_is_not_there(run: Run) -> None:
    assert run("batch", "/nowhere") == (1, "", 'dpif: Opening file "/nowhere" failed (No such file or directory)\n')


def test_results(batch: Any) -> None:
    document = json.loads(batch(LINES, "--json", "--keep-going").stdout)
    results = document["results"]
    assert [(result["line"], result["status"]) for result in results] == [(3, 0), (4, 1), (5, 0), (6, 2), (7, 0)]
    assert results[0] | {"command": None} == {"line": 3, "command": None, "output": None, "status": 0, "errors": []}
    assert results[1]["errors"] == ["getting flow (No such file or directory): there is no such flow"]
    assert results[2]["output"]["datapaths"] == [{"name": "netdev@br0"}]
    assert (document["succeeded"], document["failed"], document["complete"]) == (3, 2, False)


def test_results_a_line_each(batch: Any) -> None:
    lines = batch("dump-dps\nshow --json-lines\nadd-if netdev@br0 h1\n", "--json-lines").stdout.splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["version"] for result in results] == [1, 1, 1]
    assert results[1]["output"]["command"] == "show"
    assert len(results[2]["errors"]) == 1


def test_the_lines_share_a_connection(batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    first = Connection.__init__

    def counted(self: Connection, *args: Any) -> None:
        made.append(self)
        first(self, *args)

    monkeypatch.setattr(Connection, "__init__", counted)
    assert batch("show netdev@br0\n" * 5).status == 0
    assert len(made) == 1


def test_a_program_may_drive_it(br0: str) -> None:
    command = command_line("batch", "--json-lines", "--keep-going", "-")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert isinstance(process.stdin, io.BufferedWriter)
        assert process.stdout is not None
        for line, status in (("dump-dps", 0), ("dump-flows " + br0, 0), ("add-flows " + br0 + " -", 1)):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["command"], answer["status"]) == (line, status)
        process.stdin.close()
        assert process.wait() == 1
