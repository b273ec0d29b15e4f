"""Writing a capture, packet by packet: each is in the file as a whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from types import TracebackType

from dpif._typing import Self
from dpif.errors import EncodeError, Unavailable, brief
from dpif.packet.capture import pcap, pcapng
from dpif.packet.capture.files import open_file
from dpif.packet.capture.packets import LINKTYPE_ETHERNET, Path

_LATEST = 2**32 * 1_000_000  # microseconds: pcap has 32 bits for seconds


class Writer:
    """Writes a capture: pcapng when the name ends in ``.pcapng``, else pcap; timestamps in microseconds.

    A context manager. Each packet is handed to the system at once when `flush` is set, so that what watches the
    file sees it; one for which there is no room is left out as a whole (`OSError`). `regular` is that of `read`.
    """

    def __init__(
        self, path: Path, link_type: int = LINKTYPE_ETHERNET, *, flush: bool = False, regular: bool = False
    ) -> None:
        self._format = pcapng if os.fspath(path).endswith(".pcapng") else pcap
        self._file = open_file(path, "wb", regular, 0 if flush else -1)
        self._end = 0
        try:
            self._store(self._format.header(link_type))
        except OSError as error:
            self._file.close()
            raise Unavailable(f"{path}: {error.strerror}", error.errno or errno.EIO) from None

    def _store(self, data: bytes) -> None:
        """Write bytes down; undo it, and raise `OSError`, when only a part of them found room."""
        try:
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise
        self._end += len(data)

    def write(self, data: bytes, timestamp: float | None = None, wire_length: int | None = None) -> None:
        """Write one packet; `timestamp` in seconds since 1970 (now when None), before 2106."""
        ticks = round((time.time() if timestamp is None else timestamp) * 1_000_000)
        if not 0 <= ticks < _LATEST:
            raise EncodeError(f"{brief(timestamp)} is out of the range of a capture's timestamps")
        self._store(self._format.record(bytes(data), ticks, len(data) if wire_length is None else wire_length))

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
