"""The texts of lists of actions, by codes: what the column of actions is made of.

Each flow may have a list of its own. So texts are put one behind the other as bytes, for objects would take several
times their memory; and what is there twice is told by hashes in the end.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np

from dpif._typing import NamedTuple
from dpif.odp.columns.places import Array
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.keys import Mode, Unusual
from dpif.odp.lines.learned import ActionLists
from dpif.odp.messages.flow import FlowRecord


class Texts(NamedTuple):
    """Texts in UTF-8: all of them one behind the other, and where each starts, and the last one ends."""

    data: bytes
    offsets: Array

    @classmethod
    def of(cls, text: str) -> Texts:
        """Return one text."""
        data = text.encode("utf-8", "backslashreplace")
        return cls(data, np.array([0, len(data)], np.int32))

    def strings(self) -> list[str]:
        """Return each by itself."""
        return [self.data[start:end].decode() for start, end in pairwise(self.offsets.tolist())]


class ActionTexts:
    """Gathers the texts of lists of actions part by part, each with a code, and in the end tells what is equal."""

    def __init__(self, port_names: Mapping[int, str] | None = None) -> None:
        self._lists = _lists() if port_names is None else ActionLists(ActionWriter(Mode(port_names=port_names)))
        self._port_names = port_names
        self._count = 0
        self._data: list[bytes] = []
        self._lengths: list[Array] = []
        self._hashes: list[Array] = []

    def add(self, lists: list[bytes]) -> Array:
        """Take lists of actions of one length, and return their codes for now; raise `DecodeError`."""
        distinct = list(dict.fromkeys(lists))
        texts = self._lists.write_all(distinct)
        texts = [text or self._text(data) for text, data in zip(texts, distinct, strict=True)]
        joined = "".join(texts)
        if joined.isascii():
            self._lengths.append(_numbers(map(len, texts), len(texts)))
            self._data.append(joined.encode())
        else:
            parts = [text.encode("utf-8", "backslashreplace") for text in texts]
            self._lengths.append(_numbers(map(len, parts), len(parts)))
            self._data.append(b"".join(parts))
        self._hashes.append(_numbers(map(hash, texts), len(texts)))
        start = self._count
        self._count += len(distinct)
        if len(distinct) == len(lists):
            return np.arange(start, self._count, dtype=np.int32)
        codes = {data: code for code, data in enumerate(distinct, start)}
        return np.array([codes[data] for data in lists], np.int32)

    def _text(self, data: bytes) -> str:
        try:
            return self._lists.write(data)
        except Unusual:
            actions = FlowRecord(actions=data).flow_actions()
            return "" if actions is None else actions.format(port_names=self._port_names)

    def finish(self) -> tuple[Texts, Array]:
        """Return the texts that differ, in the order in which they came, and for each code what it is among them."""
        none = np.zeros(0, np.int64)
        data, lengths = b"".join(self._data), np.concatenate([none, *self._lengths])
        self._data.clear()
        same_as = self._same_as(data, lengths, np.concatenate([none, *self._hashes]))
        kept = same_as == np.arange(len(same_as))
        data = b"".join(_runs(data, kept, np.cumsum(lengths)))
        codes = (np.cumsum(kept) - 1)[same_as].astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int32)
        return Texts(data, offsets), codes

    @staticmethod
    def _same_as(data: bytes, lengths: Array, hashes: Array) -> Array:
        """Return for each text the first one that is equal to it."""
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        same_as: Array = first[group]
        ends = np.cumsum(lengths)
        for one in np.flatnonzero(same_as != np.arange(len(same_as))).tolist():
            text, other = (data[ends[which] - lengths[which] : ends[which]] for which in (one, same_as[one]))
            if text != other:
                same_as[one] = one  # the hash alone is the same
        return same_as


def _numbers(numbers: Iterable[int], count: int) -> Array:
    return np.fromiter(numbers, np.int64, count)


def _runs(data: bytes, kept: Array, ends: Array) -> Iterator[memoryview]:
    """Yield those texts of `data` that are kept, which end there, each run of them at once."""
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    places = np.append(0, ends)[edges].tolist()
    yield from (memoryview(data)[start:end] for start, end in zip(places[::2], places[1::2], strict=True))


@functools.cache
def _lists() -> ActionLists:
    """Return what writes lists of actions; what one dump taught it, it knows in the next."""
    return ActionLists(ActionWriter(Mode()))
