"""From a command line to a command, its words and its options.

Options may stand before, between and behind the words, as GNU's ``getopt_long`` has it; ``--`` ends them. A long
one may be shortened as long as it is plain which one is meant, short ones may be joined (``-st5``). This file knows
the two tables and no handler.

It takes two steps, since the command that says which options there are may stand behind them: `split` tells words
and options apart by the table of all options, `read` looks the options up among those of the command.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace

from dpif._typing import NamedTuple
from dpif.cli.command import Command
from dpif.cli.command_table import BY_NAME
from dpif.cli.errors import CommandError, UsageError
from dpif.cli.options import ALL, GENERAL, LOGGING, SHARED, Option

Flags = dict[str, Option]
Switch = tuple[str, str | None]
"""An option as it was written, a long one perhaps shortened, and its value; None where it has none."""

_SLIP = 0.8
"""How like an option a word is that is this option with a letter wrong."""
_BY_FLAG = {flag: option for option in ALL.values() for flag in option.flags}
_OF_ALL = {flag: option for option in (SHARED | GENERAL | LOGGING).values() for flag in option.flags}
"""Those that every command takes: what is short for one is not for another of a single command."""


class Invocation(NamedTuple):
    """A parsed command line; ``command`` is None when none was named.

    ``options`` has the key of each option that the command accepts, with its default where it was not given.
    """

    command: Command | None
    words: list[str]
    options: SimpleNamespace


def parse(argv: Sequence[str]) -> Invocation:
    """Return what a command line asks for; raise `UsageError`, or `CommandError` for an unknown command."""
    words, switches = split(argv)
    command = BY_NAME.get(words[0]) if words else None
    options, mistakes = read(switches, command)
    if options.help and words:
        command = find(words[0])
    if options.help or options.version:
        return Invocation(command, words[1:], options)
    if mistakes:
        raise UsageError(mistakes[0] + see_help(command))
    if not words:
        raise UsageError("missing command name; use --help for help")
    command = find(words[0])
    _check_count(command, words[1:])
    return Invocation(command, words[1:], options)


def find(name: str) -> Command:
    """Return the command of a name; raise `CommandError`."""
    if name not in BY_NAME:
        from dpif.cli.strangers import owner_of_command

        known = owner_of_command(name) or _did_you_mean(_harmless(name))
        raise CommandError(f"unknown command '{name}'{known}; use --help for help")
    return BY_NAME[name]


def split(argv: Sequence[str]) -> tuple[list[str], list[Switch]]:
    """Return the words, the command's name first, and the options."""
    words: list[str] = []
    switches: list[Switch] = []
    rest = iter(argv)
    for argument in rest:
        if argument == "--":
            words.extend(rest)
        elif argument == "-" or not argument.startswith("-"):
            words.append(argument)
            if len(words) == 2 and words[0] in BY_NAME and BY_NAME[words[0]].verbatim:
                words.extend(rest)
        elif argument.startswith("--"):
            switches.append(_split_long(argument, rest))
        else:
            switches.extend(_split_short(argument, rest))
    return words, switches


def _split_long(argument: str, rest: Iterator[str]) -> Switch:
    flag, equals, value = argument.partition("=")
    if equals:
        return flag, value
    meant = matching(flag, _OF_ALL) or matching(flag, _BY_FLAG)
    takes_next = bool(meant) and all(option.takes_next for option in meant.values())
    return flag, next(rest, None) if takes_next else None


def _split_short(argument: str, rest: Iterator[str]) -> Iterator[Switch]:
    for position, letter in enumerate(argument[1:], 2):
        option = _BY_FLAG.get(f"-{letter}")
        if option is not None and option.metavar:
            yield f"-{letter}", argument[position:] or (next(rest, None) if option.takes_next else None)
            return
        yield f"-{letter}", None


def accepted(command: Command | None) -> Flags:
    """Return the options that a command takes, its own first; without a command, those that all take."""
    own = () if command is None else command.options
    options = {key: ALL[key] for key in own} | SHARED | GENERAL | LOGGING
    return {flag: option for option in options.values() for flag in option.flags}


def matching(flag: str, flags: Flags) -> Flags:
    """Return those of `flags` that a flag as it was written may mean."""
    if flag in flags:
        return {flag: flags[flag]}
    if not flag.startswith("--"):
        return {}
    return {long: option for long, option in flags.items() if long.startswith(flag)}


def read(switches: Iterable[Switch], command: Command | None) -> tuple[SimpleNamespace, list[str]]:
    """Return the options of a command as the switches set them, and what is wrong with these."""
    flags = accepted(command)
    options = SimpleNamespace(**{option.key: option.default for option in flags.values()})
    mistakes: list[str] = []
    for flag, value in switches:
        meant = matching(flag, flags)
        mistake = _mistake(flag, value, meant) if meant else _unknown(flag, flags)
        if mistake:
            mistakes.append(mistake)
        else:
            _apply(next(iter(meant.values())), value, options)
    return options, mistakes


def _unknown(flag: str, flags: Flags) -> str:
    """Return what is wrong with an option that is not one of the command's `flags`, and the closest of these."""
    from dpif.cli import strangers  # for a mistake alone

    if not flag.startswith("--"):
        return f"invalid option -- '{flag[1:]}'{strangers.owner_of_option(flag)}"
    known = strangers.owner_of_option(flag) or _owner(flag)
    return f"unrecognized option '{flag}'{known or _did_you_mean(_misspelled(flag, flags))}"


def _harmless(name: str) -> str:
    """Return the command that `name` is most like, unless it is one that changes something or always fails."""
    close = _closest(name, BY_NAME)
    return close if close and not BY_NAME[close].writes and not BY_NAME[close].refused else ""


def _misspelled(flag: str, flags: Flags) -> str:
    """Return the one of `flags` of which an unknown one is a slip of the pen, never one of another meaning.

    ``--no-x`` is the contrary of ``--x``, and nobody means an option that does nothing.
    """
    of_no_effect = {id(option) for key, option in LOGGING.items() if key != "verbose"}
    denies = flag.startswith("--no-")
    alike = [
        long
        for long, option in flags.items()
        if long.startswith("--") and long.startswith("--no-") == denies and id(option) not in of_no_effect
    ]
    close = _closest(flag.removeprefix("--"), [long.removeprefix("--") for long in alike], _SLIP)
    return f"--{close}" if close else ""


def _mistake(flag: str, value: str | None, meant: Flags) -> str:
    """Return what is wrong with an option, in the words of ``getopt_long``; nothing if it is right."""
    if len(meant) > 1:
        return f"option '{flag}' is ambiguous; possibilities: {' '.join(meant)}"
    ((full, option),) = meant.items()
    if option.takes_next and value is None:
        return f"option '{full}' requires an argument ({option.metavar})"
    if not option.metavar and value is not None:
        return f"option '{full}' doesn't allow an argument"
    return ""


def _apply(option: Option, value: str | None, options: SimpleNamespace) -> None:
    before = getattr(options, option.key)
    match option.action:
        case "set" | "yes" | "no":
            after: object = option.action != "no"
        case "count":
            after = (before or 0) + 1
        case "append":
            after = [*(before or ()), value]
        case _:
            after = value
    setattr(options, option.key, after)


def see_help(command: Command | None) -> str:
    """Return where to read about the options of a command."""
    return f"; see 'dpif {command.name} --help'" if command else "; use --help for help"


def _check_count(command: Command, words: Sequence[str]) -> None:
    """Raise unless the command takes so many words."""
    count = len(words)
    if count < command.least:
        problem = f"requires at least {command.least} arguments"
    elif count > command.most:
        problem = f"takes at most {command.most} arguments"
    else:
        return
    raise UsageError(f"'{command.name}' command {problem}{_whose_words(words)}; {command.synopsis}")


def _whose_words(words: Sequence[str]) -> str:
    """Return what is said of a flow with its actions in one word, as ``ovs-ofctl`` takes it."""
    if not any("actions=" in word for word in words):
        return ""
    from dpif.odp.openflow import openflow_mistake

    mistake = openflow_mistake(words[-1], None)
    return f"; {mistake.reason}; {mistake.hint}" if mistake else ""


def _owner(flag: str) -> str:
    """Return whose option it is, if it is one of other commands."""
    option = _BY_FLAG.get(flag)
    names = [one.name for one in BY_NAME.values() if any(ALL[key] is option for key in one.options)]
    return f" (it is one of {', '.join(names)})" if names else ""


def _closest(text: str, possible: Iterable[str], likeness: float = 0.6) -> str:
    from dpif.odp.model.spelling import closest  # for a mistake alone

    return closest(text, possible, likeness)


def _did_you_mean(close: str) -> str:
    return f" (did you mean '{close}'?)" if close else ""
