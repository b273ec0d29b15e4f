"""Commands that need no datapath: help, the list of commands, completion, and actions parsed and printed again."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif._version import __version__
from dpif.cli.arguments import find
from dpif.cli.command import MANY, Command
from dpif.cli.command_table import COMMANDS
from dpif.cli.errors import CommandError
from dpif.cli.help import help_text, shown_options

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.odp.actions import Actions


def help_(context: Context) -> None:
    """Show the help of each command named, or of all."""
    named = [find(word) for word in context.words]
    if context.wants_data:
        context.print_all("commands", map(Entry, named or COMMANDS))
    else:
        text = "\n".join([help_text(command) for command in named]) if named else help_text(None)
        context.print_lines(text.splitlines())


def version(context: Context) -> None:
    """Show the version."""
    context.print(Version(__version__))


class Version(NamedTuple):
    """The version of dpif."""

    dpif_version: str

    def lines(self) -> Iterator[str]:
        """Return the program's name and its version."""
        yield f"dpif {self.dpif_version}"

    def data(self) -> dict[str, object]:
        """Return it."""
        return self._asdict()


def list_commands(context: Context) -> None:
    """List the commands with their arguments."""
    if not context.wants_data:
        context.print_lines(["The available commands are:"])
    context.print_all("commands", map(Entry, COMMANDS))


class Entry(NamedTuple):
    """An entry of the table of commands."""

    command: Command

    def lines(self) -> Iterator[str]:
        """Return its line in the list."""
        yield f"  {self.command.name:<23} {self.command.usage}"

    def data(self) -> dict[str, object]:
        """Return the entry, with the options that mean something to the command."""
        command = self.command
        return {
            "name": command.name,
            "usage": command.usage,
            "min_arguments": command.least,
            "max_arguments": None if command.most == MANY else command.most,
            "summary": command.summary,
            "details": command.details,
            "topic": command.topic,
            "examples": command.examples,
            "writes": command.writes,
            "json": not command.text_only,
            "options": [
                {"flags": option.flags, "value": option.metavar or None, "help": option.help}
                for option in shown_options(command)
            ],
        }


def parse_actions(context: Context) -> None:
    """Parse actions and print them; stop at the first that are wrong."""
    from dpif.cli.commands.flow_texts import read_actions

    parsed = (read_actions(text, "odp_actions_from_string") for text in context.words)
    context.print_all("parsed", map(Parsed, parsed))


class Parsed(NamedTuple):
    """Actions that were read."""

    actions: Actions

    def lines(self) -> Iterator[str]:
        """Return their text."""
        yield self.actions.format()

    def data(self) -> dict[str, object]:
        """Return their text, and each by itself."""
        from dpif.cli.output.flow_data import actions_data

        return actions_data(self.actions)


def completion(context: Context) -> None:
    """Print the script that a shell reads to complete our command lines."""
    from importlib import resources

    from dpif.cli.completion import SHELLS

    (shell,) = context.words
    if shell not in SHELLS:
        raise CommandError(f"no completion for {shell}; there is one for {', '.join(SHELLS)}")
    context.print_lines(
        resources.files("dpif").joinpath("_data", "completion", f"dpif.{shell}").read_text().splitlines()
    )
