"""JSON in place of text: what ``--json`` and ``--json-lines`` make of the data of values (``docs/json.md``).

One document for each command, or one object on a line for each value of a stream. A document with an array is made
as its values come, so that it takes no memory to speak of; when they end early it is closed and says so. This file
knows no command, and is loaded only when JSON is asked for.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from json import JSONEncoder

from dpif._typing import Final

VERSION: Final = 1
"""The version of the schema, in every document and line: another when a member goes or changes its meaning."""

_encode = JSONEncoder(separators=(",", ":"), check_circular=False).encode

Data = Mapping[str, object]


class JsonOutput:
    """The JSON of one command, in lines: either a document or, with `one_a_line`, an object on each."""

    def __init__(self, command: str, *, one_a_line: bool) -> None:
        self._head: dict[str, object] = {"version": VERSION, "command": command}
        self._one_a_line = one_a_line

    def value(self, data: Data) -> Iterator[str]:
        """Return the document of a command that prints one value."""
        yield _encode({**self._head, **data})

    def array(self, name: str, items: Iterable[Data], members: Data, succeeds: Callable[[], bool]) -> Iterator[str]:
        """Return the document of a command that prints many: an array, and behind it what `members` holds by then.

        Its ``complete`` is what `succeeds` says then. When the items end in an exception the array is closed,
        ``complete`` is false, and the exception raised.
        """
        if self._one_a_line:
            for item in items:
                yield _encode({"version": VERSION, **item})
            return
        yield f'{_encode(self._head)[:-1]},"{name}":['
        failure: BaseException | None = None
        last = ""
        try:
            for item in items:
                if last:
                    yield f"{last},"
                last = _encode(item)
        except (Exception, KeyboardInterrupt) as error:
            failure = error
        if last:
            yield last
        complete = failure is None and succeeds()
        yield f"],{_encode({**members, 'complete': complete})[1:]}"
        if failure is not None:
            raise failure


class Results:
    """The results of a batch, written as they come: each has within it the document that its command prints."""

    def __init__(self, command: str, *, one_a_line: bool) -> None:
        self._head = _encode({"version": VERSION, "command": command})
        self._one_a_line = one_a_line
        self._count = 0
        self._started = False

    @contextlib.contextmanager
    def written(self, file: str, counts: Mapping[str, int]) -> Iterator[None]:
        """Write the document around the results of a file; behind them `counts` as they are then."""
        if self._one_a_line:
            yield
            return
        sys.stdout.write(f'{self._head[:-1]},"results":[')
        complete = False
        try:
            yield
            complete = not counts["failed"]
        finally:
            sys.stdout.write(f"\n],{_encode({'file': file, **counts, 'complete': complete})[1:]}\n")

    def begin(self, number: int, text: str) -> None:
        """Start the result of a command line."""
        head = {"version": VERSION} if self._one_a_line else {}
        separator = "" if self._one_a_line else ",\n" if self._count else "\n"
        sys.stdout.write(f'{separator}{_encode({**head, "line": number, "command": text})[:-1]},"output":')
        self._count += 1
        self._started = False

    def write(self, piece: str) -> None:
        """Write a piece of the document that the command prints."""
        sys.stdout.write(piece)
        self._started = True

    def end(self, status: int, errors: list[str]) -> None:
        """End the result: an exit status, and what was said of failures."""
        output = "" if self._started else "null"
        end = "\n" if self._one_a_line else ""
        sys.stdout.write(f"{output},{_encode({'status': status, 'errors': errors})[1:]}{end}")
