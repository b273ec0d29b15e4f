"""Many datagrams of a dump in one buffer, and where the messages in it are.

Almost every datagram is nothing but plain rows, whose headers are known but for their lengths. That is told for all
of them at once; where there is anything else the exchange looks through them, one message after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from dpif._typing import Any, TypeAlias
from dpif.netlink.attributes import Buffer
from dpif.netlink.constants import NLMSG_HDRLEN
from dpif.netlink.exchange import Dump
from dpif.odp.columns.places import OFFSET, WORD, Array

Source: TypeAlias = Callable[[Callable[[bytes], None]], Iterator[Dump[Any]]]
"""Starts a dump that hands its datagrams to a function; at each step the exchange is to be fed with them."""

_HEADER_WORDS = NLMSG_HDRLEN // WORD
_ROOM = 256 << 10


class Window:
    """A buffer that is filled again and again: to touch fresh memory costs time."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._used = 0
        self._datagrams: list[tuple[int, int]] = []

    def add(self, datagram: bytes) -> None:
        """Put a datagram behind the others, while it is still at hand for the processor."""
        self._datagrams.append(self._lay(datagram))

    def rows(self, exchange: Dump[Any]) -> tuple[bytearray, Array, Array]:
        """Feed the exchange; return a buffer and where the payloads of rows start and end in it.

        Each starts on a multiple of four. The buffer is good until something is added again.
        """
        words = np.frombuffer(self._data, np.uint32)
        plain = len(self._datagrams) - self._ends_with_another(exchange)  # the end of a dump mostly comes by itself
        used = self._datagrams[plain][0] if plain < len(self._datagrams) else self._used
        starts = _plain_rows(words[: used // WORD], exchange.row_header)
        if starts is None:
            plain, used, starts = 0, 0, np.zeros(0, np.intp)
        rest = [bytes(self._data[start:end]) for start, end in self._datagrams[plain:]]
        lengths = words[starts].astype(OFFSET)
        places = starts.astype(OFFSET) * WORD
        self._used = used
        others = self._lay_all(payload for datagram in rest for payload in exchange.payloads(datagram))
        self._used = 0
        self._datagrams.clear()
        return (
            self._data,
            np.concatenate([places + NLMSG_HDRLEN, others[:, 0]]),
            np.concatenate([places + lengths, others[:, 1]]),
        )

    def _ends_with_another(self, exchange: Dump[Any]) -> bool:
        """Tell whether the last datagram begins with something else than a plain row."""
        if not self._datagrams:
            return False
        start, _ = self._datagrams[-1]
        return self._data[start + WORD : start + NLMSG_HDRLEN] != exchange.row_header

    def _lay_all(self, parts: Iterable[Buffer]) -> Array:
        """Write parts into the buffer; return where each starts and ends."""
        return np.array([self._lay(part) for part in parts], OFFSET).reshape(-1, 2)

    def _lay(self, part: Buffer) -> tuple[int, int]:
        """Write a part into the buffer, on a multiple of four; return where it starts and ends."""
        start = self._used
        end = start + len(part)
        self._used = end + -end % WORD
        if self._used > len(self._data):
            larger = bytearray(max(2 * len(self._data), self._used, _ROOM))
            larger[:start] = self._data[:start]
            self._data = larger
        self._data[start:end] = part
        return start, end


def _plain_rows(words: Array, header: bytes) -> Array | None:
    """Return where rows start, in words, if there is nothing else; None if there may be."""
    kind, seq, port_id = np.frombuffer(header, np.uint32)
    found = np.flatnonzero(words[: -(_HEADER_WORDS - 2)] == kind)
    starts: Array = found[(words[found + 1] == seq) & (words[found + 2] == port_id)] - 1
    if not len(starts) or starts[0] != 0:
        return None
    lengths = words[starts].astype(np.intp)
    follows = starts + (lengths + WORD - 1) // WORD
    if (lengths < NLMSG_HDRLEN).any() or follows[-1] != len(words) or (follows[:-1] != starts[1:]).any():
        return None
    return starts
