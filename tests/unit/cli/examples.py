"""The examples of the table of commands as words for the datapath that these tests have, `br0` of `conftest.py`."""

from __future__ import annotations

import shlex

from dpif.cli.command import Command

_HERE = {"dp0": "netdev@br0", "v0": "h1", "v1": "h2"}
"""What stands here for the kernel's datapath and its devices."""


def examples(command: Command) -> list[tuple[str, ...]]:
    """Return the words of each example."""
    return [tuple(_HERE.get(word, word) for word in shlex.split(example)[1:]) for example in command.examples]
