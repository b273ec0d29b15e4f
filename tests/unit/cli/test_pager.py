"""Output that is longer than the screen goes to a pager, as git has it; nothing else does."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from dpif.cli.output.pager import pager_command

from .conftest import Run
from .terminal import CTRL_C, Terminal, run_on_terminal, without_colour

ROWS = 20
_STAND_IN = """\
import os, sys
print("PAGED", os.environ.get("LESS"), flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
    if len(sys.argv) > 1 and sys.argv[1] in line:
        sys.exit()
"""


@pytest.fixture
def pager(tmp_path: Path) -> str:
    """A pager that says that it is one, and what $LESS is; with a word behind, it quits at a line that has it."""
    script = tmp_path / "pager.py"
    script.write_text(_STAND_IN)
    return f"{sys.executable} {script}"


@pytest.fixture
def many(br0: str, run: Run, tmp_path: Path) -> str:
    """A datapath with more flows than the screen has rows, and more than a pipe holds."""
    file = tmp_path / "many"
    file.write_text("".join(f"in_port({port}),eth(),eth_type(0x0806),arp() 2\n" for port in range(1, 6001)))
    assert run("add-flows", br0, str(file)).status == 0
    return br0


def paged(*words: str, pager: str, columns: int = 200, **environ: str) -> tuple[int, list[str]]:
    with Terminal(*words, rows=ROWS, columns=columns, DPIF_PAGER=pager, **environ) as terminal:
        status = terminal.end()
        return status, without_colour(terminal.shown).splitlines()


def test_what_is_longer_than_the_screen_is_paged_whole(many: str, run: Run, pager: str) -> None:
    status, lines = paged("dump-flows", "--no-names", many, pager=pager, LESS="")
    assert (status, lines[0]) == (0, "PAGED ")
    assert lines[1:] == run("dump-flows", many).stdout.splitlines()


def test_colours_reach_the_pager(many: str, pager: str) -> None:
    _, shown = run_on_terminal("dump-flows", many, DPIF_PAGER=pager)
    assert "\x1b[1;31mactions:" in shown


@pytest.mark.parametrize(("rows", "is_paged"), [(ROWS - 1, False), (ROWS, True)])
def test_what_fits_is_not(br0: str, run: Run, tmp_path: Path, pager: str, rows: int, is_paged: bool) -> None:
    file = tmp_path / "flows"
    file.write_text("".join(f"in_port({port}),eth(),eth_type(0x0806),arp() 2\n" for port in range(rows)))
    assert run("add-flows", br0, str(file)).status == 0
    _, lines = paged("dump-flows", br0, pager=pager)
    assert (lines[0].startswith("PAGED"), len(lines)) == (is_paged, rows + is_paged)


def test_lines_count_as_the_terminal_breaks_them(br0: str, run: Run, pager: str) -> None:
    assert run("add-flow", br0, "in_port(1),eth(),eth_type(0x0806),arp()", ",".join(["2"] * 400)).status == 0
    assert paged("dump-flows", br0, columns=40, pager=pager)[1][0].startswith("PAGED")
    assert not paged("dump-flows", br0, columns=400, pager=pager)[1][0].startswith("PAGED")


@pytest.mark.parametrize("words", [("--no-pager",), ("--json",), ("--json-lines",), ("--timeout", "100")])
def test_who_asks_for_none_has_none(many: str, pager: str, words: tuple[str, ...]) -> None:
    status, lines = paged("dump-flows", many, *words, pager=pager)
    assert status == 0
    assert not lines[0].startswith("PAGED")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DPIF_PAGER": "less -i", "PAGER": "more"}, ["less", "-i"]),
        ({"PAGER": "less -x 4"}, ["less", "-x", "4"]),
        ({}, ["less"]),
        ({"DPIF_PAGER": "", "PAGER": "less"}, []),
        ({"PAGER": "cat"}, []),
        ({"DPIF_PAGER": "no-such-pager"}, []),
        ({"DPIF_PAGER": "less '"}, []),
        ({"TERM": "dumb"}, []),
    ],
)
def test_which_pager(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: list[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name.startswith("no-such") else f"/usr/bin/{name}")
    assert pager_command({"TERM": "xterm", **environ}) == expected


def test_wide_lines_are_chopped_by_less(many: str, pager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESS", raising=False)
    assert paged("dump-flows", many, pager=pager)[1][0] == "PAGED FRX"
    assert paged("dump-flows", many, "--wide", pager=pager)[1][0] == "PAGED FRSX"
    assert paged("dump-flows", many, pager=pager, LESS="R")[1][0] == "PAGED R"


def test_help_is_paged_and_a_pager_that_is_not_there_does_not_matter(pager: str) -> None:
    assert paged("--help", pager=pager)[1][0].startswith("PAGED")
    status, lines = paged("--help", pager="no-such-pager")
    assert (status, lines[0]) == (0, "usage: dpif [options] command [argument...]")


def test_quitting_early_ends_it_as_the_reader_of_a_pipe_does(many: str, run: Run, pager: str) -> None:
    status, lines = paged("dump-flows", "--no-names", many, pager=f"{pager} actions", LESS="FRX")
    assert status == 141
    assert [line.partition("(")[0] for line in lines] == ["PAGED FRX", "in_port"]
    assert run("show", many).status == 0


def test_the_exit_status_is_that_of_the_command_and_failures_are_told_at_the_end(many: str, pager: str) -> None:
    status, lines = paged("dump-flows", many, "netdev@no", pager=pager)
    assert (status, len(lines)) == (2, 1)
    status, lines = paged("help", "add-dp", "dump-flows", pager=pager)
    assert (status, lines[0].split()[0]) == (0, "PAGED")


def test_what_is_to_be_seen_as_it_comes_is_not_paged(br0: str, tmp_path: Path, pager: str) -> None:
    fifo = tmp_path / "flows"
    os.mkfifo(fifo)
    words = ("add-flows", "-s", br0, str(fifo))
    with Terminal(*words, rows=3, DPIF_PAGER=pager) as terminal, fifo.open("w") as feed:
        for port in range(10):
            feed.write(f"in_port({port}),eth(),eth_type(0x0806),arp() 2\nbogus\n")
            feed.flush()
            terminal.read_until(f":{2 * port + 2}: ")  # what is wrong with the second line
        feed.close()
        assert terminal.end() == 1
        assert "PAGED" not in terminal.shown


needs_less = pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")


@needs_less
def test_less_shows_a_page_and_quits(many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESS", raising=False)
    with Terminal("dump-flows", "--color=never", many, rows=ROWS, DPIF_PAGER="less") as terminal:
        terminal.read_until("\n:")
        assert terminal.shown.count("actions:") == ROWS - 1
        terminal.type(b"q")
        assert terminal.end() in (0, 141)  # whether all of it was in the pipe by then


@needs_less
def test_ctrl_c_leaves_less_to_be_read(many: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESS", raising=False)
    with Terminal("dump-flows", "--color=never", many, rows=ROWS, DPIF_PAGER="less") as terminal:
        terminal.read_until("\n:")
        terminal.type(CTRL_C)
        terminal.type(b"g")
        terminal.type(b"q")
        assert terminal.end() in (0, 130)  # whether all of it was in the pipe by then
        assert "Traceback" not in terminal.shown
    assert run("show", many).status == 0
