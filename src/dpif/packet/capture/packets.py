"""What a capture is made of, whatever its format."""

from __future__ import annotations

import os

from dpif._typing import NamedTuple, TypeAlias

LINKTYPE_ETHERNET = 1
"""Ethernet frames, in the numbering of https://www.tcpdump.org/linktypes.html."""

MAX_LENGTH = 16 << 20
"""Bytes of the longest packet or block that is read; libpcap has the same bound."""

Path: TypeAlias = str | os.PathLike[str]


class CapturedPacket(NamedTuple):
    """One packet of a capture.

    ``timestamp`` in seconds since 1970 (0.0 when the file has none), ``data`` what was captured,
    ``wire_length`` the bytes that the packet had on the wire, more than ``len(data)`` when it was cut.
    """

    timestamp: float
    data: bytes
    wire_length: int
