"""The command line, run in this process, on a userspace datapath that is served as ``dpif serve`` does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif.cli import main
from dpif.netlink import unix
from dpif.testing.waiting import PATIENCE
from dpif.userspace import Server, UserspaceSystem


class Ran(NamedTuple):
    """What a command line left."""

    status: int
    stdout: str
    stderr: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def no_word_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with much to do a server is waited for, and nothing is said of it."""
    monkeypatch.setattr(unix, "_SOON", PATIENCE)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line given as words."""

    def run_words(*words: str) -> Ran:
        status = main(words)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run_words


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserspaceSystem]:
    """A userspace datapath's system, served where the command line looks for it; devices h1, h2 and h3."""
    path = str(tmp_path / "dpif.sock")
    monkeypatch.setenv("DPIF_SOCKET", path)
    with UserspaceSystem() as made, Server(made, path) as server:
        for name in ("h1", "h2", "h3"):
            made.device(name)
        thread = threading.Thread(target=server.run)
        thread.start()
        yield made
        server.stop()
        thread.join()


@pytest.fixture
def br0(system: UserspaceSystem, run: Run) -> str:
    """A datapath with ports 1: h1 and 2: h2."""
    assert run("add-dp", "netdev@br0", "h1", "h2") == (0, "", "")
    return "netdev@br0"
