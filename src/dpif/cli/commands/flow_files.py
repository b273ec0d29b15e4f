"""Files of flows: ``add-flows``, ``mod-flows`` and ``del-flows``, of any length, in constant memory.

A file is read as its bytes come, and the lines of one read make one batch; so a long file goes fast, and a program
that writes line after line into a pipe has each carried out at once. A line that fails is reported with its
number, the others are carried out.
"""

import errno
import os
import stat
from collections.abc import Iterator
from itertools import count

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.flow_file_lines import LineReader
from dpif.cli.commands.flow_texts import ASK_FOR_UFID, MEANING, FlowReader
from dpif.cli.errors import UsageError, describe
from dpif.cli.files import LONGEST_LINE, open_input, too_long
from dpif.client.operations import Delete, Operation, Result
from dpif.errors import DpifError
from dpif.netlink.connection import keep_freed_memory
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

_FILTER = "filter="
_CHUNK = 1 << 18
"""Bytes of one read; a thousand lines, of which many are alike."""
_ROOM = 16 * _CHUNK
"""Bytes that what is made of one read may take, kept for that of the next."""
_FAILURES = {"add": "updating flow table", "modify": "updating flow table", "delete": "deleting flow"}


def add_flows(context: "Context") -> None:
    """Add the flows of a file, unless its lines say otherwise."""
    _process(context, "add")


def mod_flows(context: "Context") -> None:
    """Change the flows of a file, unless its lines say otherwise."""
    _process(context, "modify")


def del_flows(context: "Context") -> None:
    """Delete all flows; or those that a filter picks; or those of a file, unless its lines say otherwise."""
    words = context.words
    if any(word.startswith(_FILTER) for word in words):
        _delete_by_filter(context)
        return
    if len(words) == 2 or (words and not context.names_datapath(words[0])):
        _process(context, "delete")
        return
    datapath, _ = context.open_optional(words, most=1)
    with datapath, context.failing("deleting all flows"):
        datapath.flows.flush()


def _delete_by_filter(context: "Context") -> None:
    from dpif.cli.commands.flow_deletion import delete_chosen

    filters = [word.removeprefix(_FILTER) for word in context.words if word.startswith(_FILTER)]
    if len(filters) > 1:
        raise UsageError(f"more than one filter; {context.command.synopsis}")
    datapath, _ = context.open_optional([word for word in context.words if not word.startswith(_FILTER)], most=1)
    with datapath:
        delete_chosen(context, datapath, filters[0])


def _process(context: "Context", default: str) -> None:
    datapath, rest = context.open_optional(context.words, most=2)
    name = rest[0] if rest else context.words[0]
    with datapath:
        with context.failing(f'Opening file "{name}" failed'):
            descriptor = open_input(name)
        try:
            file = _File(context, datapath, name, default)
            with context.failing(f'carrying out file "{name}" failed'):
                file.carry_out(descriptor)
        finally:
            if name != "-":
                os.close(descriptor)


def _numbered_lines(name: str, descriptor: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the lines of each read, with the number of the first of them; raise `CommandError` for an endless one."""
    number = 1
    partial = b""
    while chunk := os.read(descriptor, _CHUNK):
        *whole, partial = (partial + chunk).split(b"\n")
        yield number, whole
        number += len(whole)
        if len(partial) > LONGEST_LINE:
            raise too_long(name, number)
    yield number, [partial]


def _distance(name: str, descriptor: int, line: int) -> str:
    """Return in words how far a file has come; of what is no regular file nobody knows how long it is."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return f"{name}: line {line}"
    return f"{name}: line {line}, {os.lseek(descriptor, 0, os.SEEK_CUR) * 100 // found.st_size}%"


class Outcome(NamedTuple):
    """What became of a line: why it failed, or the flow that it dealt with.

    ``operation`` is what was to be carried out, None where the line makes no sense.
    """

    number: int
    verb: str
    operation: Operation | None = None
    failure: str = ""
    error: DpifError | None = None
    record: FlowRecord | None = None

    def lines(self) -> Iterator[str]:
        """Return the counters of the flow."""
        from dpif.cli.output.flow_views import CounterLine  # few ask for them

        if self.record is not None:
            yield from CounterLine(self.record).lines()

    def data(self) -> dict[str, object]:
        """Return the number of the line, what it asked for, and what became of it."""
        from dpif.cli.output.flow_data import counter_data
        from dpif.odp.lines.text import milliseconds

        number = (self.error.errno if isinstance(self.error, OSError) else None) or errno.EINVAL
        return {
            "line": self.number,
            "operation": self.verb,
            "error": self.failure or None,
            "errno": errno.errorcode.get(number, str(number)) if self.failure else None,
            "statistics": None if self.record is None else counter_data(self.record, milliseconds()),
        }


class _File:
    """One file being carried out: its lines, one batch for each read, and what is told of them."""

    def __init__(self, context: "Context", datapath: "Datapath", name: str, default: str) -> None:
        self._context = context
        self._dp = datapath
        self._name = name
        self._reader = LineReader(FlowReader(datapath), default)
        self._wants_flows = bool(context.options.statistics)
        self._count = 0

    def carry_out(self, descriptor: int) -> None:
        """Carry out the lines of an open file, and tell what became of them."""
        if self._context.wants_data:
            self.tell_all(descriptor)
        else:
            for outcome in self.outcomes(descriptor):
                self.tell(outcome)

    def outcomes(self, descriptor: int) -> Iterator[Outcome]:
        """Carry out the lines; yield what is to be told, in their order."""
        keep_freed_memory(_ROOM)
        reads = _numbered_lines(self._name, descriptor)
        with self._context.watching(reads, lambda _, read: _distance(self._name, descriptor, read[0])) as watched:
            for first, lines in watched:
                yield from self._carry_out(first, lines)
                self._context.flush()  # whoever feeds a pipe may wait for the answers

    def _carry_out(self, first: int, lines: list[bytes]) -> Iterator[Outcome]:
        read = self._reader.read_all(lines, first)
        operations = [said for said in read if said is not None and not isinstance(said, str)]
        self._count += len(read) - read.count(None)
        answers = self._dp.operate(operations, want_flows=self._wants_flows)
        if len(operations) == len(read) and answers.is_silent:
            return
        results = iter(answers)
        for number, line, said in zip(count(first), lines, read):
            if said is None:
                continue
            if isinstance(said, str):
                yield Outcome(number, self._reader.verb(line), failure=said)
                continue
            result = next(results)
            if result.error is not None or (self._wants_flows and result.record is not None):
                yield self._outcome(number, self._reader.verb(line), result)

    @staticmethod
    def _outcome(number: int, verb: str, result: Result) -> Outcome:
        failure = "" if result.error is None else describe(_FAILURES[verb], result.error, MEANING)
        return Outcome(number, verb, result.operation, failure, result.error, result.record)

    def tell(self, outcome: Outcome) -> None:
        """Report a failure, or print the flow's counters."""
        if not outcome.failure:
            self._context.print(outcome)
            return
        operation, error = outcome.operation, outcome.error
        self._context.report(f"{self._name}:{outcome.number}: {outcome.failure}")
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        if isinstance(operation, Delete) and missing and operation.match.ufid is None:
            self._context.hint(ASK_FOR_UFID)

    def tell_all(self, descriptor: int) -> None:
        """Print all outcomes as data, and how many lines there were; report how many failed."""
        counts: dict[str, object] = {"file": self._name}
        failed = 0

        def counted() -> Iterator[Outcome]:
            nonlocal failed
            try:
                for outcome in self.outcomes(descriptor):
                    failed += bool(outcome.failure)
                    yield outcome
            finally:
                counts.update(carried_out=self._count - failed, failed=failed)
            if failed:
                self._context.report(f"{self._name}: {failed} of {self._count} lines failed")

        self._context.print_all("lines", counted(), counts)
