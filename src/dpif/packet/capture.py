"""Reading and writing packet captures: pcap and pcapng files, gzipped ones too when reading.

The formats are scapy's business (the extra ``pcap``); of scapy only ``scapy.utils`` is loaded, and only when a
file is opened. scapy says what is wrong with a file through its log and then acts as if the file ended; here
that becomes the error.

`Unavailable` when scapy is not installed or the file cannot be opened, `DpifError` when it is no good capture:
each with the file's name and the reason.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import ModuleType, TracebackType

from dpif._typing import Any, NamedTuple, Self, TypeAlias
from dpif.errors import DpifError, EncodeError, Unavailable

__all__ = ["LINKTYPE_ETHERNET", "CapturedPacket", "Path", "Writer", "read"]

LINKTYPE_ETHERNET = 1
"""Ethernet frames, in the numbering of https://www.tcpdump.org/linktypes.html."""

Path: TypeAlias = str | os.PathLike[str]

_PCAP_HEADER = 24
_PCAP_RECORD = 16  # the header before each packet
_LATEST = 2**32 * 1_000_000  # microseconds: pcap has 32 bits for seconds


class CapturedPacket(NamedTuple):
    """One packet of a capture.

    ``timestamp`` in seconds since 1970 (0.0 when the file has none), ``data`` what was captured,
    ``wire_length`` the bytes that the packet had on the wire, more than ``len(data)`` when it was cut.
    """

    timestamp: float
    data: bytes
    wire_length: int


def read(path: Path, link_type: int = LINKTYPE_ETHERNET) -> Iterator[CapturedPacket]:
    """Yield the packets of a capture file, in its order; `DpifError` at one of another link type.

    A file that is cut or broken somewhere gives the packets before that place, and then the error.
    """
    utils = _scapy(path)
    with _opened(path) as file, _complaints() as complaints:
        try:
            reader = utils.RawPcapReader(file)
        except utils.Scapy_Exception as error:
            raise DpifError(f"{path}: not a pcap or pcapng file ({error})") from None
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
def _opened(path: Path) -> Iterator[Any]:
    try:
        file = open(path, "rb")  # noqa: SIM115 (only the opening is guarded)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}", error.errno or errno.EIO) from None
    with file:
        yield file


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
    file sees it.
    """

    def __init__(self, path: Path, link_type: int = LINKTYPE_ETHERNET, *, flush: bool = False) -> None:
        utils = _scapy(path)
        name = os.fspath(path)
        self._pcapng = name.endswith(".pcapng")
        try:
            self._writer = (utils.RawPcapNgWriter if self._pcapng else utils.RawPcapWriter)(name)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}", error.errno or errno.EIO) from None
        self._writer.linktype = link_type
        self._writer.sync = flush
        self._writer.write_header(None)

    def write(self, data: bytes, timestamp: float | None = None, wire_length: int | None = None) -> None:
        """Write one packet; `timestamp` in seconds since 1970 (now when None), before 2106."""
        ticks = round((time.time() if timestamp is None else timestamp) * 1_000_000)
        if not 0 <= ticks < _LATEST:
            raise EncodeError(f"{timestamp} is out of the range of a capture's timestamps")
        if self._pcapng:
            # scapy multiplies by the resolution and cuts off: a float would lose the last digit.
            self._writer.write_packet(bytes(data), sec=Fraction(ticks, 1_000_000), wirelen=wire_length)
        else:
            seconds, micros = divmod(ticks, 1_000_000)
            self._writer.write_packet(bytes(data), sec=seconds, usec=micros, wirelen=wire_length)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
