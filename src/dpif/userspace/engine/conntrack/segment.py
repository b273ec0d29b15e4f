"""A segment of TCP as conntrack reads it (`Segment`)."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import Final, NamedTuple, Self
from dpif.packet.checksum import Buffer
from dpif.packet.layout import Layout

FIN, SYN, RST, PUSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_HEADER_SIZE: Final = 20
_TCPOPT_EOL, _TCPOPT_NOP = 0, 1
TCPOPT_WINDOW, TCPOPT_SACK_PERM, TCPOPT_SACK = 3, 4, 5
_MASK: Final = 0xFFFFFFFF


class Segment(NamedTuple):
    """A segment; ``end`` is the sequence number behind it, ``options`` are those of the header as they are."""

    flags: int
    seq: int
    ack: int
    window: int
    end: int
    options: bytes

    @classmethod
    def read(cls, packet: Buffer, layout: Layout) -> Self:
        """Read a segment whose header is whole."""
        at = layout.l4
        seq, ack, window = (int.from_bytes(packet[at + a : at + b]) for a, b in ((4, 8), (8, 12), (14, 16)))
        flags = packet[at + 13]
        size = (packet[at + 12] >> 4) * 4
        length = layout.end - at - size + bool(flags & SYN) + bool(flags & FIN)
        return cls(flags, seq, ack, window, (seq + length) & _MASK, bytes(packet[at + _HEADER_SIZE : at + size]))

    def walk_options(self) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of each option up to one that makes no sense."""
        at = 0
        while at < len(self.options) and self.options[at] != _TCPOPT_EOL:
            kind = self.options[at]
            if kind == _TCPOPT_NOP:
                at += 1
                continue
            size = self.options[at + 1] if at + 1 < len(self.options) else 0
            if size < 2 or at + size > len(self.options):
                return
            yield kind, self.options[at + 2 : at + size]
            at += size
