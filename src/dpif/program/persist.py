"""Tables that are there again after a restart: kept in a file of sqlite beside the memory.

Keys and values are what has a text that `ast.literal_eval` reads, and addresses. A write goes to the file at once
(without waiting for the disk: after a crash of the machine the last moments may be missing, never more).
"""

from __future__ import annotations

import ast
import ipaddress
import sqlite3
import weakref

from dpif._typing import Any, TypeVar
from dpif.packet.addresses import Mac
from dpif.program.errors import ProgramError
from dpif.program.layout import PortNumber
from dpif.program.tables import Entry, Site, Table

__all__ = ["StoredTable"]

K = TypeVar("K")
V = TypeVar("V")

_TYPES: dict[str, Any] = {
    "mac": Mac,
    "ip": ipaddress.ip_address,
    "net": ipaddress.ip_network,
    "port": lambda text: PortNumber(int(text)),
}


class StoredTable(Table[K, V]):
    """A `Table` in a file, one table of sqlite by its name. Times start anew with the program."""

    def __init__(self, site: Site, name: str, path: str, **options: Any) -> None:
        super().__init__(site, name, **options)
        self._quoted = '"' + name.replace('"', '""') + '"'
        now = site.clock()
        try:
            self._file = _open(path)
            weakref.finalize(self, self._file.close)  # as often as not nobody says that a program is done with
            self._file.execute(
                f"CREATE TABLE IF NOT EXISTS {self._quoted} (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            for key, value in self._file.execute(f"SELECT key, value FROM {self._quoted} LIMIT ?", (self.limit,)):
                self._entries[decode(key)] = Entry(decode(value), now)
        except (sqlite3.Error, ValueError, SyntaxError) as error:
            raise ProgramError(f"table {name}: {path} is no file of tables, or cannot be written: {error}") from None

    def _store(self, key: K, value: V) -> None:
        texts = (encode(key), encode(value))
        if not self._follows:  # a connection to the file must not be used behind a fork
            self._file.execute(f"INSERT OR REPLACE INTO {self._quoted} VALUES (?, ?)", texts)

    def _forget(self, key: K) -> None:
        if not self._follows:
            self._file.execute(f"DELETE FROM {self._quoted} WHERE key = ?", (encode(key),))

    def adopt(self, other: Table[Any, Any] | None) -> None:
        """Take over from a table in the same file, whose entries these are."""
        super().adopt(other)
        if isinstance(other, StoredTable):
            other.close()

    def close(self) -> None:
        """Give up the file."""
        self._file.close()


def _open(path: str) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=NORMAL")
    return file


def encode(value: object) -> str:
    """Return the text of a key or a value; raise `ProgramError` for one that has none."""
    if isinstance(value, Mac):
        return f"mac:{value}"
    if isinstance(value, PortNumber):
        return f"port:{int(value)}"
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return f"ip:{value}"
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return f"net:{value}"
    if isinstance(value, tuple):
        return f"tuple:{[encode(part) for part in value]!r}"
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return f"py:{value!r}"
    raise ProgramError(f"a table in a file holds numbers, texts, bytes, addresses and tuples of them, not {value!r}")


def decode(text: str) -> Any:
    """Return what `encode` made a text of."""
    kind, _, rest = text.partition(":")
    if kind == "tuple":
        return tuple([decode(part) for part in ast.literal_eval(rest)])
    return _TYPES[kind](rest) if kind in _TYPES else ast.literal_eval(rest)
