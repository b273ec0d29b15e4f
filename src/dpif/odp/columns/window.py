"""Many datagrams of a dump in one buffer, and where the messages in it are.

Almost every datagram is nothing but plain rows, whose headers are known but for their lengths. That is told for all
of them at once; where there is anything else the exchange looks through them, one message after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpif._typing import Any, TypeAlias
from dpif.netlink.attributes import Buffer
from dpif.netlink.constants import NLMSG_HDRLEN
from dpif.netlink.exchange import Dump
from dpif.odp.columns.places import OFFSET, WORD, Array

Part: TypeAlias = tuple[Dump[Any], list[bytes]]
"""A dump, and datagrams that it is to be fed with."""

_HEADER_WORDS = NLMSG_HDRLEN // WORD


class Window:
    """A buffer that is filled again and again: to touch fresh memory costs time."""

    def __init__(self) -> None:
        self._data = bytearray()

    def fill(self, exchange: Dump[Any], datagrams: list[bytes]) -> tuple[bytearray, Array, Array]:
        """Feed the exchange; return a buffer and where the payloads of rows start and end in it.

        Each starts on a multiple of four. The buffer is good until it is filled again.
        """
        room = sum(map(len, datagrams)) + WORD * len(datagrams)
        if room > len(self._data):
            self._data = bytearray(room - room % -WORD)
        _, used = self._lay(datagrams)
        starts = _plain_rows(np.frombuffer(self._data, np.uint32)[: used // WORD], exchange.row_header)
        if starts is None:
            payloads = [payload for datagram in datagrams for payload in exchange.payloads(datagram)]
            places = np.array(self._lay(payloads)[0], OFFSET)
            return self._data, places, places + np.array([len(payload) for payload in payloads], OFFSET)
        lengths = np.frombuffer(self._data, np.uint32)[starts].astype(OFFSET)
        places = starts.astype(OFFSET) * WORD
        return self._data, places + NLMSG_HDRLEN, places + lengths

    def _lay(self, parts: Sequence[Buffer]) -> tuple[list[int], int]:
        """Write parts into the buffer, each on a multiple of four; return where they start, and where all end."""
        places = []
        used = 0
        for part in parts:
            places.append(used)
            self._data[used : used + len(part)] = part
            used += len(part) + -len(part) % WORD
        return places, used


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
