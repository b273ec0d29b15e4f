"""A Sphinx extension that writes the command line's reference from its tables of commands and of options.

Directives: ``.. dpif-commands::`` for all commands by topic, ``.. dpif-options::`` for the options that all of them
take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dpif.cli.command_table import COMMANDS, TOPICS, Command
from dpif.cli.help import paragraphs, plain_usage, sentence
from dpif.cli.options import ALL, GENERAL, SHARED, Option


class Commands(SphinxDirective):
    """All commands, a section for each topic."""

    def run(self) -> list[nodes.Node]:
        """Return what the text of the table becomes."""
        return self.parse_text_to_nodes("\n".join(_topics()), allow_section_headings=True)


class Options(SphinxDirective):
    """The options that every command takes."""

    def run(self) -> list[nodes.Node]:
        """Return what the text of the table becomes."""
        return self.parse_text_to_nodes("\n".join(_options((GENERAL | SHARED).values())))


def _topics() -> Iterator[str]:
    for topic in TOPICS:
        yield from (topic, "~" * len(topic), "")
        for command in COMMANDS:
            if command.topic == topic:
                yield from _command(command)


def _command(command: Command) -> Iterator[str]:
    """Write one command as an entry of a definition list: its words, what it does, its options, its examples."""
    yield f"**{command.name}** {_escaped(plain_usage(command))}".rstrip()
    body = [_escaped(sentence(command)), "", *_details(command.details)]
    own = [ALL[key] for key in command.options]
    body += [*_options(own), *_verbatim(command.examples)]
    yield from (f"    {line}".rstrip() for line in body)


def _details(text: str) -> Iterator[str]:
    """Write a text of the help: what is indented there stays as it is, the rest are paragraphs."""
    for stays, lines in paragraphs(text):
        if not stays:
            yield from map(_escaped, lines)
            yield ""
        elif any(lines):
            yield from _verbatim([line.strip() for line in lines])


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        flags = ", ".join(f"**{flag}**" for flag in option.flags)
        yield from (f"{flags} {_escaped(option.metavar)}".rstrip(), f"    {_escaped(option.help)}", "")


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (".. code-block:: text", "", *[f"  {line}" for line in lines], "")


def _escaped(text: str) -> str:
    """Return a text in which nothing is markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_|" else letter for letter in text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives to Sphinx."""
    app.add_directive("dpif-commands", Commands)
    app.add_directive("dpif-options", Options)
    return {"parallel_read_safe": True}
