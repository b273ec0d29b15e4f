"""Reading and writing packet captures: pcap and pcapng files, gzipped ones too when reading.

The formats are scapy's business (the extra ``pcap``); of scapy only ``scapy.utils`` is loaded, and only when a
file is opened. scapy says what is wrong with a file through its log and then acts as if the file ended; here
that becomes the error.

`Unavailable` when scapy is not installed or the file cannot be opened, `DpifError` when it is no good capture:
each with the file's name and the reason.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import ModuleType, TracebackType

from dpif._typing import Any, NamedTuple, Self, TypeAlias
from dpif.errors import DpifError, EncodeError, Unavailable, brief

__all__ = ["LINKTYPE_ETHERNET", "CapturedPacket", "Path", "Writer", "read"]

LINKTYPE_ETHERNET = 1
"""Ethernet frames, in the numbering of https://www.tcpdump.org/linktypes.html."""

Path: TypeAlias = str | os.PathLike[str]

_PCAP_HEADER = 24
_PCAP_RECORD = 16  # the header before each packet
MAX_BLOCK = 16 << 20
"""Bytes of the longest block that is read of a pcapng file; libpcap has the same bound."""
_LATEST = 2**32 * 1_000_000  # microseconds: pcap has 32 bits for seconds


class CapturedPacket(NamedTuple):
    """One packet of a capture.

    ``timestamp`` in seconds since 1970 (0.0 when the file has none), ``data`` what was captured,
    ``wire_length`` the bytes that the packet had on the wire, more than ``len(data)`` when it was cut.
    """

    timestamp: float
    data: bytes
    wire_length: int


def read(path: Path, link_type: int = LINKTYPE_ETHERNET, *, regular: bool = False) -> Iterator[CapturedPacket]:
    """Yield the packets of a capture file, in its order; `DpifError` at one of another link type.

    A file that is cut or broken somewhere gives the packets before that place, and then the error. With `regular`
    anything but a regular file is refused (EINVAL), so that nobody waits for what is never written.
    """
    utils = _scapy(path)
    with _opened(path, regular) as file, _complaints() as complaints:
        try:
            reader = utils.RawPcapReader(_Bounded(path, file))
            reader.f = _Bounded(path, reader.f)  # which unzips, where the file is zipped
        except utils.Scapy_Exception as error:
            raise DpifError(f"{path}: not a pcap or pcapng file ({error})") from None
        except MemoryError:
            raise DpifError(f"{path}: a block for which there is no memory") from None
        position = _PCAP_HEADER
        for data, about in reader:
            found = getattr(about, "linktype", None)
            _check_link_type(path, reader.linktype if found is None else found, link_type)
            position += _PCAP_RECORD + getattr(about, "caplen", 0)
            if len(data) < getattr(about, "caplen", 0):
                raise DpifError(f"{path}: the file ends within a packet")
            yield CapturedPacket(_timestamp(reader, about), data, about.wirelen)
        if complaints:
            raise DpifError(f"{path}: {complaints[0]}")
        if _ends_within(reader, position):
            raise DpifError(f"{path}: the file ends within a header")


def _ends_within(reader: Any, position: int) -> bool:
    """Tell whether the file, read to its end, has more than whole records, which scapy keeps quiet about.

    pcap records end at `position`; pcapng blocks have a multiple of 4 bytes.
    """
    end = reader.f.tell()
    return bool(end != position if hasattr(reader, "linktype") else end % 4)


def _scapy(path: Path) -> ModuleType:
    try:
        import scapy.utils
    except ImportError:
        hint = "needs scapy: pip install 'dpif[pcap]'"
        raise Unavailable(f"{path}: reading and writing captures {hint}", errno.ENOPKG) from None
    utils: ModuleType = scapy.utils
    return utils


@contextmanager
def _opened(path: Path, regular: bool) -> Iterator[Any]:
    with _open(path, "rb", regular) as file:
        yield file


def _open(path: Path, mode: str, regular: bool, buffering: int = -1) -> Any:
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


class _Bounded:
    """A file of which nobody reads more in one piece than a block may have, whatever the block says of itself."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        if size > MAX_BLOCK:
            raise DpifError(f"{self._path}: a block of {size} bytes, where at most {MAX_BLOCK} belong")
        data: bytes = self._file.read(size)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect, and keep off standard error, what scapy has to say about the file that is being read."""
    said: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return False

    log = logging.getLogger("scapy.runtime")
    log.filters.insert(0, collect)  # before scapy's own filter, which drops what it has said before
    try:
        yield said
    finally:
        log.removeFilter(collect)


def _check_link_type(path: Path, found: int, wanted: int) -> None:
    if found != wanted:
        raise DpifError(f"{path}: packets of link type {found}, not {wanted} (1 is Ethernet)")


def _timestamp(reader: Any, about: Any) -> float:
    """Return seconds: pcap has seconds and a fraction, pcapng ticks of the interface's resolution."""
    if hasattr(about, "sec"):
        return float(about.sec + about.usec / (1e9 if reader.nano else 1e6))
    if about.tshigh is None:
        return 0.0
    return float((about.tshigh << 32 | about.tslow) / about.tsresol)


class Writer:
    """Writes a capture: pcapng when the name ends in ``.pcapng``, else pcap; timestamps in microseconds.

    A context manager. Each packet is handed to the system at once when `flush` is set, so that what watches the
    file sees it; one for which there is no room is left out as a whole (`OSError`). `regular` is that of `read`.
    """

    def __init__(
        self, path: Path, link_type: int = LINKTYPE_ETHERNET, *, flush: bool = False, regular: bool = False
    ) -> None:
        utils = _scapy(path)
        name = os.fspath(path)
        self._pcapng = name.endswith(".pcapng")
        self._buffer = io.BytesIO()  # where scapy writes, so that a packet reaches the file whole or not at all
        if self._pcapng:
            self._writer = utils.RawPcapNgWriter(os.devnull)
            self._writer.f.close()
            self._writer.f = self._buffer
        else:
            self._writer = utils.RawPcapWriter(self._buffer)
        self._writer.linktype = link_type
        self._writer.write_header(None)
        self._file = _open(path, "wb", regular, 0 if flush else -1)
        self._end = 0
        try:
            self._store()
        except OSError as error:
            self._file.close()
            raise Unavailable(f"{path}: {error.strerror}", error.errno or errno.EIO) from None

    def _store(self) -> None:
        """Write down what scapy has written; undo it, and raise `OSError`, when only a part of it found room."""
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
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
        if self._pcapng:
            # scapy multiplies by the resolution and cuts off: a float would lose the last digit.
            self._writer.write_packet(bytes(data), sec=Fraction(ticks, 1_000_000), wirelen=wire_length)
        else:
            seconds, micros = divmod(ticks, 1_000_000)
            self._writer.write_packet(bytes(data), sec=seconds, usec=micros, wirelen=wire_length)
        self._store()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
