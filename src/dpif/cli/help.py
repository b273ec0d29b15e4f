"""The help of a command, and of them all, written from the tables of commands and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dpif.cli.commands import COMMANDS, Command
from dpif.cli.options import ALL, GENERAL, SHARED, Option

_COLUMN = 30
"""Where the texts of options begin."""


def help_text(command: Command | None) -> str:
    """Return the help of a command, or of them all."""
    return "\n\n".join(_overview() if command is None else _single(command)) + "\n"


def _overview() -> Iterator[str]:
    yield "usage: dpif [options] command [argument...]"
    yield "The Open vSwitch datapath, from the command line."
    for topic in dict.fromkeys(command.topic for command in COMMANDS):
        rows = [command for command in COMMANDS if command.topic == topic]
        yield "\n".join([f"{topic}:", *[f"  {row.name:<22} {row.summary}" for row in rows]])
    yield _option_lines([*SHARED.values(), *GENERAL.values()])
    yield "'dpif help COMMAND' says more about a command, with examples."


def _single(command: Command) -> Iterator[str]:
    yield f"usage: dpif {command.name} [options] {plain_usage(command)}".rstrip()
    yield f"{command.summary.capitalize()}."
    if command.details:
        yield command.details
    yield _option_lines(shown_options(command))
    yield "\n".join(["examples:", *[f"  {example}" for example in command.examples]])


def plain_usage(command: Command) -> str:
    """Return the words that follow a command's name, without its options."""
    return re.sub(r"\[-[^]]*\] ?", "", command.usage)


def shown_options(command: Command) -> list[Option]:
    """Return the options that mean something to a command, its own first."""
    return [ALL[key] for key in command.options] + [o for key, o in GENERAL.items() if key not in command.options]


def _option_lines(options: Iterable[Option]) -> str:
    return "\n".join(["options:", *[f"  {option.synopsis:<{_COLUMN - 3}} {option.help}" for option in options]])
