"""Reading a capture of either format."""

from __future__ import annotations

from collections.abc import Iterator

from dpif.errors import DpifError
from dpif.packet.capture import pcap, pcapng
from dpif.packet.capture.files import Source, open_file
from dpif.packet.capture.packets import LINKTYPE_ETHERNET, CapturedPacket, Path


def read(path: Path, link_type: int = LINKTYPE_ETHERNET, *, regular: bool = False) -> Iterator[CapturedPacket]:
    """Yield the packets of a capture file, in its order; `DpifError` at one of another link type.

    A file that is cut or broken somewhere gives the packets before that place, and then the error. With `regular`
    anything but a regular file is refused (EINVAL), so that nobody waits for what is never written.
    """
    with open_file(path, "rb", regular) as file:
        for found, packet in _packets(path, Source(path, file)):
            if found != link_type:
                raise DpifError(f"{path}: packets of link type {found}, not {link_type} (1 is Ethernet)")
            yield packet


def _packets(path: Path, source: Source) -> Iterator[tuple[int, CapturedPacket]]:
    try:
        magic = source.read(4, "its header")
    except DpifError as error:
        raise DpifError(f"{path}: not a pcap or pcapng file ({str(error).removeprefix(f'{path}: ')})") from None
    if magic == pcapng.MAGIC:
        return pcapng.packets(source, magic)
    if magic in pcap.MAGIC:
        return pcap.packets(source, magic)
    raise DpifError(f"{path}: not a pcap or pcapng file (it begins with {magic.hex(' ') or 'nothing'})")
