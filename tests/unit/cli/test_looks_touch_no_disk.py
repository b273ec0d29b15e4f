"""Commands that look make no file anywhere, remove none and open none for writing: seen by ``strace``."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from dpif.cli.command_table import COMMANDS

from .command_line import command_line
from .examples import examples

RUNS_FOR_LONG = {"psample", "lab", "demo", "play", "batch"}
LOOKS = [
    words
    for command in COMMANDS
    if not command.writes and "refusals:" not in command.handler and command.name not in RUNS_FOR_LONG
    for words in examples(command)
]
"""The examples of each command of the table that only looks."""
CHANGES = re.compile(
    r"^(?:\[pid +\d+\] )?(?:mkdir|rmdir|unlink|rename|link|symlink|mknod|creat|truncate|chmod|chown|utime)\w*\("
    r"|O_(?:CREAT|TRUNC|WRONLY|RDWR|TMPFILE)",
    re.M,
)
HARMLESS = re.compile(r'"/dev/(?:null|tty|pts/\d+)"')


@pytest.mark.usefixtures("br0")
@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_a_look_touches_no_disk(words: tuple[str, ...], tmp_path: Path) -> None:
    calls = traced(tmp_path, *words)
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
