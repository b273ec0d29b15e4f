"""Completion in a shell: what may stand where the cursor is.

``dpif completion SHELL`` prints a script (`dpif/_data/completion`), which asks ``dpif __complete -- WORD... CURRENT``
each time: the words before the cursor, and the one that it is in. The answer is a candidate a line, with a tab and a
few words on it behind; the line ``:files`` stands for the names of files, which the shell knows better. A candidate
that ends in ``=``, ``:`` or ``@`` is to be continued.

Which words a command takes is read off its usage in the table of commands. This file knows where the values of a
word come from, and no shell.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import dpif
from dpif.cli.arguments import accepted, matching, split
from dpif.cli.command import Command
from dpif.cli.command_table import BY_NAME, COMMANDS
from dpif.cli.help import plain_usage, shown_options
from dpif.cli.options import GENERAL, SHARED, Option
from dpif.cli.output.colour import WHEN
from dpif.errors import DpifError

SHELLS = ("bash", "zsh", "fish")
FILES = (":files", "")
_VALUES_OF_FILES = ("FILE", "PATH")

# Where the table's usage says less than can be known.
_USAGES = {
    "add-dp": "new [device...]",
    "add-if": "dp device...",
    "del-if": "dp removable...",
    "set-if": "dp port...",
    "switch": "dp device...",
    "upcalls": "dp port...",
    "psample": "[new]",
    "help": "name...",
    "get-flow": "[dp] ufid:",
    "del-flow": "[dp] ufid:",
    "cache-set-size": "dp masks-cache size",
    "normalize-actions": "flow actions",
}
_SETTINGS = ("type", "port_no", "dst_port", "ifindex")
"""Of an interface."""
_TYPES = {
    "system": "a device that exists",
    "internal": "a new device",
    "vxlan": "a tunnel",
    "geneve": "a tunnel",
    "gre": "a tunnel",
    "vport-vxlan": "a tunnel under the name given",
    "vport-geneve": "a tunnel under the name given",
    "vport-gre": "a tunnel under the name given",
}
_TYPES_IN_USER_SPACE = _TYPES | {"tap": "a new TAP device", "dummy": "packets from and to files"}
_LITERALS = {"default", "masks-cache", "ufid:", "v4", "v6", "verbose", *SHELLS}
"""Words of a usage that are meant as they are written."""

Candidate = tuple[str, str]
"""What may stand there, and a few words about it."""


def print_candidates(argv: Sequence[str]) -> int:
    """Print what may stand in place of the last of `argv`, whose others stand before it; return the exit status."""
    *before, current = argv[1:] if argv[:1] == ["--"] else argv
    for text, about in candidates(before, current):
        if text.startswith(current) or (text, about) == FILES:
            sys.stdout.write(f"{text}\t{about}\n" if about else f"{text}\n")
    sys.stdout.flush()
    return 0


def candidates(before: Sequence[str], current: str) -> Iterable[Candidate]:
    """Return what may stand behind the words `before`, whether it begins like `current` or not."""
    words, switches = split(before)
    command = BY_NAME.get(words[0]) if words else None
    if switches and before[-1].startswith("-") and before[-1] != "--" and switches[-1][1] is None:
        meant = matching(switches[-1][0], accepted(command)).values()
        if meant and all(option.takes_next for option in meant):
            return [value for option in meant for value in _option_values(option, current, command)]
    if command is not None and command.verbatim and len(words) > 1:
        return [FILES]
    if current.startswith("-") and "--" not in before:
        return _joined_values(command, current) if "=" in current else _flags(command)
    if not words:
        return [(one.name, one.summary) for one in COMMANDS if not one.refused]
    return [] if command is None else _words(command, words[1:], current, _socket(switches))


def _flags(command: Command | None) -> list[Candidate]:
    options: Iterable[Option] = (SHARED | GENERAL).values() if command is None else shown_options(command)
    return [(option.flags[-1], option.help) for option in options]


def _joined_values(command: Command | None, current: str) -> list[Candidate]:
    """Return what may stand behind the = of an option; not files, since a shell would look for the whole word."""
    flag, _, typed = current.partition("=")
    meant = matching(flag, accepted(command)).values()
    values = [value for option in meant for value in _option_values(option, typed, command)]
    return [(f"{flag}={text}", about) for text, about in values if (text, about) != FILES]


def _option_values(option: Option, typed: str, command: Command | None) -> list[Candidate]:
    """Return the values of an option, of which so much is typed."""
    if option.metavar in _VALUES_OF_FILES:
        return [FILES]
    if option.key == "color":
        return [(when, "") for when in WHEN]
    if option.key == "output":
        from dpif.cli.formats import FORMATS

        return [(name, "") for name in FORMATS]
    if option.key == "kernel":
        from dpif.lab.kernels import NAMES

        return [(name, "") for name in NAMES]
    if option.key == "like":
        from dpif.odp.kernel.rules import KERNELS

        return [(name, "") for name in KERNELS]
    if option.key == "features":
        from dpif.cli.datapath_features import BY_WORD

        before, comma, _ = typed.rpartition(",")
        return [(f"{before}{comma}{word}", "") for word in BY_WORD]
    if option.key == "sort":
        before, comma, field = typed.rpartition(",")
        descends = "-" if field.startswith("-") else ""
        return [(f"{before}{comma}{descends}{name}", "") for name in _sorted_by(command)]
    return []


def _sorted_by(command: Command | None) -> Iterable[str]:
    """Return the fields that a command sorts by."""
    if command is not None and command.name == "dump-conntrack":
        from dpif.conntrack.order import FIELDS

        return FIELDS
    from dpif.odp.filter.fields import valued_names

    return valued_names()


def _socket(switches: Sequence[tuple[str, str | None]]) -> str | None:
    return next((value for flag, value in switches if flag == "--socket"), None)


def _words(command: Command, given: Sequence[str], current: str, socket: str | None) -> Iterator[Candidate]:
    """Return what a command may take behind the words `given`."""
    for kind in _kinds(_USAGES.get(command.name, plain_usage(command)), len(given)):
        for alternative in kind.split("|"):
            yield from _values(alternative, given, current, socket)


def _kinds(usage: str, count: int) -> list[str]:
    """Return which words of a usage may stand behind `count` others.

    Those in brackets may have been left out, those with dots may be repeated.
    """
    kinds = usage.split()
    places = {0}
    for _ in range(count):
        places = {
            place + step for place in _open(kinds, places) for step in ((0, 1) if "..." in kinds[place] else (1,))
        }
    return [kinds[place].strip("[].") for place in _open(kinds, places)]


def _open(kinds: Sequence[str], places: set[int]) -> list[int]:
    """Return the places of `kinds` that a word may fill when one of `places` is the next."""
    possible = set(places)
    for place, kind in enumerate(kinds):
        if place in possible and kind.startswith("["):
            possible.add(place + 1)
    return sorted(place for place in possible if place < len(kinds))


def _values(kind: str, given: Sequence[str], current: str, socket: str | None) -> Iterable[Candidate]:
    """Return the values of a word of a usage."""
    name, equals, _ = kind.partition("=")
    if name == "filter" and current.startswith("filter="):
        return _fields(current)
    if equals:
        return [(f"{name}=", "")]
    match kind:
        case "dp":
            return _datapaths(current, socket)
        case "port":
            return _ports(given[0], socket)
        case "removable":
            return _ports(given[0], socket, least=1)
        case "device" if "," in current:
            return _settings(given[0], current)
        case "device":
            return [(device, "") for device in sorted(os.listdir("/sys/class/net"))]
        case "new":
            return [("netdev@", "a datapath in user space")]
        case "file":
            return [FILES]
        case "packet":
            return [("pcap:", "the packets of a capture")]
        case "name":
            return [(one.name, one.summary) for one in COMMANDS]
    return [(kind, "")] if kind in _LITERALS else []


def _fields(current: str) -> list[Candidate]:
    """Return what may stand behind the last name of a filter that is being typed, with all that is in front of it."""
    from dpif.odp.filter.fields import valued_names

    before = current[: len(current) - len(re.split(r"[=,(!&| ]", current)[-1])]
    return [(f"{before}{name}", "") for name in valued_names()]


def _settings(datapath: str, current: str) -> list[Candidate]:
    """Return what may stand behind the last comma of an interface, with all that is in front of it."""
    before, _, setting = current.rpartition(",")
    name, equals, _ = setting.partition("=")
    if not equals:
        return [(f"{before},{key}=", "") for key in _SETTINGS if f",{key}=" not in before]
    types = _TYPES_IN_USER_SPACE if datapath.startswith("netdev@") else _TYPES
    return [(f"{before},type={type_}", about) for type_, about in types.items()] if name == "type" else []


def _datapaths(current: str, socket: str | None) -> list[Candidate]:
    """Return the datapaths, those of the kernel by their bare names until the word has a type."""
    try:
        names = sorted(dpif.datapaths(socket=socket))
    except (DpifError, OSError):
        return []
    return [(name if "@" in current else name.removeprefix("system@"), "") for name in names]


def _ports(datapath: str, socket: str | None, least: int = 0) -> list[Candidate]:
    """Return the ports of a datapath from number `least` on; 0 is the local one, which goes with its datapath."""
    try:
        with dpif.open(datapath, socket=socket) as dp:
            return [(port.name, f"port {port.number}, {port.type}") for port in dp.ports if port.number >= least]
    except (DpifError, OSError):
        return []
