"""Messages whose keys and masks have the same attributes of the same lengths, gathered into a matrix of words.

The first message of a layout is decoded the slow way (`FlowKey.from_bytes`), which checks it, and says where the
columns stand. The others are told by their headers: where those words are the same nothing can be wrong, and every
column stands in the same place::

              KEY                                        MASK
    message   header value … | header value value …      header value … | header value value …
    compared  ======         | ======                    ======         | ======
    changed          ^                      ^            (most words are those of the first message)

A word that is in no message other than in the first is read once: so are most masks, and much of the keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dpif._typing import Final, NamedTuple
from dpif.netlink.attributes import walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.columns.fields import MASK, UFID, Form, Leaf, known_types, leaves, mask_type
from dpif.odp.columns.places import WORD, Array, Messages
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.nest import Nest, Nested

_PARTS: Final[tuple[tuple[FlowAttr, type[Nest] | None, str], ...]] = (
    (FlowAttr.UFID, None, ""),
    (FlowAttr.KEY, FlowKey, ""),
    (FlowAttr.MASK, FlowMask, MASK),
)
"""What of a message stands in the matrix, of which nest it is, and what its columns have behind their names."""
_NUMBERS: Final = [number for number, _, _ in _PARTS]


class Layout:
    """What the messages like a first one have in common: the headers, and the places of the columns."""

    def __init__(self, payloads: list[bytes]) -> None:
        self.leaves: list[Leaf] = []
        headers: list[int] = []
        words = b""
        for (number, nest, suffix), payload in zip(_PARTS, payloads, strict=True):
            if payload:
                words += bytes(NLA_HDRLEN)
            start = len(words)
            words += payload + bytes(-len(payload) % WORD)
            if nest is None:
                found = [Leaf(UFID, known_types()[UFID], 0, len(payload))] if payload else []
            else:
                _check(number, payload)
                headers += [start + at for at in _headers(nest, payload)]
                found = list(leaves(nest, payload))
            if suffix:
                found = [leaf._replace(name=leaf.name + suffix, type=mask_type(leaf.type)) for leaf in found]
            self.leaves += [leaf._replace(offset=leaf.offset + start) for leaf in found]
        self.first = np.frombuffer(words, np.uint32)
        self.headers = np.zeros_like(self.first)
        """All bits of the words that are the same in every message of the layout."""
        self.headers[np.array(headers, np.intp) // WORD] = 0xFFFFFFFF
        self._leaves_at: list[list[Leaf]] = [[] for _ in self.first]
        for leaf in self.leaves:
            for word in range(leaf.offset // WORD, -(-(leaf.offset + leaf.size) // WORD)):
                self._leaves_at[word].append(leaf)

    def difference(self, matrix: Array) -> Array:
        """Return for each word the bits in which some row of a matrix differs from the first message."""
        somewhere = np.bitwise_or.reduce(matrix, axis=0) | self.first
        everywhere = np.bitwise_and.reduce(matrix, axis=0) & self.first
        difference: Array = somewhere ^ everywhere
        return difference

    def changed(self, difference: Array) -> dict[str, Leaf]:
        """Return by name the columns in which there is one of these bits."""
        words = np.flatnonzero(difference).tolist()
        return {leaf.name: leaf for word in words for leaf in self._leaves_at[word]}


def _check(number: FlowAttr, payload: bytes) -> None:
    """Raise the `DecodeError` that there is for a bad key or mask."""
    if number == FlowAttr.KEY:
        FlowRecord(key=payload).flow_key()
    else:
        FlowRecord(mask=payload).flow_mask()


def _headers(nest: type[Nest], data: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Yield where the headers of attributes stand, those within others too."""
    for number, first, last in walk(data, start, end):
        yield first - NLA_HDRLEN
        type_ = nest.type_of(number)
        if isinstance(type_, Nested):
            yield from _headers(type_.nest, data, first, last)


def read(matrix: Array, leaf: Leaf) -> Array:
    """Return the values of one column, one for each row of a matrix of words."""
    form, size, _ = leaf.type
    if leaf.size == 0:
        return np.ones(len(matrix), bool) if form is Form.FLAG else np.zeros(len(matrix), "V0")
    dtype = f"{leaf.order.replace('!', '>')}u{leaf.size}" if form is Form.UINT else f"V{leaf.size}"
    words = np.ndarray(len(matrix), dtype, matrix, leaf.offset, matrix.strides[:1])
    if leaf.full is not None:
        words = words >> leaf.shift & leaf.full
    return words.astype(f"u{size}" if form is Form.UINT else dtype)


class Group(NamedTuple):
    """Messages of one layout: their numbers, their words, and all bits in which some differ from the first's."""

    layout: Layout
    rows: Array
    matrix: Array
    difference: Array


class Layouts:
    """The layouts met so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], list[Layout]] = {}

    def groups(self, messages: Messages) -> Iterator[Group]:
        """Yield the messages of each layout together, in their order; raise `DecodeError`."""
        for rows, matrix in messages.matrices(_NUMBERS):
            while len(rows):
                layout = self._layout(messages, rows[0], matrix[0])
                changed = layout.difference(matrix)
                telling = np.flatnonzero(changed & layout.headers)
                if not len(telling):
                    yield Group(layout, rows, matrix, changed)
                    break
                like = ~((matrix[:, telling] ^ layout.first[telling]) & layout.headers[telling]).any(axis=1)
                yield Group(layout, rows[like], matrix[like], layout.difference(matrix[like]))
                rows, matrix = rows[~like], matrix[~like]

    def _layout(self, messages: Messages, row: int, words: Array) -> Layout:
        """Return the layout of one message."""
        payloads = [messages.payload(number, row) for number in _NUMBERS]
        known = self._known.setdefault(tuple(map(len, payloads)), [])
        for layout in known:
            if not ((layout.first ^ words) & layout.headers).any():
                return layout
        known.append(Layout(payloads))
        return known[-1]
