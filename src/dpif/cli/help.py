"""The help of a command, and of them all, written from the tables of commands and options.

It is as wide as the terminal, 100 columns at most; 80 where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from dpif.cli.command import NAME, REFUSED, TOPICS, Command
from dpif.cli.command_table import COMMANDS
from dpif.cli.options import ALL, GENERAL, SHARED, Option

_NAMES = 25
"""Where the summaries of commands begin."""
_COLUMN = 30
"""Where the texts of options begin."""
_WIDEST = 100
"""Columns of the longest line that is easy to read."""

_USAGE = "usage: dpif [options] command [argument...]"
_FIRST_STEPS = """\
first steps:
  dpif doctor               # what is wrong, and what to do
  dpif show                 # all datapaths, with their ports
  dpif play                 # hosts and a switch to play with, without root
  dpif serve --detach       # serve datapaths that need no kernel, no root:
  dpif add-dp netdev@br0"""


def help_text(command: Command | None) -> str:
    """Return the help of a command, or of them all."""
    return "\n\n".join(_overview() if command is None else _single(command)) + "\n"


def introduction() -> str:
    """Return the short help, for who names no command."""
    return f"{_USAGE}\n\n{_FIRST_STEPS}\n\n'dpif help' lists the commands; 'dpif help COMMAND' says more about one.\n"


def _overview() -> Iterator[str]:
    yield _USAGE
    yield _filled(f"The Open vSwitch datapath, from the command line. {NAME}")
    yield _FIRST_STEPS
    for topic in TOPICS:
        rows = [command for command in COMMANDS if command.topic == topic]
        if topic == REFUSED:
            yield f"{topic}:\n" + _filled(", ".join(row.name for row in rows), "  ", "  ")
        else:
            yield "\n".join([f"{topic}:", *[_in_columns(row.name, row.summary, _NAMES) for row in rows]])
    yield _option_lines([*SHARED.values(), *GENERAL.values()])
    yield "'dpif help COMMAND' says more about a command, with examples."


def _single(command: Command) -> Iterator[str]:
    yield _filled(f"usage: dpif {command.name} [options] {plain_usage(command)}".rstrip(), later="    ")
    yield f"{sentence(command)}"
    if command.details:
        yield "\n".join(_details(command.details))
    yield _option_lines(shown_options(command))
    yield "\n".join(["examples:", *[f"  {example}" for example in command.examples]])


def sentence(command: Command) -> str:
    """Return what a command does, as a sentence."""
    return f"{command.summary[0].upper()}{command.summary[1:]}."


def plain_usage(command: Command) -> str:
    """Return the words that follow a command's name, without its options."""
    return re.sub(r"\[-[^]]*+\] ?", "", command.usage)


def shown_options(command: Command) -> list[Option]:
    """Return the options that mean something to a command, its own first."""
    return [ALL[key] for key in command.options] + [o for key, o in GENERAL.items() if key not in command.options]


def paragraphs(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield the parts of a command's details: True and lines that stay (empty, indented), False and a paragraph."""
    for stays, lines in groupby(text.splitlines(), key=lambda line: not line or line.startswith(" ")):
        yield stays, list(lines)


def _details(text: str) -> Iterator[str]:
    for stays, lines in paragraphs(text):
        if stays:
            yield from lines
        else:
            yield _filled(" ".join(lines))


def _option_lines(options: Iterable[Option]) -> str:
    return "\n".join(["options:", *[_in_columns(option.synopsis, option.help, _COLUMN) for option in options]])


def _in_columns(name: str, text: str, column: int) -> str:
    return _filled(text, f"  {name:<{column - 3}} ", " " * column)


def _filled(text: str, first: str = "", later: str = "") -> str:
    """Return `text` in lines that fit, behind what the first line and the later ones begin with."""
    import shutil
    import textwrap

    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return textwrap.fill(
        text,
        max(width, len(later) + 20),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
