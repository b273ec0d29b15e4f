"""What a saved dump has that cannot be read: where, and why. It is left out; nothing else suffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dpif._typing import NamedTuple, TypeAlias
from dpif.errors import ParseError

__all__ = ["Fault", "Faults", "Report"]


class Fault(NamedTuple):
    """A line that cannot be read: the name of its file, its number from 1, and the reason."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


Report: TypeAlias = Callable[[Fault], object]
"""What is told of each fault as it is met."""


class Faults:
    """The faults met so far, each once however often its file is read; iterate, or take their number.

    With `strict` the first one is raised as a `ParseError`. `report` is told of each.
    """

    def __init__(self, *, strict: bool = False, report: Report | None = None) -> None:
        self._strict = strict
        self._report = report
        self._met: dict[Fault, None] = {}

    def add(self, fault: Fault) -> None:
        """Note a fault; raise `ParseError` where none may be."""
        if self._strict:
            raise ParseError(str(fault))
        if fault not in self._met:
            self._met[fault] = None
            if self._report is not None:
                self._report(fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._met)

    def __len__(self) -> int:
        return len(self._met)
