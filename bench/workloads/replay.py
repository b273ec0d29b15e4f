"""A transport that plays a dump: what lists flows is measured with it, without a kernel."""

from __future__ import annotations

from dpif.netlink.constants import NLM_F_MULTI, NLMSG_DONE
from dpif.netlink.message import HEADER, pack_message

DUMP_PART = 0x8000
"""Bytes of rows that the kernel puts into one read."""
FAMILY = 31


class Replay:
    """A transport that answers the request for a dump with the same rows again and again."""

    port_id = 77

    def __init__(self, rows: list[bytes]) -> None:
        self.datagrams = _dump(rows, self.port_id)
        self._rest = iter(self.datagrams)

    def send(self, datagram: bytes) -> None:
        """Begin anew; the sequence number of the rows is always 1, as that of the first request of a connection."""
        self._rest = iter(self.datagrams)

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram."""
        try:
            return next(self._rest)
        except StopIteration:
            raise BlockingIOError from None

    def fileno(self) -> int:
        """There is none."""
        return -1

    def join_group(self, group: int) -> None:
        """There are none."""

    def leave_group(self, group: int) -> None:
        """There are none."""

    def close(self) -> None:
        """Nothing to do."""


def _dump(rows: list[bytes], port_id: int) -> list[bytes]:
    datagrams, part = [], b""
    for row in rows:
        message = pack_message(FAMILY, NLM_F_MULTI, 1, port_id, row)
        if len(part) + len(message) > DUMP_PART:
            datagrams.append(part)
            part = b""
        part += message
    done = HEADER.pack(HEADER.size + 4, NLMSG_DONE, NLM_F_MULTI, 1, port_id) + bytes(4)
    return [*datagrams, part, done]
