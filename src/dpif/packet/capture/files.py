"""The files behind captures: how they are opened, and read piece by piece (`Source`)."""

from __future__ import annotations

import errno
import os
import stat
import zlib

from dpif._typing import Any
from dpif.errors import DpifError, Unavailable
from dpif.packet.capture.packets import MAX_LENGTH, Path

_GZIP = b"\x1f\x8b"


def open_file(path: Path, mode: str, regular: bool, buffering: int = -1) -> Any:
    """Open a file; one that must be `regular` without waiting for whoever has the other end of a FIFO."""

    def opener(name: str, flags: int) -> int:
        file = os.open(name, flags | os.O_NONBLOCK if regular else flags, 0o666)
        if regular and not stat.S_ISREG(os.fstat(file).st_mode) and os.path.realpath(name) != os.devnull:
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file")
        return file

    try:
        return open(path, mode, buffering, opener=opener)
    except OSError as error:
        reason = "not a regular file" if regular and error.errno == errno.ENXIO else error.strerror
        raise Unavailable(f"{path}: {reason}", error.errno or errno.EIO) from None
    except ValueError as error:  # a NUL in the name
        raise Unavailable(f"{path!r}: {error}", errno.EINVAL) from None


class Source:
    """The bytes of a capture in their order, unzipped; a faulty length makes nobody read more than `MAX_LENGTH`."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = _unzipped(file)
        self.offset = 0
        """Of the next byte."""

    def fault(self, text: str) -> DpifError:
        """Return the error for what was found at the offset."""
        return DpifError(f"{self._path}: {text}, at byte {self.offset}")

    def read(self, size: int, what: str) -> bytes:
        """Return `size` bytes, or none at the end of the file; the file may not end within them."""
        if size > MAX_LENGTH:
            raise self.fault(f"{what} of {size} bytes, where at most {MAX_LENGTH} belong")
        try:
            data: bytes = self._file.read(size)
        except (EOFError, zlib.error, OSError) as error:  # what gzip has to say is an OSError
            raise self.fault(f"cannot be read: {error}") from None
        except MemoryError:
            raise self.fault(f"{what} of {size} bytes, for which there is no memory") from None
        if 0 < len(data) < size:
            raise self.fault(f"the file ends within {what}")
        self.offset += len(data)
        return data

    def read_rest(self, size: int, what: str) -> bytes:
        """Return `size` bytes that must be there."""
        data = self.read(size, what)
        if len(data) < size:
            raise self.fault(f"the file ends within {what}")
        return data


def _unzipped(file: Any) -> Any:
    if file.peek(2)[:2] != _GZIP:
        return file
    import gzip

    return gzip.GzipFile(fileobj=file, mode="rb")
