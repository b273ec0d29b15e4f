"""Files of flows: ``add-flows``, ``mod-flows`` and ``del-flows``, of any length, in constant memory.

A file is read as its bytes come, and the lines of one read make one batch; so a long file goes fast, and a program
that writes line after line into a pipe has each carried out at once. A line that fails is reported with its
number, the others are carried out.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dpif.cli.errors import CommandError, describe
from dpif.cli.flows import ASK_FOR_UFID, CounterLine, FlowReader

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.client.operations import Delete, Put, Result

_CHUNK = 65536
"""Bytes of one read; a few hundred lines."""
_COMMANDS = ("add", "delete", "modify")
_FAILURES = {"add": "updating flow table", "modify": "updating flow table", "delete": "deleting flow"}


def add_flows(context: Context) -> None:
    """Add the flows of a file, unless its lines say otherwise."""
    _process(context, "add")


def mod_flows(context: Context) -> None:
    """Change the flows of a file, unless its lines say otherwise."""
    _process(context, "modify")


def del_flows(context: Context) -> None:
    """Delete all flows; or those of a file, unless its lines say otherwise."""
    words = context.words
    if len(words) == 2 or (words and not context.names_datapath(words[0])):
        _process(context, "delete")
        return
    datapath, _ = context.open_optional(words, most=1)
    with datapath, context.failing("deleting all flows"):
        datapath.flows.flush()


def _process(context: Context, default: str) -> None:
    datapath, rest = context.open_optional(context.words, most=2)
    name = rest[0] if rest else context.words[0]
    with datapath, context.failing(f'Opening file "{name}" failed'):
        descriptor = sys.stdin.fileno() if name == "-" else os.open(name, os.O_RDONLY)
        try:
            reader = FlowReader(datapath)
            for chunk in _numbered_lines(descriptor):
                _carry_out(context, datapath, name, [_read(reader, default, *line) for line in chunk])
                sys.stdout.flush()  # whoever feeds a pipe may wait for the answers
        finally:
            if name != "-":
                os.close(descriptor)


def _numbered_lines(descriptor: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of each read with their numbers, without comments and lines that are blank."""
    number = 0
    partial = b""
    while chunk := os.read(descriptor, _CHUNK):
        *whole, partial = (partial + chunk).split(b"\n")
        yield list(_meaningful(whole, number))
        number += len(whole)
    yield list(_meaningful([partial], number))


def _meaningful(lines: Iterable[bytes], number: int) -> Iterator[tuple[int, str]]:
    for line in lines:
        number += 1
        text = line.partition(b"#")[0].decode(errors="replace").strip()
        if text:
            yield number, text


class _Line(NamedTuple):
    """What a line says: an operation, or why there is none."""

    number: int
    verb: str
    operation: Put | Delete | None = None
    failure: str = ""


def _read(reader: FlowReader, default: str, number: int, text: str) -> _Line:
    verb, flow, actions = split_line(text, default)
    if not flow or (verb == "delete") == bool(actions):
        return _Line(number, verb, failure=f"Failed parsing line number {number}, skipped!")
    try:
        if verb == "delete":
            return _Line(number, verb, reader.delete(flow))
        return _Line(number, verb, reader.put(flow, actions, create=verb == "add", modify=verb == "modify"))
    except CommandError as error:
        return _Line(number, verb, failure=str(error))


def split_line(text: str, default: str) -> tuple[str, str, str]:
    """Return what to do (a first word that starts one of the commands, else `default`), the flow and actions."""
    first = text.split(maxsplit=1)[0].partition(",")[0]
    verb = next((command for command in _COMMANDS if first and command.startswith(first)), None)
    flow, _, actions = (text.removeprefix(first).strip() if verb else text).partition(" ")
    return verb or default, flow, actions.strip()


def _carry_out(context: Context, datapath: Datapath, file: str, lines: list[_Line]) -> None:
    """Carry out the operations of lines as one batch, and report in the order of the lines."""
    results = iter(
        datapath.operate(
            [line.operation for line in lines if line.operation is not None],
            want_flows=bool(context.options.statistics),
        )
    )
    for line in lines:
        if line.operation is None:
            context.report(f"{file}:{line.number}: {line.failure}")
        else:
            _tell(context, file, line, next(results))


def _tell(context: Context, file: str, line: _Line, result: Result) -> None:
    if result.error is not None:
        context.report(describe(f"{file}:{line.number}: {_FAILURES[line.verb]}", result.error))
        missing = isinstance(result.error, OSError) and result.error.errno == errno.ENOENT
        if line.verb == "delete" and missing and line.operation is not None and line.operation.match.ufid is None:
            context.hint(ASK_FOR_UFID)
    elif context.options.statistics and result.record is not None:
        context.print(CounterLine(result.record))
