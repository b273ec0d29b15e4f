"""``batch``: many command lines in one process, one after the other as they come, in constant memory.

Each is run as the command line that it is, with a context that says where it stands. Under ``--json`` it has a
result, with the document that its command prints in it; that too is written as it comes.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from dpif._typing import TYPE_CHECKING, NamedTuple, TextIO
from dpif.cli.context import Context
from dpif.cli.endings import ending_of, endings
from dpif.cli.entry import execute, failure, invocation_of
from dpif.cli.errors import CommandError, UsageError, describe
from dpif.cli.files import LONGEST_LINE, open_input, too_long

if TYPE_CHECKING:
    from types import SimpleNamespace

    from dpif.cli.arguments import Invocation
    from dpif.cli.command import Command
    from dpif.cli.output.json import Results
    from dpif.netlink.connection import Connection
    from dpif.netlink.unix import Waiting


class Line(NamedTuple):
    """A command line: its number, and as it was written."""

    number: int
    text: str


def batch(context: Context) -> None:
    """Run the command lines of a file; stop at the first that fails, unless ``--keep-going``."""
    (name,) = context.words
    with context.failing(f'Opening file "{name}" failed'):
        file = _open(name)
    with file:
        runner = Runner(context, name, _results(context))
        try:
            runner.run_all(_meaningful(name, file))
        finally:
            runner.disconnect()


def _open(name: str) -> TextIO:
    return open(open_input(name), encoding="utf-8", errors="surrogateescape", closefd=name != "-")


def _results(context: Context) -> Results | None:
    if not context.wants_data:
        return None
    from dpif.cli.output.json import Results

    return Results(context.command.name, one_a_line=context.options.json_lines)


def _meaningful(name: str, file: TextIO) -> Iterator[Line]:
    """Yield the lines that are not blank, nor comments alone; raise `CommandError` for an endless one."""
    lines = iter(lambda: file.readline(LONGEST_LINE + 1), "")
    for number, text in enumerate(lines, 1):
        if len(text) > LONGEST_LINE:
            raise too_long(name, number)
        if text.split("#", 1)[0].strip():
            yield Line(number, text.strip())


class Runner:
    """Runs the lines of one file; ``results`` is where their output goes under ``--json``."""

    def __init__(self, context: Context, file: str, results: Results | None) -> None:
        self.context = context
        self.file = file
        self.results = results
        self._connections: dict[tuple[str, str | None], Connection] = {}

    def run_all(self, lines: Iterable[Line]) -> None:
        """Run the lines, up to the first that fails unless told to go on; the batch's status becomes 1 then."""
        counts = {"succeeded": 0, "failed": 0}
        with contextlib.ExitStack() as stack:
            if self.results is not None:
                stack.enter_context(endings.held())
                stack.enter_context(self.results.written(self.file, counts))
            for line in endings.each(lines):
                status = self._run(line)
                counts["failed" if status else "succeeded"] += 1
                self.context.flush()  # whoever feeds a pipe may wait for the answer
                if status:
                    self.context.status = 1
                    self.disconnect()  # what a failure left on them is not for the next line
                if status and not self.context.options.keep_going:
                    break

    def _run(self, line: Line) -> int:
        """Run one line; return its exit status. An interrupt and the end of the time end the batch."""
        told: list[str] = []
        status = 1
        if self.results is not None:
            self.results.begin(line.number, line.text)
        try:
            with endings.let_through():
                status = execute(self._invocation(line), partial(LineContext, self, line, told))
        except BrokenPipeError:
            raise
        except Exception as error:
            if ending_of(error):
                raise
            text, status = failure(error)
            told.append(text)
            self.context.report(f"{self.file}:{line.number}: {text}")
        finally:
            if self.results is not None:
                self.results.end(status, told)
        return status

    def _invocation(self, line: Line) -> Invocation:
        """Return what a line asks for, with the general options of the batch; raise `CommandError`."""
        try:
            words = shlex.split(line.text, comments=True)
        except ValueError as error:
            raise UsageError(f"{error} in: {line.text}") from None
        invocation = invocation_of(words[1:] if words[:1] == ["dpif"] else words)
        command, words, options = invocation
        assert command is not None
        if command.text_only or command.runs_on or command.name == self.context.command.name:
            raise CommandError(f"'{command.name}' command cannot be run in a batch")
        if self.file == "-" and "-" in words:
            raise CommandError("standard input has the command lines; name a file")
        if options.timeout is not None:
            raise UsageError("a line has no time of its own: say --timeout on the command line of batch")
        options.read_only = options.read_only or self.context.options.read_only
        options.socket = options.socket or self.context.options.socket
        options.color = options.color or self.context.options.color
        if self.results is not None:
            options.json, options.json_lines = True, False
        return invocation

    def connect(self, type: str, socket: str | None, patience: float, waiting: Waiting) -> Connection:
        """Return a connection that the lines share, until one of them fails; raise `Unavailable`."""
        from dpif._open import connect

        kept = self._connections.get((type, socket))
        if kept is None:
            kept = self._connections[type, socket] = connect(type, socket, patience, waiting)
        return kept.lend()

    def disconnect(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


class LineContext(Context):
    """The context of one line: failures say where it stands, and are told in its result as its document is."""

    may_page = False  # lines write and read what others have written

    def __init__(
        self,
        runner: Runner,
        line: Line,
        told: list[str],
        command: Command,
        words: list[str],
        options: SimpleNamespace,
        timeout: float | None,
    ) -> None:
        super().__init__(command, words, options, timeout)
        self._runner = runner
        self._place = f"{runner.file}:{line.number}: "
        self._told = told

    def connect(self, type: str, patience: float = 0.0) -> Connection:
        """Return the batch's connection."""
        return self._runner.connect(type, self.options.socket, patience, self.tell_of_waiting)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines, in a batch with results as part of the line's."""
        if self._runner.results is None:
            super().print_lines(lines)
        else:
            for piece in lines:
                self._runner.results.write(piece)

    def report(self, text: str, error: Exception | None = None, meaning: Mapping[int, str] = {}) -> None:
        """Say where it failed, too."""
        self._told.append(describe(text, error, meaning))
        super().report(f"{self._place}{text}", error, meaning)

    def note(self, text: str) -> None:
        """Say where, too."""
        super().note(f"{self._place}{text}")
