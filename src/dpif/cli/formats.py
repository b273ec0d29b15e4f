"""What ``--output`` may say, and what that means for a command.

It is one name for what ``--json``, ``--json-lines`` and ``--wide`` say by themselves, and for two more: ``table``,
what a terminal gets, for a pipe as well, and ``csv``, for spreadsheets.
"""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING
from dpif.cli.errors import UsageError

if TYPE_CHECKING:
    from types import SimpleNamespace

    from dpif.cli.command import Command

FORMATS = ("table", "wide", "csv", "json", "json-lines")


def settle(command: Command, options: SimpleNamespace) -> None:
    """Let the options say what ``--output`` does; raise `UsageError` for what the command has not."""
    if options.output is not None:
        if options.output not in FORMATS:
            raise UsageError(f"--output takes {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not '{options.output}'")
        if (options.json, options.json_lines) != (False, False) and not options.output.startswith("json"):
            raise UsageError(f"--json and --output {options.output} are two formats; give one")
        options.json |= options.output == "json"
        options.json_lines |= options.output == "json-lines"
        options.wide |= options.output == "wide"
    if command.text_only and (options.json or options.json_lines):
        raise UsageError(f"'{command.name}' command prints text, and has no JSON")
    if options.output == "csv":
        _check_csv(command, options)


def _check_csv(command: Command, options: SimpleNamespace) -> None:
    from dpif.cli.output.csv import COLUMNS

    if command.name not in COLUMNS:
        raise UsageError(f"'{command.name}' command has no CSV; these have: {', '.join(COLUMNS)}")
    if getattr(options, "tree", False):
        raise UsageError("a tree is no table: --tree has no CSV; --output json tells it")
