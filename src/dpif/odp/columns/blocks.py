"""A dump of flows as blocks of columns, one for each layout.

`Collector` finds the attributes of all messages in a window of datagrams (`places`), takes the messages apart by
layouts (`layouts`), and puts the columns of each layout on its pile. Of the messages nothing is kept, and of a column
that never changes one value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dpif._typing import Final, NamedTuple
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.columns.asked import Options, Origin
from dpif.odp.columns.fields import COUNTERS, OF_ORIGIN, ORIGIN, Form, Title, Type, name_of, titles
from dpif.odp.columns.layouts import Group, Layout, Layouts, read
from dpif.odp.columns.places import WORD, Array, Messages
from dpif.odp.columns.texts import ActionTexts, Texts
from dpif.odp.columns.window import Source, Window
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.flow import FlowRecord

Complete = Callable[[FlowRecord], FlowRecord | None]

_MANY: Final = 1 / 8
"""A list of actions that so many flows of a part have is looked for in all of them at once."""
_TOGETHER: Final = 256
"""Lists that are made texts at a time: more objects would be alive than there is memory for that was touched."""
_UNTOLD: Final = -1
_GONE: Final = -2


class Column(NamedTuple):
    """Values of one type: an array of unsigned integers, bool, float, bytes (``V``), or codes of texts.

    ``present`` tells where there is a value, None for everywhere. Values that are all the same are an array whose
    stride is 0.
    """

    type: Type
    values: Array
    present: Array | None = None


class Block(NamedTuple):
    """Flows with the same fields: how many, and their columns by name."""

    flows: int
    columns: dict[str, Column]


class Blocks(NamedTuple):
    """A whole dump: its blocks, and by columns the texts that their codes stand for."""

    blocks: list[Block]
    texts: dict[str, Texts]

    def titles(self, options: Options) -> list[Title]:
        """Return the columns that are asked for."""
        found = {name: column.type for block in self.blocks for name, column in block.columns.items()}
        told = titles(found, options.columns, dotted=options.dotted)
        if options.columns is None and options.origin is None:
            told = [title for title in told if title.name not in OF_ORIGIN]
        return told


class Collector:
    """Makes blocks of a dump.

    `options` say what is asked for; `EncodeError` for a name that no column has. `complete` is given each record
    without actions, and returns it with them, or None to leave the flow out.
    """

    def __init__(
        self,
        options: Options,
        complete: Complete,
    ) -> None:
        columns = options.columns
        self._wanted = None if columns is None else frozenset(map(name_of, columns))
        self._tells_origin = options.origin is not None
        self._origin = options.origin or Origin()
        self._complete = complete
        self._texts = ActionTexts(options.port_names if options.text else None)
        self._layouts = Layouts()
        self._piles: dict[Layout, _Pile] = {}

    def blocks(self, dump: Source) -> Blocks:
        """Return the blocks of a dump, which this feeds; raise `DecodeError`."""
        window = Window()
        for exchange in dump(window.add):
            self._take(Messages(*window.rows(exchange)))
        texts, codes = self._texts.finish()
        blocks = [pile.block(self._wants, codes, self._origin) for pile in self._piles.values()]
        return Blocks(blocks, {"actions": texts, "datapath": Texts.of(self._origin.datapath)})

    def _take(self, messages: Messages) -> None:
        """Put the columns of some messages on their piles."""
        counters = self._counters(messages)
        if self._wants("actions"):
            counters["actions"] = codes = self._action_codes(messages)
            there = codes != _GONE
            if not there.all():
                counters = {name: values[there] for name, values in counters.items()}
                messages.keep(there)
        for group in self._layouts.groups(messages):
            pile = self._piles.setdefault(group.layout, _Pile(group.layout))
            pile.add(group, {name: values[group.rows] for name, values in counters.items()}, self._wants)

    def _wants(self, name: str) -> bool:
        if self._wanted is not None:
            return name in self._wanted
        return self._tells_origin or name not in OF_ORIGIN

    def _counters(self, messages: Messages) -> dict[str, Array]:
        """Return what is neither in the key nor in the mask, but for the actions."""
        stats = messages.values(FlowAttr.STATS, 16).view(np.uint64).reshape(-1, 2)
        stats[messages.at[FlowAttr.STATS] == 0] = 0
        found = {"packets": stats[:, 0], "bytes": stats[:, 1]}
        for name, number, dtype in (("used", FlowAttr.USED, "u8"), ("flags", FlowAttr.TCP_FLAGS, "u1")):
            found[name] = messages.values(number, dtype)
            found[name][messages.at[number] == 0] = 0
        if self._wants("last_used"):
            found["last_used"] = found["used"]
        return {name: values for name, values in found.items() if self._wants(name)}

    def _action_codes(self, messages: Messages) -> Array:
        """Return the codes of the actions; for flows without them ask, and say `_UNTOLD`, or `_GONE`."""
        codes = np.zeros(len(messages), np.int32)
        for rows, matrix in messages.matrices([FlowAttr.ACTIONS]):
            size = int(messages.sizes[FlowAttr.ACTIONS, rows[0]])
            share = 1.0
            while len(rows) and share >= _MANY:
                like = _like_the_first(matrix)
                share = like.sum() / len(rows)
                codes[rows[like]] = self._texts.add(_payloads(matrix[:1], size))
                rows, matrix = rows[~like], matrix[~like]
            for part in (slice(start, start + _TOGETHER) for start in range(0, len(rows), _TOGETHER)):
                codes[rows[part]] = self._texts.add(_payloads(matrix[part], size))
        for row in np.flatnonzero(messages.at[FlowAttr.ACTIONS] == 0).tolist():
            record = self._complete(messages.record(row))
            if record is None:
                codes[row] = _GONE
            else:
                codes[row] = _UNTOLD if record.actions is None else self._texts.add([record.actions])[0]
        return codes


def _like_the_first(matrix: Array) -> Array:
    """Tell which rows of a matrix are equal to the first, column by column: a row of actions has few words."""
    like: Array = np.ones(len(matrix), bool)
    for column in matrix.T:
        like &= column == column[0]
    return like


def _payloads(matrix: Array, size: int) -> list[bytes]:
    """Return the payloads of attributes of one size, each of whom has its header and itself in a row of a matrix."""
    if not size:
        return [b""] * len(matrix)
    words, width = matrix.tobytes(), matrix.shape[1] * WORD
    return [words[start : start + size] for start in range(NLA_HDRLEN, len(words), width)]


class _Pile:
    """The columns of the flows of one layout, gathered piece by piece."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._count = 0
        self._changed: dict[str, list[tuple[int, Array]]] = {}
        """By column, from which flow on, the values where some are not those of the first flow."""
        self._counters: dict[str, list[Array]] = {}

    def add(self, group: Group, counters: dict[str, Array], wants: Callable[[str], bool]) -> None:
        """Put more flows on the pile."""
        for name, leaf in self._layout.changed(group.difference).items():
            if wants(name):
                self._changed.setdefault(name, []).append((self._count, read(group.matrix, leaf)))
        for name, values in counters.items():
            self._counters.setdefault(name, []).append(values)
        self._count += len(group.rows)

    def block(self, wants: Callable[[str], bool], codes: Array, origin: Origin) -> Block:
        """Take what is on the pile; `codes` are those that the texts of actions have in the end.

        Pieces are let go one column after the other, for the memory of one to serve the next.
        """
        columns = {}
        first = self._layout.first.reshape(1, -1)
        for leaf in self._layout.leaves:
            if wants(leaf.name):
                columns[leaf.name] = Column(leaf.type, self._values(leaf.name, read(first, leaf)))
        for name in list(self._counters):
            columns[name] = _counter(name, np.concatenate(self._counters.pop(name)), codes, origin)
        if wants("datapath"):
            columns["datapath"] = Column(ORIGIN["datapath"], np.zeros(self._count, np.int32))
        if wants("time"):
            columns["time"] = Column(ORIGIN["time"], np.full(self._count, origin.time))
        return Block(self._count, columns)

    def _values(self, name: str, first: Array) -> Array:
        pieces = self._changed.pop(name, None)
        if pieces is None:
            return np.ndarray(self._count, first.dtype, first, strides=(0,))
        values = np.empty(self._count, first.dtype)
        if sum(len(piece) for _, piece in pieces) < self._count:
            values[:] = first
        for start, piece in pieces:
            values[start : start + len(piece)] = piece
        return values


def _counter(name: str, values: Array, codes: Array, origin: Origin) -> Column:
    """Return a column of what is neither in the key nor in the mask."""
    type_ = COUNTERS[name]
    if type_.form is Form.TEXT:
        return _codes(type_, values, codes)
    if type_.form is Form.SECONDS:
        return Column(type_, values / 1000, values != 0)
    if type_.form is Form.TIME:
        times = values.astype(np.int64) * 1000 + (origin.time - origin.clock)
        return Column(type_, np.where(values != 0, times, 0), values != 0)
    return Column(type_, values)


def _codes(type_: Type, values: Array, codes: Array) -> Column:
    """Return a column of texts: `codes` tells what those that they were given for now stand for."""
    if (values >= 0).all():
        return Column(type_, codes[values])
    return Column(type_, np.append(codes, np.int32(_UNTOLD))[values], values != _UNTOLD)
