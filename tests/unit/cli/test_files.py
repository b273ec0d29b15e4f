"""Files of lines: what cannot be opened, what has no lines, and servers that go while one is carried out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpif.cli import files
from dpif.cli.commands import flow_files
from dpif.client.datapath import Datapath
from dpif.errors import Unavailable

from .conftest import Run

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
COMMANDS = [("add-flows", "netdev@br0"), ("mod-flows", "netdev@br0"), ("del-flows", "netdev@br0"), ("batch",)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_line_that_never_ends(br0: str, run: Run, words: tuple[str, ...], options: tuple[str, ...]) -> None:
    ran = run(*options, *words, "/dev/zero")
    expected = f"dpif: /dev/zero:1: the line is longer than {files.LONGEST_LINE} bytes; the rest is not read\n"
    assert (ran.status, ran.stderr) == (1, expected)
    assert '"complete":false' in ran.stdout or not options


@pytest.mark.parametrize("before", [0, 1, 2])
def test_the_bound_of_a_line(
    br0: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """What stands before a line that is too long is done; a long one in the bound is taken."""
    for module in (files, flow_files):
        monkeypatch.setattr(module, "LONGEST_LINE", 1000)
    monkeypatch.setattr(flow_files, "_CHUNK", 100)
    path = tmp_path / "flows"
    fits = "".join(f"recirc_id({number}),{ARP} 2 #".ljust(999, "x") + "\n" for number in range(1, before + 1))
    path.write_text(fits + "#".ljust(1200, "x"))
    ran = run("add-flows", br0, str(path))
    assert (ran.status, ran.stderr.split(": ")[1]) == (1, f"{path}:{before + 1}")
    assert len(run("dump-flows", br0).stdout.splitlines()) == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_standard_input_that_is_closed(br0: str, run: Run, words: tuple[str, ...]) -> None:
    code = "import os, sys; os.close(0); os.execv(sys.executable, [sys.executable, '-m', 'dpif', *sys.argv[1:]])"
    done = subprocess.run([sys.executable, "-c", code, *words, "-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'dpif: Opening file "-" failed (the standard input is closed)\n'


def test_a_name_with_a_nul(br0: str, run: Run, tmp_path: Path) -> None:
    """A line of a batch can have one, a command line cannot."""
    path = tmp_path / "batch"
    path.write_bytes(
        b'add-flows netdev@br0 "a\0b"\nbatch "a\0b"\n--socket "a\0b" show\nadd-flow netdev@br0 "a\0b" 1\n'
    )
    ran = run("batch", "--keep-going", str(path))
    assert ran.status == 1
    first, *others = ran.stderr.splitlines()
    assert first == f'dpif: {path}:1: Opening file "a\\x00b" failed (there is a NUL in its name)'
    assert len(others) == 3
    assert "internal error" not in ran.stderr


def test_a_server_that_goes(br0: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def operate(*_: object, **__: object) -> None:
        raise Unavailable("the userspace datapath at PATH has gone away")

    monkeypatch.setattr(Datapath, "operate", operate)
    path = tmp_path / "flows"
    path.write_text(f"{ARP} 2\n")
    text = f'dpif: carrying out file "{path}" failed: the userspace datapath at PATH has gone away\n'
    assert run("add-flows", br0, str(path)) == (1, "", text)
