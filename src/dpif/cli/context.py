"""What a command gets: its words and options, datapaths by name, and where to say things.

`print` and `print_all` are for what was asked for (stdout: text, or JSON in place of it), `report` for a failure that
does not end the command (stderr; the exit status becomes 1). A failure that ends it is a `CommandError`. How a
datapath is named and found, and how ``ovs-dpctl`` words the failures, is in here, once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from dpif._typing import TYPE_CHECKING, Protocol, TypeVar
from dpif.cli.endings import endings
from dpif.cli.errors import CommandError, describe, is_of_output, one_line, printable
from dpif.errors import DpifError, NoSuchObject, Unavailable, netlink_error

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import SimpleNamespace

    from dpif.cli.command import Command
    from dpif.cli.output.colour import Paint
    from dpif.cli.output.csv import CsvOutput
    from dpif.cli.output.json import JsonOutput
    from dpif.cli.output.pager import Pager
    from dpif.cli.output.progress import Progress
    from dpif.cli.output.table import Screen
    from dpif.client.datapath import Datapath
    from dpif.netlink.connection import Connection

T = TypeVar("T")
D = TypeVar("D")

_LINES_AT_FIRST = 256
_LINES_AT_MOST = 1024
_CHARACTERS = 96 << 10
"""What is written at a time: a write costs as much as dozens of lines, and so does fresh memory for longer texts."""


class Printable(Protocol):
    """A value that a command makes."""

    def lines(self) -> Iterable[str]:
        """Return its text, a line at a time."""
        ...

    def data(self) -> Mapping[str, object]:
        """Return what JSON tells of it: text, numbers, booleans, None, and lists and dicts of them by name."""
        ...


class Context:
    """One command being run; ``timeout`` is in seconds, ``status`` the exit status so far.

    ``nothing`` is what a person is told where there is nothing to list.
    """

    may_page = True
    """Whether what it prints may be shown by a pager."""

    def __init__(
        self, command: Command, words: list[str], options: SimpleNamespace, timeout: float | None = None
    ) -> None:
        self.command = command
        self.words = words
        self.options = options
        self.timeout = timeout
        self.status = 0
        self.nothing = command.nothing
        self._waiting: list[str] = []
        self._has_printed = False
        self._told_of: set[str] = set()
        self._progress: Progress | None = None
        self._json: JsonOutput | CsvOutput | None = None
        self._is_coloured = False
        self._paint: Paint | None = None
        if options.json or options.json_lines:
            from dpif.cli.output.json import JsonOutput

            self._json = JsonOutput(command.name, one_a_line=options.json_lines)
        elif options.output == "csv":
            from dpif.cli.output.csv import CsvOutput

            self._json = CsvOutput(command.name)
        self._is_for_people = self._json is None and sys.stdout.isatty()
        self._width = 0
        self._pager: Pager | None = None
        if self._is_for_people:
            self._look_at_terminal()
        if options.color is not None or self._is_for_people:
            from dpif.cli.output import colour

            self._is_coloured = colour.wanted(options.color, is_terminal=self._is_for_people) and self._json is None
            self._paint = colour.paint_for(command.name) if self._is_coloured else None

    def _look_at_terminal(self) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        self._width = 0 if self.options.wide else size.columns
        if self.may_page and self.timeout is None and not self.options.no_pager:
            from dpif.cli.output.pager import Pager

            self._pager = Pager(size, is_wide=self.options.wide)

    @property
    def wants_data(self) -> bool:
        """Whether JSON or CSV is asked for in place of text."""
        return self._json is not None

    @property
    def wants_names(self) -> bool:
        """Whether port names are to be shown: as ``ovs-dpctl`` has it, and on a terminal."""
        named: bool | None = self.options.names
        return bool(self.options.more) or self._is_for_people if named is None else named

    @property
    def screen(self) -> Screen | None:
        """What tables are shown on: a terminal, or what --output wants them for; None for other text, and JSON."""
        if not (self._is_for_people or self.options.wide or self.options.output == "table"):
            return None
        from dpif.cli.output.table import Screen

        return Screen(self._width, self._is_coloured)

    def print(self, value: Printable) -> None:
        """Print a value, all that the command prints: its lines, or a document with its data."""
        if self._json is None:
            self.print_lines(value.lines())
            return
        data = value.data()
        with endings.held():
            self.print_lines(self._json.value(data))

    def print_all(self, name: str, values: Iterable[Printable], members: Mapping[str, object] | None = None) -> None:
        """Print values one after the other, all that the command prints: their lines, or a document with an array.

        `name` is that of the array; `members` stand behind it, and may be filled in while the values come.
        """
        with endings.held() if self.wants_data else contextlib.nullcontext():
            self.print_lines(self._lines_of_all(name, values, members or {}))

    def print_each(self, name: str, values: Iterable[Printable]) -> None:
        """Print values as `print_all` does, but each line as it comes: whoever reads them waits for each."""
        with endings.held() if self.wants_data else contextlib.nullcontext():
            for line in self._lines_of_all(name, values, {}):
                self._waiting.append(line)
                self.flush()

    def _lines_of_all(self, name: str, values: Iterable[Printable], members: Mapping[str, object]) -> Iterable[str]:
        if self._json is None:
            return (line for value in values for line in value.lines())
        data = endings.each(value.data() for value in values)
        return self._json.array(name, data, members, succeeds=lambda: not self.status)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines, many at a time: a write costs more than a line, most of all where nothing is buffered.

        What came before an error is printed.
        """
        waiting, rest, many = self._waiting, iter(lines), _LINES_AT_FIRST
        try:
            for line in rest:
                waiting.append(line)
                waiting.extend(islice(rest, many - 1))  # what makes the lines may flush: a short list is not the end
                many = self._write() or many
        finally:
            self._write()

    def _write(self) -> int:
        """Write the lines that wait to stdout; return how many such to write at a time, 0 where there were none."""
        lines = self._waiting
        if not lines:
            return 0
        count = len(lines)
        self._has_printed = True
        shown = self._shown(lines) if self._is_for_people else lines
        text = "\n".join(shown if self._paint is None else map(self._paint, shown)) + "\n"
        lines.clear()
        write = sys.stdout.write if self._pager is None else self._pager.write
        return min(1 + _CHARACTERS * count // write(text), _LINES_AT_MOST)

    def _shown(self, lines: list[str]) -> list[str]:
        """Return lines as a terminal shows them: those of flows in its width, and nothing that it would obey.

        Names hold anything; what is painted is ours.
        """
        from dpif.cli.output.colour import Painted
        from dpif.cli.output.folding import folded

        safe = [line if isinstance(line, Painted) or line.isprintable() else printable(line) for line in lines]
        return list(folded(safe, self.command.name, self._width))

    def flush(self) -> None:
        """Hand over what was printed so far: whoever reads it may wait for it."""
        with contextlib.nullcontext() if self._json is None else endings.held():
            self._write()
            sys.stdout.flush() if self._pager is None else self._pager.flush()

    def finish(self) -> None:
        """Hand over all; what a pager has waits there until it is told to quit. Tell a person of an empty list."""
        if self._pager is None or not self._pager.is_on:
            self.flush()
        else:
            self._write()

        if self._is_for_people and self.nothing and not self._has_printed and not self.status:
            self.note(self.nothing)

    def close(self) -> None:
        """Wait for the pager, whatever ended the command."""
        if self._pager is not None:
            self._pager.close()

    @contextlib.contextmanager
    def watching(self, items: Iterable[T], tell: Callable[[int, T], str]) -> Iterator[Iterable[T]]:
        """Lend `items`, and show a person who waits for them how far they are.

        `tell` says that, of their count so far and the last one.
        """
        has_pager = self._pager is not None and self._pager.is_on
        if self._progress is not None or has_pager or not sys.stderr.isatty():
            yield items
            return
        from dpif.cli.output.progress import Progress

        self._progress = Progress()
        try:
            yield self._progress.over(items, tell)
        finally:
            self._progress.erase()
            self._progress = None

    def report(self, text: str, error: Exception | None = None, meaning: Mapping[int, str] = {}) -> None:
        """Say that `text` failed, and go on."""
        self.status = 1
        self.flush()
        self._say(describe(text, error, meaning))

    def hint(self, text: str) -> None:
        """Give advice about a failure, where ``ovs-dpctl`` does: on stdout, unless there is to be JSON alone."""
        if self.wants_data:
            self.note(text)
        else:
            self.print_lines([text])

    def note(self, text: str) -> None:
        """Say something beside the output; it is no failure."""
        self._say(text)

    def _say(self, text: str) -> None:
        if self._progress is not None:
            self._progress.erase()
        line = f"dpif: {one_line(text)}"
        if self._pager is not None and self._pager.is_on:
            self._pager.later.append(line)
        else:
            print(line, file=sys.stderr)

    @contextlib.contextmanager
    def failing(self, text: str, meaning: Mapping[int, str] = {}) -> Iterator[None]:
        """Let an error of the library in the block end the command, as the failure of `text`.

        `meaning` is that of `describe`.
        """
        try:
            yield
        except (DpifError, OSError) as error:
            if is_of_output(error):
                raise
            raise CommandError(describe(text, error, meaning)) from error

    @contextlib.contextmanager
    def reporting(self, text: str, meaning: Mapping[int, str] = {}) -> Iterator[None]:
        """Report an error of the library in the block as the failure of `text`, and go on behind the block."""
        try:
            yield
        except (DpifError, OSError) as error:
            if is_of_output(error):
                raise
            self.report(text, error, meaning)

    def connect(self, type: str, patience: float = 0.0) -> Connection:
        """Return a connection to the datapaths of a type; raise `Unavailable`."""
        from dpif._open import connect

        return connect(type, self.options.socket, patience, self.tell_of_waiting)

    def tell_of_waiting(self, path: str) -> None:
        """Say once which server it is that does not answer."""
        if path not in self._told_of:
            self._told_of.add(path)
            self.note(f"waiting for the server at {path}, which does not answer yet")

    def _connect_patiently(self, type: str) -> Connection:
        """Do so where a datapath of the type was named: its server may be about to be there."""
        from dpif._open import PATIENCE

        return self.connect(type, PATIENCE)

    def open(self, name: str, *, create: bool = False, features: int = 0, ifindex: int | None = None) -> Datapath:
        """Open a datapath, or make one; raise as the library does, with advice for one that is not there."""
        from dpif._open import open_by  # brings the whole client, which some commands do without

        if name.startswith("file@"):
            raise CommandError(f"{name} is a saved dump: '{self.command.name}' needs a datapath that is there")
        try:
            return open_by(self._connect_patiently, name, create=create, features=features, ifindex=ifindex)
        except NoSuchObject as error:
            from dpif.cli.whereabouts import whereabouts

            raise netlink_error(error.errno or errno.ENODEV, explanation=whereabouts(name, self.datapaths)) from None
        except Unavailable as error:
            from dpif.cli.whereabouts import instead

            raise Unavailable(f"{error}{instead(name, self.connect)}", error.errno or errno.ENOENT) from None

    def open_first(self) -> tuple[Datapath, list[str]]:
        """Open the datapath that the first word names; return it and the other words."""
        with self.failing("opening datapath"):
            return self.open(self.words[0]), self.words[1:]

    def open_optional(self, words: Sequence[str], most: int) -> tuple[Datapath, list[str]]:
        """Open the datapath that the first of `words` names, else the only one; return it and the other words.

        With `most` words, or more, the first of them must name one.
        """
        if words and self.names_datapath(words[0]):
            name, rest = words[0], list(words[1:])
        elif len(words) < most:
            name, rest = self._only_datapath(), list(words)
        else:
            from dpif.cli.whereabouts import whereabouts

            explanation = whereabouts(words[0], self.datapaths)
            raise CommandError(describe("datapath not found", netlink_error(errno.EINVAL, explanation=explanation)))
        with self.failing("opening datapath"):
            return self.open(name), rest

    def names_datapath(self, word: str) -> bool:
        """Tell whether `word` names a datapath that exists; ``type@name`` of a type that is not there is an error."""
        from dpif._open import TYPES, datapaths_by, split_name

        type_, name = split_name(word)
        if type_ == "file":
            raise CommandError(f"{word} is a saved dump: '{self.command.name}' needs a datapath that is there")
        if type_ not in TYPES:
            return False
        connect = self._connect_patiently if "@" in word else self.connect
        try:
            return f"{type_}@{name}" in datapaths_by(connect, (type_,))
        except Unavailable as error:
            if "@" in word:
                raise CommandError(str(error)) from None
            return False

    def datapaths(self) -> list[str]:
        """Return the names of all datapaths, sorted."""
        from dpif._open import datapaths_by

        try:
            return sorted(datapaths_by(self.connect))
        except Unavailable as error:
            from dpif.cli.whereabouts import instead_of

            raise CommandError(f"{error}{instead_of(error)}") from None

    def each_datapath(self, names: Sequence[str], read: Callable[[Datapath], T]) -> Iterator[T]:
        """Yield what `read` returns of each datapath named, or of all; one that fails is reported."""
        return self.each_opened(names, self.open, read)

    def each_opened(
        self, names: Sequence[str], open: Callable[[str], AbstractContextManager[D]], read: Callable[[D], T]
    ) -> Iterator[T]:
        """Do so of whatever `open` opens by these names."""
        for name in names or self.datapaths():
            found: list[T] = []
            with self.reporting(f"opening datapath {name} failed"), open(name) as datapath:
                found.append(read(datapath))
            yield from found

    def _only_datapath(self) -> str:
        names = self.datapaths()
        if len(names) == 1:
            return names[0]
        if names:
            raise CommandError(f"multiple datapaths, specify one of: {', '.join(names)}")
        raise CommandError("no datapaths exist; 'dpif add-dp dp0' makes one")
