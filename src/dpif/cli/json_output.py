"""JSON in place of text: what ``--json`` and ``--json-lines`` make of the data of values (``docs/json.md``).

One document for each command, or one object on a line for each value of a stream. A document with an array is made
as its values come, so that it takes no memory to speak of; when they end early it is closed and says so. This file
knows no command, and is loaded only when JSON is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from json import JSONEncoder
from typing import Final

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
