"""Reading and writing packet captures: pcap and pcapng files, gzipped ones too when reading.

`read` gives the packets of a file of either format (`pcap`, `pcapng`); a `Writer` takes the one that the file's name
ends in. `files` opens what they read and write.

What is wrong is told with the file's name: `Unavailable` when it cannot be opened, `DpifError` when it is no good
capture, with the byte at which that shows (of the unzipped file).
"""

from __future__ import annotations

from dpif.packet.capture.packets import LINKTYPE_ETHERNET, CapturedPacket, Path
from dpif.packet.capture.reading import read
from dpif.packet.capture.writing import Writer

__all__ = ["LINKTYPE_ETHERNET", "CapturedPacket", "Path", "Writer", "read"]
