"""What is completed, and that bash, zsh and fish complete it, two of them on a terminal."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpif.cli.command_table import COMMANDS
from dpif.cli.completion import candidates
from dpif.testing.waiting import PATIENCE

from .conftest import Run


def values(line: str) -> list[str]:
    """Return what may stand at the end of a line."""
    *before, current = [*shlex.split(line), ""] if line.endswith(" ") or not line else shlex.split(line)
    return [text for text, _ in candidates(before, current) if text.startswith(current) or text == ":files"]


def test_commands() -> None:
    assert values("") == [command.name for command in COMMANDS if not command.refused]
    assert values("-s dump-f") == ["dump-flows"]
    assert values("help add-i") == ["add-if"]
    assert values("bogus ") == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--ti", ["--timeout"]),
        ("show --stat", ["--statistics"]),
        ("del-dp --stat", []),
        ("switch netdev@br0 --k", ["--keep"]),
        ("del-if -- --stat", []),
        ("--socket ", [":files"]),
        ("-t ", []),
        ("--color ", ["auto", "always", "never"]),
        ("show --color=al", ["--color=always"]),
        ("--col=n", ["--col=never"]),
        ("--socket=", []),
        ("--colour=", []),
        ("dump-flows --sort byt", ["bytes"]),
        ("dump-flows --sort -byt", ["-bytes"]),
        ("dump-flows --sort=-packets,ipv4.d", ["--sort=-packets,ipv4.dst"]),
        ("dump-flows --sort in_port,-tunnel.ttl", ["in_port,-tunnel.ttl"]),
        ("show --sort=", []),
        ("dump-conntrack --sort -by", ["-bytes"]),
        ("dump-conntrack --sort zone,s", ["zone,src", "zone,sport", "zone,state", "zone,start"]),
        ("show --output ", ["table", "wide", "csv", "json", "json-lines"]),
        ("show --output=js", ["--output=json", "--output=json-lines"]),
        ("show --no-p", ["--no-pager"]),
        ("-s ", [command.name for command in COMMANDS if not command.refused]),
    ],
)
def test_options(line: str, found: list[str]) -> None:
    assert values(line) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("show ", ["netdev@br0"]),
        ("show net", ["netdev@br0"]),
        ("show netdev@br0 ", ["netdev@br0"]),
        ("del-dp netdev@br0 ", []),
        ("del-if netdev@br0 ", ["h1", "h2"]),
        ("del-if netdev@br0 h1 h", ["h1", "h2"]),
        ("del-if netdev@none ", []),
        ("send netdev@br0 ", ["br0", "h1", "h2"]),
        ("send netdev@br0 h1 ", ["pcap:"]),
        ("execute netdev@br0 pc", ["pcap:"]),
        ("add-flows ", ["netdev@br0", ":files"]),
        ("add-flows netdev@br0 ", [":files"]),
        ("add-flow netdev@br0 ", []),
        ("dump-flows f", ["filter="]),
        ("dump-flows filter=ipv4.d", ["filter=ipv4.dst"]),
        ("dump-flows filter=in_port=1,ipv4.d", ["filter=in_port=1,ipv4.dst"]),
        ("dump-flows netdev@br0 ", ["filter=", "type=", "pmd="]),
        ("cache-set-size netdev@br0 ", ["masks-cache"]),
        ("cache-set-size netdev@br0 masks-cache ", []),
        ("ipf-set-min-frag v", ["v4", "v6"]),
        ("ct-get-limits zone=1 ", ["zone="]),
        ("add-dp ", ["netdev@"]),
        ("add-if dp0 t0,", ["t0,type=", "t0,port_no=", "t0,dst_port=", "t0,ifindex="]),
        ("add-if dp0 t0,type=vxlan,d", ["t0,type=vxlan,dst_port="]),
        ("add-if dp0 t0,type=vxlan,t", []),
        ("add-if dp0 v0 i0,type=in", ["i0,type=internal"]),
        ("add-if dp0 d0,port_no=5,type=d", []),
        ("add-dp netdev@br0 d0,port_no=5,type=d", ["d0,port_no=5,type=dummy"]),
        ("add-if dp0 t0,port_no=", []),
        ("lab ls ", [":files"]),
    ],
)
def test_words(br0: str, line: str, found: list[str]) -> None:
    assert values(line) == found


def test_devices_of_the_host() -> None:
    assert "lo" in values("add-if dp0 ")
    assert "lo" in values("switch dp0 l")


def test_the_hidden_entry_prints_what_fits(br0: str, run: Run) -> None:
    assert run("__complete", "--", "del-if", br0, "h") == (0, "h1\tport 1, system\nh2\tport 2, system\n", "")
    assert run("__complete", "--", "add-flows", br0, "fl") == (0, ":files\n", "")
    assert run("__complete", "--", "show", "--json", "x") == (0, "", "")


def test_without_a_datapath_there_is_nothing_and_no_complaint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPIF_SOCKET", "/nowhere/dpif.sock")
    assert run("__complete", "--", "del-if", "netdev@br0", "") == (0, "", "")


def test_a_shell_that_we_do_not_know(run: Run) -> None:
    assert run("completion", "csh") == (
        1,
        "",
        "dpif: no completion for csh; there is one for bash, zsh, fish\n",
    )


STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source ./_dpif"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; source ./_dpif"),
    "zsh, by its path": (["zsh", "-f", "-i"], "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D"),
}
"""How the shells that are typed into are started, and get to know our script."""


@pytest.fixture
def at_work(br0: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go to a directory with our script for a shell as _dpif and with flows.txt; ``dpif`` is in the path."""

    def go(shell: str) -> None:
        if shutil.which(shell) is None and not os.environ.get("CI"):
            pytest.skip(f"{shell} is not installed")
        (tmp_path / "_dpif").write_text(run("completion", shell).stdout)
        (tmp_path / "flows.txt").write_text("in_port(1),eth(),eth_type(0x0806),arp() 2\n")
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.chdir(tmp_path)

    return go


LINES = {
    "dpif cache-g\tnetd\t": "masks-cache: size:",
    "dpif show --stat\tnetdev@\t": "errors  drops",
    "dpif get-flow netdev@br0 uf\t00000000-0000-0000-0000-000000000000": "No such file",
    "dpif add-flows netdev@br0 fl\t; dpif dump-flows netdev@br0 fil\t'packets == 0'": "actions:h2",
    "dpif show --color=alw\t": "\x1b[1m  port  name  type\x1b[0m",
    "dpif add-if netdev@br0 t1,ty\tdum\t; dpif show ": "t1    dummy",
    "dpif del-if netdev@br0 h2\t; dpif show ": "1  h1    system\r\nmade",
}
"""Lines typed with the key TAB, and what is printed when it did what it should."""


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("start", STARTS)
def test_typing(at_work: Callable[[str], None], start: str, line: str) -> None:
    arguments, first = STARTS[start]
    at_work(arguments[0])
    assert LINES[line] in type_into(arguments, f"{first}\n{line}; echo ma''de\n", until="made\r\n")


def type_into(arguments: list[str], text: str, until: str) -> str:
    """Type into a program on a terminal; return what it wrote when `until` has come."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(arguments[0], arguments)
    written = b""
    deadline = time.monotonic() + PATIENCE
    try:
        os.write(terminal, text.encode())
        while until.encode() not in written:
            ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, written.decode(errors="replace")
            written += os.read(terminal, 4096)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return written.decode(errors="replace")


def test_fish(at_work: Callable[[str], None]) -> None:
    at_work("fish")
    assert ask_fish("dpif del-d") == ["del-dp\tdelete a datapath, its flows and its ports"]
    assert ask_fish("dpif show net") == ["netdev@br0"]
    assert ask_fish("dpif del-if netdev@br0 h") == ["h1\tport 1, system", "h2\tport 2, system"]
    assert ask_fish("dpif show --stat") == ["--statistics\tprint statistics, too"]
    assert ask_fish("dpif add-flows netdev@br0 fl") == ["flows.txt"]


def ask_fish(line: str) -> list[str]:
    """Return what fish would complete a line to."""
    arguments = ["fish", "-c", f"source _dpif; complete -C {shlex.quote(line)}"]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
