"""Where in a buffer of many messages the attributes of each stand: one step over all messages for each attribute.

A plain walk of attributes, with arrays in place of offsets: an array of what starts where, a step to the next
attribute in each message that has one. This file knows the attributes of ``ovs_flow`` and looks into none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dpif._typing import Any, Final, TypeAlias
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowRecord

WORD: Final = 4
"""Bytes of a word, on a multiple of which every attribute starts."""
Array: TypeAlias = npt.NDArray[Any]

OFFSET: Final = np.int32
"""The type of offsets: it counts how much memory there is to touch."""

OTHER: Final = max(FlowAttr) + 1
"""Stands for every attribute that has no name."""

_SIZES: Final = {FlowAttr.STATS: 16, FlowAttr.USED: 8, FlowAttr.TCP_FLAGS: 1}
_PLAIN: Final = {*_SIZES, FlowAttr.KEY, FlowAttr.MASK, FlowAttr.ACTIONS, FlowAttr.UFID, FlowAttr.PAD}
"""What a good message has; any other attribute makes it one that is looked at the slow way."""


_LENGTH_SHIFT, _NUMBER_SHIFT = (0, 16) if sys.byteorder == "little" else (16, 0)
"""Where length and number stand in the first word of an attribute (``struct nlattr``)."""


class Messages:
    """Flow messages in one buffer.

    ``starts`` and ``ends`` of their payloads are offsets in `data`, each start a multiple of four. ``at[number]``
    and ``sizes[number]`` give for each message where the payload of that attribute starts, and its bytes; 0 where the
    attribute is not there. The last of several of a number counts, as in `AttributeSet.decode`.
    """

    def __init__(self, data: bytes | bytearray, starts: Array, ends: Array) -> None:
        self.data = data
        self.starts = starts
        self.ends = ends
        self.at = np.zeros((OTHER + 1, len(starts)), OFFSET)
        self.sizes = np.zeros((OTHER + 1, len(starts)), np.uint16)
        _insist(self, self._walk())

    def __len__(self) -> int:
        return len(self.starts)

    def _walk(self) -> Array:
        """Find the attributes; return the messages that have a bad one."""
        words = np.frombuffer(self.data, np.uint32)
        count = len(self)
        places, sizes = self.at.reshape(-1), self.sizes.reshape(-1)  # where index n * count + row is attribute n's
        rows = np.arange(count)
        at, ends = self.starts + OVS_HDRLEN, self.ends
        bad = [rows[at > ends]]
        while True:
            left = np.flatnonzero(at < ends)
            if len(left) < len(rows):
                rows, at, ends = rows[left], at[left], ends[left]
            if not len(rows):
                return np.concatenate(bad)
            header = words[at >> 2].astype(OFFSET)
            length = header >> _LENGTH_SHIFT & 0xFFFF
            following = at + length
            wrong = (length < NLA_HDRLEN) | (following > ends)
            if wrong.any():
                bad.append(rows[wrong])
                following = np.where(wrong, ends, following)
            index = np.minimum(header >> _NUMBER_SHIFT & NLA_TYPE_MASK, OTHER) * count + rows
            places[index] = at + NLA_HDRLEN
            sizes[index] = length - NLA_HDRLEN
            at = following + 3 & -4

    def keep(self, wanted: Array) -> None:
        """Leave out the messages that a boolean array does not name."""
        self.starts, self.ends = self.starts[wanted], self.ends[wanted]
        self.at, self.sizes = self.at[:, wanted], self.sizes[:, wanted]

    def record(self, row: int) -> FlowRecord:
        """Decode one message the slow way; raise `DecodeError`."""
        return FlowRecord.from_reply(bytes(self.data[self.starts[row] : self.ends[row]]))

    def payload(self, number: int, row: int) -> bytes:
        """Return the payload of attribute `number` of one message, empty where it is not there."""
        start = self.at[number, row]
        return bytes(self.data[start : start + int(self.sizes[number, row])])

    def matrices(self, numbers: Sequence[int]) -> Iterator[tuple[Array, Array]]:
        """Yield the messages in whom each of these attributes has one length, in their order, and their words.

        These are a matrix, a row for each message: the words of the attributes, one after the other. Each attribute
        has its header before it; one that is empty, or not there, has no words.
        """
        if not len(self):
            return
        sizes = self.sizes[numbers]  # of 16 bits, which NumPy sorts in linear time
        order = np.lexsort(sizes)
        sizes, at = sizes[:, order], self.at[numbers][:, order] - NLA_HDRLEN
        edges = [0, *(np.flatnonzero((sizes[:, 1:] != sizes[:, :-1]).any(axis=0)) + 1).tolist(), len(order)]
        for start, end in pairwise(edges):
            yield order[start:end], self._matrix(at[:, start:end], sizes[:, start].tolist())

    def _matrix(self, at: Array, sizes: list[int]) -> Array:
        """Return the words of attributes of these sizes whose headers are at these offsets."""
        there = [index for index, size in enumerate(sizes) if size]
        if not there:
            return np.empty((at.shape[1], 0), np.uint32)
        widths = {index: NLA_HDRLEN + (sizes[index] + WORD - 1 & -WORD) for index in there}
        if all((at[one] + widths[one] == at[other]).all() for one, other in pairwise(there)):
            matrix = self._windows(f"V{sum(widths.values())}", at[there[0]])  # as every datapath sends them
        else:
            matrix = np.empty(at.shape[1], [(str(index), f"V{width}") for index, width in widths.items()])
            for index, width in widths.items():
                matrix[str(index)] = self._windows(f"V{width}", at[index])
        return matrix.view(np.uint32).reshape(at.shape[1], -1)

    def values(self, number: int, dtype: str | int) -> Array:
        """Return what stands at the beginning of attribute `number` (anything where it is not there).

        `dtype` is a data type, or a number of bytes.
        """
        kind = f"V{dtype}" if isinstance(dtype, int) else dtype
        return self._windows(kind, self.at[number])

    def _windows(self, dtype: str, at: Array) -> Array:
        """Return what stands at these offsets."""
        kind = np.dtype(dtype)
        windows = np.ndarray((len(self.data) - kind.itemsize) // WORD + 1, kind, self.data, strides=(WORD,))
        values: Array = windows[at >> 2]
        return values


def _insist(messages: Messages, bad: Array) -> None:
    """Raise the `DecodeError` that the slow way has for the first message with something amiss."""
    at, sizes = messages.at, messages.sizes
    suspicious = (at[FlowAttr.KEY] == 0) & (at[FlowAttr.UFID] == 0) | (messages.ends - messages.starts < OVS_HDRLEN)
    for number in range(OTHER + 1):
        if number in _SIZES:
            suspicious |= (at[number] != 0) & (sizes[number] != _SIZES[FlowAttr(number)])
        elif number not in _PLAIN:
            suspicious |= at[number] != 0
    suspicious[bad] = True
    for row in np.flatnonzero(suspicious).tolist():
        messages.record(row)
