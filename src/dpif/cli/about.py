"""Commands that need no datapath: help, the list of commands, and actions parsed and printed again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dpif.cli.arguments import find
from dpif.cli.commands import COMMANDS
from dpif.cli.help import help_text

if TYPE_CHECKING:
    from dpif.cli.context import Context


def help_(context: Context) -> None:
    """Show the help of each command named, or of all."""
    commands = [find(word) for word in context.words]
    sys.stdout.write("\n".join([help_text(command) for command in commands]) if commands else help_text(None))


def list_commands(context: Context) -> None:
    """List the commands with their arguments."""
    context.print_lines(["The available commands are:"])
    context.print_lines(f"  {command.name:<23} {command.usage}" for command in COMMANDS)


def parse_actions(context: Context) -> None:
    """Parse actions and print them; stop at the first that are wrong."""
    from dpif.cli.flows import read_actions

    for text in context.words:
        context.print_lines([read_actions(text, "odp_actions_from_string").format()])
