"""Ctrl-C and the end of the time, whenever they come: JSON is whole, nothing is lost in silence, nothing hangs."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif.cli import endings as module
from dpif.cli import entry, main
from dpif.cli.commands import datapaths
from dpif.cli.endings import TimeOver, endings

from .conftest import Run

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
PAGE = 4096
STATUS = {signal.SIGINT: 130, signal.SIGALRM: 142}
WORDS = {
    "dump-flows": ("dump-flows", "netdev@br0"),
    "tree": ("dump-flows", "--tree", "netdev@br0"),
    "add-flows": ("add-flows", "-s", "netdev@br0", "FLOWS"),
    "batch": ("batch", "BATCH"),
    "help": ("help",),
}


class SlowReader(threading.Thread):
    """Reads what is written to a pipe of one page; with `pages` of them read it interrupts who waits to write more.

    `interrupt` is called when the pipe is full again, which is when the main thread waits, or will at once.
    """

    def __init__(self, reader: int, writer: int, pages: int, interrupt: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._reader = reader
        self._writer = writer
        self._pages = pages
        self._interrupt = interrupt
        self.text = b""

    def run(self) -> None:
        for _ in range(self._pages):
            self._read(PAGE)
        while not self._is_full():
            time.sleep(0.0005)
        self._interrupt()
        while self._read(PAGE):
            pass

    def _read(self, size: int) -> bytes:
        piece = os.read(self._reader, size)
        self.text += piece
        return piece

    def _is_full(self) -> bool:
        poll = select.poll()
        poll.register(self._writer, select.POLLOUT)
        return not poll.poll(0)


class Left(NamedTuple):
    status: int
    text: str


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as a process has it in the foreground, whatever these tests run in."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run_slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Left]:
    """Run a command line whose output goes to a `SlowReader`."""

    def run_words(
        *words: str, pages: int, interrupt: Callable[[], None], ended: Callable[[], None] = lambda: None
    ) -> Left:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PAGE)
        thread = SlowReader(reader, writer, pages, interrupt)
        with (
            monkeypatch.context() as patched,
            open(writer, "w") as stdout,
        ):
            patched.setattr(sys, "stdout", stdout)
            thread.start()
            status = main(words)
            ended()
        thread.join()
        os.close(reader)
        return Left(status, thread.text.decode())

    return run_words


def strike(number: signal.Signals) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.fixture
def files(br0: str, run: Run, tmp_path: Path) -> Callable[[str], str]:
    """A datapath with flows; return what puts files in the place of their names."""
    paths = {name: tmp_path / name for name in ("FLOWS", "BATCH")}
    paths["FLOWS"].write_text("".join(f"recirc_id({n}),{ARP} 2\n" for n in range(1, 201)))
    paths["BATCH"].write_text("dump-flows\nhelp\ndump-flows\n")
    assert run("add-flows", br0, str(paths["FLOWS"])) == (0, "", "")
    return lambda word: str(paths.get(word, word))


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
@pytest.mark.parametrize("name", WORDS)
def test_json_is_whole_though_its_reader_is_slow(
    run_slowly: Callable[..., Left], files: Callable[[str], str], number: signal.Signals, name: str
) -> None:
    for pages in (0, 1, 2):
        words = map(files, WORDS[name])
        left = run_slowly("--json", "-t1000", *words, pages=pages, interrupt=lambda: strike(number))
        assert left.status == STATUS[number]
        assert json.loads(left.text)["version"] == 1


def test_lines_of_json_are_whole(run_slowly: Callable[..., Left], files: Callable[[str], str]) -> None:
    for pages in (0, 1, 2):
        left = run_slowly("--json-lines", "dump-flows", pages=pages, interrupt=lambda: strike(signal.SIGINT))
        assert left.status == 130
        assert {json.loads(line)["version"] for line in left.text.splitlines()} == {1}


def test_what_is_not_all_says_so(run_slowly: Callable[..., Left], files: Callable[[str], str]) -> None:
    """The first block of lines is longer than the pipe, and there are more."""
    words = ("--json", "add-flows", "-s", "netdev@br0", files("FLOWS"))
    Path(files("FLOWS")).write_text("".join(f"recirc_id({n}),{ARP} 2\n" for n in range(1, 1501)))
    left = run_slowly(*words, pages=1, interrupt=lambda: strike(signal.SIGINT))
    told = json.loads(left.text)
    assert (left.status, told["complete"]) == (130, False)
    assert 0 < len(told["lines"]) < 1500


def test_a_second_ctrl_c_ends_it_though_nobody_reads(
    run_slowly: Callable[..., Left], files: Callable[[str], str]
) -> None:
    ended = threading.Event()

    def twice() -> None:
        strike(signal.SIGINT)
        while not endings._had_ctrl_c:
            time.sleep(0.0005)
        strike(signal.SIGINT)
        assert ended.wait(60)

    left = run_slowly("--json", "dump-flows", pages=0, interrupt=twice, ended=ended.set)
    assert left.status == 130
    assert 0 < len(left.text) <= PAGE


@pytest.mark.parametrize("options", [("--json",), ()])
def test_the_time_ends_though_nobody_reads(
    run_slowly: Callable[..., Left],
    files: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.01)
    monkeypatch.setattr(entry, "GRACE", 0.01)
    ended = threading.Event()

    def nobody() -> None:
        strike(signal.SIGALRM)
        assert ended.wait(60)

    left = run_slowly(*options, "-t1000", "dump-flows", pages=0, interrupt=nobody, ended=ended.set)
    assert left.status == 142
    assert 0 < len(left.text) <= PAGE


@pytest.mark.parametrize("ending", [KeyboardInterrupt, TimeOver])
def test_an_ending_that_meets_a_destructor_comes_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, ending: type[BaseException]
) -> None:
    """As when it meets the machinery of imports."""

    class Met:
        def __del__(self) -> None:
            raise ending

    def handler(context: object) -> None:
        made = Met()
        del made
        time.sleep(60)

    monkeypatch.setattr(datapaths, "dump_dps", handler)
    ran = run("dump-dps")
    assert (ran.status, ran.stdout) == (130 if ending is KeyboardInterrupt else 142, "")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("ending", [KeyboardInterrupt, TimeOver])
@pytest.mark.parametrize("in_batch", [False, True])
def test_an_ending_that_was_made_another_error_is_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: type[BaseException], in_batch: bool
) -> None:
    """As Python does up to 3.11 while a class is made, and one is whenever a module is imported."""

    class Met:
        def __set_name__(self, owner: type, name: str) -> None:
            try:
                raise ending
            except BaseException as error:
                raise RuntimeError("Error calling __set_name__") from error

    monkeypatch.setattr(datapaths, "dump_dps", lambda context: type("Made", (), {"attribute": Met()}))
    lines = tmp_path / "lines"
    lines.write_text("dump-dps\nlist-commands\n")
    ran = run("batch", "--keep-going", str(lines)) if in_batch else run("dump-dps")
    said = "" if ending is KeyboardInterrupt else "dpif: the time given by --timeout is over\n"
    assert ran == (130 if ending is KeyboardInterrupt else 142, "", said)


def test_nothing_is_left_of_the_handlers(run: Run) -> None:
    before = [signal.getsignal(number) for number in STATUS], sys.unraisablehook
    run("-t1000", "list-commands")
    assert ([signal.getsignal(number) for number in STATUS], sys.unraisablehook) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
