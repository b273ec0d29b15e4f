"""From a command line to a command, its words and its options.

Options may stand before, between and behind the words, as GNU tools have it; ``--`` ends them. Words and options
are told apart here, by the table of options; argparse, with the parser of the one command that is run, reads the
options. This file knows the two tables and no handler.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from dpif.cli.commands import BY_NAME, COMMANDS, Command
from dpif.cli.errors import CommandError, UsageError
from dpif.cli.options import ALL, GENERAL, SHARED, Option

_BY_FLAG = {flag: option for option in ALL.values() for flag in option.flags}


class Invocation(NamedTuple):
    """A parsed command line; ``command`` is None when none was named."""

    command: Command | None
    words: list[str]
    options: argparse.Namespace


def parse(argv: Sequence[str]) -> Invocation:
    """Return what a command line asks for; raise `UsageError`, or `CommandError` for an unknown command."""
    words, switches = split(argv)
    command = BY_NAME.get(words[0]) if words else None
    options, unknown = build_parser(command).parse_known_args(switches)
    if options.help or options.version:
        return Invocation(command, words[1:], options)
    if unknown:
        raise UsageError(_unrecognized(unknown[0]) + see_help(command))
    if not words:
        raise UsageError("missing command name; use --help for help")
    command = find(words[0])
    _check_count(command, len(words) - 1)
    return Invocation(command, words[1:], options)


def find(name: str) -> Command:
    """Return the command of a name; raise `CommandError`."""
    if name not in BY_NAME:
        raise CommandError(f"unknown command '{name}'{_closest(name, BY_NAME)}; use --help for help")
    return BY_NAME[name]


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words, the command's name first, and the options with their values."""
    words: list[str] = []
    switches: list[str] = []
    rest = iter(argv)
    for argument in rest:
        if argument == "--":
            words.extend(rest)
        elif argument == "-" or not argument.startswith("-"):
            words.append(argument)
            if len(words) == 2 and words[0] in BY_NAME and BY_NAME[words[0]].verbatim:
                words.extend(rest)
        else:
            switches.append(argument)
            if _wants_next(argument):
                switches.extend(value for value in [next(rest, None)] if value is not None)
    return words, switches


def _wants_next(argument: str) -> bool:
    """Tell whether the argument behind this option is its value."""
    if argument.startswith("--"):
        if "=" in argument:
            return False
        options = [_BY_FLAG[argument]] if argument in _BY_FLAG else _abbreviated(argument)
        return bool(options) and all(option.takes_value for option in options)
    for position, letter in enumerate(argument[1:], 2):
        option = _BY_FLAG.get(f"-{letter}")
        if option is not None and option.metavar:
            return option.takes_value and position == len(argument)
    return False


def _abbreviated(argument: str) -> list[Option]:
    return [option for flag, option in _BY_FLAG.items() if flag.startswith(argument)]


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Texts as they are, and each option on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def build_parser(command: Command | None) -> argparse.ArgumentParser:
    """Return the parser of the options of `command`, or of those that all commands have."""
    own = () if command is None else command.options
    parser = _Parser(prog="dpif", add_help=False, formatter_class=_Layout)
    if command is not None:
        parser.prog = f"dpif {command.name}"
        words = re.sub(r"\[-[^]]*\] ", "", command.usage)
        parser.usage = f"dpif {command.name} [options] {words}".rstrip()
        parser.description = f"{command.summary.capitalize()}.\n\n{command.details}".rstrip()
        parser.epilog = "\n".join(["examples:", *[f"  {example}" for example in command.examples]])
    for key in own:
        _add(parser, ALL[key], shown=True)
    for key, option in (SHARED | GENERAL).items():
        if key not in own:
            _add(parser, option, shown=key in GENERAL or (command is None and not option.help.startswith("accepted")))
    return parser


def _add(parser: argparse.ArgumentParser, option: Option, *, shown: bool) -> None:
    settings: dict[str, object] = {"action": option.action, "help": option.help if shown else argparse.SUPPRESS}
    if option.metavar:
        settings["metavar"] = option.metavar
    if option.optional:
        settings["nargs"] = "?"
    if option.key:
        settings |= {"dest": option.key, "default": None}
    parser.add_argument(*option.flags, **settings)  # type: ignore[arg-type]  # the table's entries fit together


def help_text(command: Command | None) -> str:
    """Return the help of a command, or of them all."""
    parser = build_parser(command)
    if command is None:
        parser.usage = "dpif [options] command [argument...]"
        parser.description = "\n\n".join(["The Open vSwitch datapath, from the command line.", *_overview()])
        parser.epilog = "'dpif help COMMAND' says more about a command, with examples."
    return parser.format_help()


def _overview() -> Iterable[str]:
    for topic in dict.fromkeys(command.topic for command in COMMANDS):
        rows = [command for command in COMMANDS if command.topic == topic]
        yield "\n".join([f"{topic}:", *[f"  {row.name:<22} {row.summary}" for row in rows]])


def see_help(command: Command | None) -> str:
    """Return where to read about the options of a command."""
    return f"; see 'dpif {command.name} --help'" if command else "; use --help for help"


def _check_count(command: Command, count: int) -> None:
    """Raise unless the command takes so many words."""
    if count < command.least:
        problem = f"requires at least {command.least} arguments"
    elif count > command.most:
        problem = f"takes at most {command.most} arguments"
    else:
        return
    raise UsageError(f"'{command.name}' command {problem}; {command.synopsis}")


def _unrecognized(argument: str) -> str:
    if argument.startswith("--"):
        flag = argument.partition("=")[0]
        return f"unrecognized option '{flag}'{_closest(flag, _BY_FLAG)}"
    return f"invalid option -- '{argument[1:2]}'"


def _closest(text: str, possible: Iterable[str]) -> str:
    import difflib  # costs more than all of the above, and only a mistake needs it

    close = difflib.get_close_matches(text, list(possible), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
