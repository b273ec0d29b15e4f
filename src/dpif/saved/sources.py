"""Files of saved text: opened, unpacked (gzip), and cut into numbered lines, as often as they are read.

What is given open is copied to a temporary file. Nothing of what the lines mean is known here.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from functools import partial

from dpif._typing import Any, BinaryIO, Final, NamedTuple, TextIO, TypeAlias
from dpif.saved.faults import Fault, Faults

__all__ = ["Line", "Readable", "Source", "source_of"]

Readable: TypeAlias = "str | os.PathLike[str] | BinaryIO | TextIO"
"""What is read: a path, or a file that is open."""

LONGEST: Final = 1 << 20
"""Characters of a line; the longest flow, whose attributes have 64 KiB at most, has fewer."""
_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 16


class Line(NamedTuple):
    """A line without its end: the name of its file, its number from 1."""

    file: str
    number: int
    text: str


class Source:
    """A file: the name by which it is told of, and its path."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path

    def lines(self, faults: Faults) -> Iterator[Line]:
        """Yield the lines; a packed file that is damaged ends where it cannot be unpacked."""
        name, number = self.name, 0
        with _open(self.path) as file:
            try:
                for text in iter(partial(file.readline, LONGEST), ""):
                    number += 1
                    yield Line(name, number, text.rstrip("\n"))
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                faults.add(Fault(name, number + 1, f"the file cannot be unpacked from here on: {error}"))


class _Copy(Source):
    """What is left of an open file, in a temporary one: it may be a pipe, which is read once."""

    def __init__(self, file: Any) -> None:
        handle, path = tempfile.mkstemp(prefix="dpif-")
        weakref.finalize(self, os.unlink, path)
        with os.fdopen(handle, "wb") as copy:
            while piece := file.read(_PIECE):
                copy.write(piece.encode("utf-8", "replace") if isinstance(piece, str) else piece)
        super().__init__(str(getattr(file, "name", "<file>")), path)


def source_of(readable: Readable) -> Source:
    """Return the source of a path or of an open file; raise `OSError` for what cannot be opened."""
    if not isinstance(readable, str | os.PathLike):
        return _Copy(readable)
    path = os.fspath(readable)
    with open(path, "rb"):
        return Source(path, path)


def _open(path: str) -> Any:
    with open(path, "rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    opener = gzip.open if is_packed else open
    return opener(path, "rt", encoding="utf-8", errors="replace")
