"""Examples of the table of commands that need no kernel, run as they stand there; `tests/kernel` runs them all."""

from __future__ import annotations

import shlex

import pytest

from dpif.cli.command_table import COMMANDS

from .conftest import Run

NEED_A_KERNEL = ("Programs", "Connections", "Refused")
"""Topics whose commands concern the kernel, or run for long; and dp0 is one of the kernel's."""

EXAMPLES = [
    example
    for command in COMMANDS
    if not command.topic.startswith(NEED_A_KERNEL)
    for example in command.examples
    if "dp0" not in shlex.split(example)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(request: pytest.FixtureRequest, run: Run, example: str) -> None:
    _, *words = shlex.split(example)
    request.getfixturevalue("system" if "add-dp" in words else "br0")
    done = run(*words)
    assert (done.status, done.stderr) == (0, "")
