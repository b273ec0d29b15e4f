"""Where commands that only read get a datapath: one that is there, or what was saved of one (``file@PATH``).

`reading` opens either, by the words of a command line; ``file@-`` is the standard input. A command that reads
datapaths calls it in place of `Context.open_optional`, or `opened` with a name, and has the option ``strict``. Of
lines that cannot be read those first met are told on stderr, and at the end how many there were; with ``--strict``
the first of them ends the command.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from dpif._typing import TYPE_CHECKING, Final, TypeAlias
from dpif.cli.errors import CommandError, describe

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.saved import Fault, SavedDatapath

    AnyDatapath: TypeAlias = Datapath | SavedDatapath

__all__ = ["PREFIX", "is_saved", "opened", "reading"]

PREFIX: Final = "file@"
_MOST_TOLD: Final = 10


def is_saved(name: str) -> bool:
    """Tell whether a name is that of a saved dump."""
    return name.startswith(PREFIX)


@contextlib.contextmanager
def reading(context: Context, words: Sequence[str], most: int) -> Iterator[tuple[AnyDatapath, list[str]]]:
    """Open the datapath that the first of `words` names, or the only one, as `Context.open_optional` does."""
    if words and is_saved(words[0]):
        with opened(context, words[0]) as saved:
            yield saved, list(words[1:])
        return
    datapath, rest = context.open_optional(words, most)
    with datapath:
        yield datapath, rest


@contextlib.contextmanager
def opened(context: Context, name: str) -> Iterator[AnyDatapath]:
    """Open a datapath or a saved dump by its name."""
    if not is_saved(name):
        with context.open(name) as datapath:
            yield datapath
        return
    saved = _load(context, name.removeprefix(PREFIX))
    yield saved
    if saved.faults:
        lines = "1 line" if len(saved.faults) == 1 else f"{len(saved.faults)} lines"
        context.note(f"{lines} of {name} could not be read")


def _load(context: Context, path: str) -> SavedDatapath:
    from dpif.saved import load

    told: list[Fault] = []

    def tell(fault: Fault) -> None:
        if context.options.strict:
            raise CommandError(str(fault))
        if len(told) < _MOST_TOLD:
            told.append(fault)
            context.note(str(fault))

    try:
        return load(sys.stdin.buffer if path == "-" else path, report=tell)
    except OSError as error:
        raise CommandError(describe(f"reading {path}", error)) from None
