"""The tables of a program that runs in several processes: each has them all, and they come to the same.

Every change is sent to the process that they were forked from, which applies changes in the order in which they
come, and tells all of them what the entry is now, the one that it came from too. So of two that write an entry at
once both end with what was written last, whatever they had meanwhile. A flow that was decided on an older state is
decided again when the news come; that is how it is with any change.

Only that process forgets what is old. The others tell it now and then what was of use.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

from dpif._typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dpif.program.program import Program
    from dpif.program.tables import Table

__all__ = ["Change", "Replica", "Use"]


class Gone(enum.Enum):
    """What stands for the value of an entry that is not there."""

    GONE = enum.auto()


class Change(NamedTuple):
    """An entry of a table, and its value now, or `Gone`."""

    table: str
    key: Any
    value: Any


class Use(NamedTuple):
    """An entry that was of use."""

    table: str
    key: Any


class Replica:
    """The tables of a program in this process; `tell` gets each change that is made here."""

    def __init__(self, program: Program, tell: Callable[[Change], None]) -> None:
        self._tables = program.tables
        self._site = program.site
        self._tell = tell
        self._applying = False
        self._looked_at = self._site.clock()
        self._site.journal = self._note

    def _note(self, table: Table[Any, Any], key: Any) -> None:
        # The tables of ports are no part of this: each process follows them by itself.
        if not self._applying and self._tables.get(table.name) is table:
            self._tell(self._now(table, key))

    @staticmethod
    def _now(table: Table[Any, Any], key: Any) -> Change:
        return Change(table.name, key, table.peek(key, Gone.GONE))

    def apply(self, changes: Iterable[Change]) -> list[Change]:
        """Make changes that come from elsewhere; return what the entries are now, a full table may not take one."""
        now = []
        with self._site.lock:
            self._applying = True
            try:
                for change in changes:
                    table = self._tables.get(change.table)
                    if table is not None:
                        table.replicate(change.key, change.value, gone=change.value is Gone.GONE)
                        now.append(self._now(table, change.key))
            finally:
                self._applying = False
        return now

    def uses(self) -> list[Use]:
        """Return the entries that were of use since this was last asked."""
        since, self._looked_at = self._looked_at, self._site.clock()
        with self._site.lock:
            return [Use(name, key) for name, table in self._tables.items() for key in table.used_since(since)]

    def note_uses(self, uses: Iterable[Use]) -> None:
        """Keep entries alive that were of use elsewhere."""
        for use in uses:
            table = self._tables.get(use.table)
            if table is not None:
                table.touch(use.key)

    def follow(self) -> None:
        """Leave it to the process that this one was forked from to forget what is old, and to keep files."""
        for table in self._tables.values():
            table.follow()
