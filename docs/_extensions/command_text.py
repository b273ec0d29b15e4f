"""The command line's reference as reStructuredText, from its tables of commands and of options.

`command_table.py` gives it to Sphinx, `man_page.py` makes the manual page of it. Must not need Sphinx: the package is
built without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpif.cli.command import TOPICS, Command
from dpif.cli.command_table import COMMANDS
from dpif.cli.help import paragraphs, plain_usage, sentence
from dpif.cli.options import ALL, GENERAL, SHARED, Option


def all_commands(*, with_pictures: bool = False) -> Iterator[str]:
    """Write all commands, a section for each topic; where wanted with the pictures of `command_pictures.py`."""
    for topic in TOPICS:
        yield from (topic, "~" * len(topic), "")
        for command in COMMANDS:
            if command.topic == topic:
                yield from _command(command, with_pictures)


def _command(command: Command, with_pictures: bool) -> Iterator[str]:
    """Write one command as an entry of a definition list: its words, what it does, its options, its examples."""
    yield f"**{command.name}** {_escaped(plain_usage(command))}".rstrip()
    body = [_escaped(sentence(command)), "", *_details(command.details)]
    own = [ALL[key] for key in command.options]
    body += [*described(own), *_verbatim(command.examples)]
    body += [f".. dpif-picture:: {command.name}", ""] if with_pictures else []
    yield from (f"    {line}".rstrip() for line in body)


def _details(text: str) -> Iterator[str]:
    """Write a text of the help: what is indented there stays as it is, the rest are paragraphs."""
    for stays, lines in paragraphs(text):
        if not stays:
            yield from map(_escaped, lines)
            yield ""
        elif any(lines):
            yield from _verbatim([line.strip() for line in lines])


def shared_options() -> Iterator[str]:
    """Write the options that every command takes."""
    return described((GENERAL | SHARED).values())


def described(options: Iterable[Option]) -> Iterator[str]:
    """Write options as a definition list."""
    for option in options:
        flags = ", ".join(f"**{flag}**" for flag in option.flags)
        yield from (f"{flags} {_escaped(option.metavar)}".rstrip(), f"    {_escaped(option.help)}", "")


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (".. code-block:: text", "", *[f"  {line}" for line in lines], "")


def _escaped(text: str) -> str:
    """Return a text in which nothing is markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_|" else letter for letter in text)
