"""Which lines are folded on a terminal: those of flows, actions and packets; tables fold their rows themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpif.cli.output.colour import Painted
from dpif.odp.lines.fold import fold

_OF_FLOWS = frozenset(
    (
        *("dump-flows", "get-flow", "add-flow", "mod-flow", "del-flow", "add-flows", "mod-flows", "del-flows"),
        *("parse-actions", "normalize-actions", "upcalls", "psample"),
    )
)


def folded(lines: Iterable[str], command: str, width: int) -> Iterator[str]:
    """Yield the lines of a command, those of flows in lines of so many columns; a width of 0 has no end."""
    if not width or command not in _OF_FLOWS:
        yield from lines
        return
    for line in lines:
        if len(line) <= width or isinstance(line, Painted):
            yield line
        else:
            yield from fold(line, width)
