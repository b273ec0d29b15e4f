"""The examples of those commands that boot a kernel; `tests/kernel/test_cli_examples.py` runs all others."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dpif.cli.command_table import BY_NAME

EXAMPLES = [
    pytest.param(example, marks=pytest.mark.qemu_host if "--qemu" in example else pytest.mark.lab, id=example)
    for name in ("lab", "demo")
    for example in BY_NAME[name].examples
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    words = shlex.split(example)[1:]
    command = [sys.executable, "-m", "dpif", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
