"""``file@PATH``: commands that read a datapath read a saved dump as well."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from .conftest import Run

GOLDEN = Path(__file__).parents[2] / "golden"
DUMPS = sorted((GOLDEN / "dumps").glob("*.txt"))
BROKEN = "in_port(1),eth("
FLOW = "in_port(1),eth(),eth_type(0x0806), packets:3, bytes:126, used:never, actions:2"
NAMED = "in_port(h1),eth(),eth_type(0x0806), packets:5, bytes:126, used:never, actions:h2"


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file but for our remarks, as newer versions print them."""
    return [line for line in path.read_text().splitlines() if line[:1] != "#"]


def on_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_a_dump_is_printed_again(run: Run, path: Path) -> None:
    plain, verbose = run("dump-flows", f"file@{path}"), run("dump-flows", f"file@{path}", "-m")
    assert (plain.status, plain.stderr) == (verbose.status, verbose.stderr) == (0, "")
    for line, *both in zip(lines_of(path), plain.stdout.splitlines(), verbose.stdout.splitlines(), strict=True):
        shown = both[line.startswith("ufid:")]
        if "bad key length" not in line and not line.startswith("recirc_id(0),in_port(p0)"):
            assert shown.replace("used:0.000s", "used:0.0s") == line.replace("used:0.000s", "used:0.0s")


def test_connections_are_printed_again_and_counted(run: Run) -> None:
    path = GOLDEN / "saved" / "openstack-sosreport-conntrack.txt"
    assert run("dump-conntrack", "-m", f"file@{path}").stdout.splitlines() == lines_of(path)
    assert run("dump-conntrack", f"file@{path}", "zone=4").stdout == ""
    assert run("ct-stats-show", f"file@{path}").stdout == "Connections Stats:\n    Total: 12\n  UDP: 12\n"


def test_ports_are_shown_again(run: Run) -> None:
    path = GOLDEN / "saved" / "openstack-sosreport-show.txt"
    status, stdout, _ = run("show", f"file@{path}")
    assert status == 0
    assert stdout.splitlines()[1:] == [line for line in lines_of(path)[1:] if line[:4] != "    "]


def test_all_that_a_list_of_flows_can_do_works_on_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, expected in (
        (("--sort=-packets",), [NAMED, FLOW]),
        (("--sort=-packets", "--limit", "1"), [NAMED]),
        (("filter=packets < 4",), [FLOW]),
        (("filter=in_port == h1",), [NAMED]),
    ):
        on_stdin(monkeypatch, f"{FLOW}\n{NAMED}\n")
        assert run("dump-flows", "file@-", *words).stdout.splitlines() == expected
    on_stdin(monkeypatch, f"{FLOW}\n{NAMED}\n")
    told = json.loads(run("dump-flows", "file@-", "--json").stdout)
    assert [flow["packets"] for flow in told["flows"]] == [3, 5]
    on_stdin(monkeypatch, f"{FLOW}\n{NAMED}\n")
    assert "in_port(h1)" in run("dump-flows", "file@-", "--tree").stdout


def test_a_line_that_cannot_be_read_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, f"{FLOW}\n" + f"{BROKEN}\n" * 12)
    status, stdout, stderr = run("dump-flows", "file@-")
    assert (status, stdout) == (0, f"{FLOW}\n")
    *told, last = stderr.splitlines()
    assert [line.split(": ")[1].split(":")[1] for line in told] == [str(number) for number in range(2, 12)]
    assert last == "dpif: 12 lines of file@- could not be read"
    on_stdin(monkeypatch, f"{FLOW}\n{BROKEN}\n")
    status, stdout, stderr = run("dump-flows", "file@-", "--strict")
    assert (status, stdout) == (1, f"{FLOW}\n")
    assert ":2: expected actions:" in stderr


@pytest.mark.parametrize(
    "words", [("add-flow", "in_port(1)", "2"), ("del-flows",), ("flush-conntrack",), ("add-if", "h1")]
)
def test_nothing_is_written_to_it(run: Run, words: tuple[str, ...]) -> None:
    command, *rest = words
    status, stdout, stderr = run(command, "file@dump.txt", *rest)
    assert (status, stdout) == (1, "")
    assert stderr == f"dpif: file@dump.txt is a saved dump: '{command}' needs a datapath that is there\n"


def test_a_file_that_is_not_there(run: Run) -> None:
    assert run("dump-flows", "file@nothing.txt").stderr == "dpif: reading nothing.txt (No such file or directory)\n"
