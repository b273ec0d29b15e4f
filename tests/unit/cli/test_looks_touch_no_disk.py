"""Commands that look make no file anywhere, remove none and open none for writing: seen by ``strace``."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from dpif.cli.command_table import COMMANDS

from .command_line import command_line

WORDS = {
    "show": ["-s", "netdev@br0"],
    "dump-dps": [],
    "dump-flows": ["-m", "netdev@br0"],
    "get-flow": ["netdev@br0", "ufid:00000000-0000-0000-0000-000000000001"],
    "dump-conntrack": ["netdev@br0"],
    "ct-stats-show": ["netdev@br0"],
    "ct-get-limits": ["netdev@br0"],
    "cache-get-size": ["netdev@br0"],
    "doctor": ["netdev@br0"],
    "parse-actions": ["push_vlan(vid=5,pcp=0),2"],
    "normalize-actions": ["eth(),eth_type(0x1234)", "2"],
    "completion": ["bash"],
    "help": [],
    "list-commands": [],
    "version": [],
}
"""What each command of the table that only looks is given."""
RUNS_FOR_LONG = {"upcalls", "psample", "lab", "demo", "batch"}
CHANGES = re.compile(
    r"^(?:\[pid +\d+\] )?(?:mkdir|rmdir|unlink|rename|link|symlink|mknod|creat|truncate|chmod|chown|utime)\w*\("
    r"|O_(?:CREAT|TRUNC|WRONLY|RDWR|TMPFILE)",
    re.M,
)
HARMLESS = re.compile(r'"/dev/(?:null|tty|pts/\d+)"')


def test_every_command_that_looks_is_here() -> None:
    looking = {command.name for command in COMMANDS if not command.writes and "refusals:" not in command.handler}
    assert looking - RUNS_FOR_LONG == WORDS.keys()


@pytest.mark.parametrize("name", WORDS)
def test_a_look_touches_no_disk(name: str, br0: str, tmp_path: Path) -> None:
    assert br0 == "netdev@br0"
    calls = traced(tmp_path, name, *WORDS[name])
    assert "execve(" in calls
    assert changes(calls) == []


def test_a_look_needs_no_directory_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it ask for one where the datapath is the kernel's by name."""
    monkeypatch.delenv("DPIF_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setenv("TMPDIR", "/nowhere/at/all")
    calls = traced(tmp_path, "show", "system@br0")
    assert "sendmsg(" in calls or "sendto(" in calls
    assert "/nowhere" not in calls
    for words in (("show", "netdev@br0"), ("dump-dps",)):
        calls = traced(tmp_path, *words)
        assert "/nowhere/at/all/dpif-" in calls
        assert changes(calls) == []


def changes(calls: str) -> list[str]:
    """Return those of the calls that change something on a disk."""
    return [line for line in calls.splitlines() if CHANGES.search(line) and not HARMLESS.search(line)]


def traced(tmp_path: Path, *words: str) -> str:
    """Run a command line; return its system calls that concern files and sockets."""
    record = tmp_path / "calls"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=%file,sendto,sendmsg,connect", "-o", record, *command_line(*words)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return record.read_text()
