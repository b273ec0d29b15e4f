"""Blocks of columns as Arrow record batches and tables.

A column that a block lacks is null, and costs nothing, for all such columns of a type share their memory; so do those
whose values are all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from dpif._typing import Final
from dpif.odp.columns.asked import Options
from dpif.odp.columns.blocks import Block, Collector, Column, Complete
from dpif.odp.columns.fields import UFID, Form, Title, Type
from dpif.odp.columns.places import Array
from dpif.odp.columns.texts import Texts
from dpif.odp.columns.window import Source
from dpif.odp.columns.written import is_written, written

_UINTS: Final = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32(), 8: pa.uint64()}
_SIMPLE: Final = {
    Form.BINARY: pa.binary(),
    Form.FLAG: pa.bool_(),
    Form.SECONDS: pa.float64(),
    Form.TIME: pa.timestamp("us", "UTC"),
    Form.TEXT: pa.dictionary(pa.int32(), pa.string()),
}


def table(dump: Source, options: Options, complete: Complete) -> pa.Table:
    """Return a dump as a table."""
    blocks, texts = found = Collector(options, complete).blocks(dump)
    titles = found.titles(options)
    arrays = _Arrays(texts, options, max((block.flows for block in blocks), default=0))
    schema = pa.schema([(column.title, arrays.type_of(column)) for column in titles])
    batches = [
        pa.RecordBatch.from_arrays([arrays.array(column, block) for column in titles], schema=schema)
        for block in blocks
    ]
    return pa.Table.from_batches(batches, schema)


def arrow_type(type_: Type) -> pa.DataType:
    """Return what a type is in Arrow."""
    if type_.form is Form.UINT:
        return _UINTS[type_.size]
    return pa.binary(type_.size) if type_.form is Form.BYTES else _SIMPLE[type_.form]


class _Arrays:
    """Makes arrays of columns.

    Columns that are null, or the same, in every flow of a block share one array, of which each block has a part. It
    is `count` long, as the longest block is.
    """

    def __init__(self, texts: Mapping[str, Texts], options: Options, count: int) -> None:
        self._dictionaries = {name: _strings(found) for name, found in texts.items()}
        self._options = options
        self._count = count
        self._shared: dict[tuple[str, Type, bytes | None], pa.Array] = {}

    def _is_written(self, column: Title) -> bool:
        return self._options.text and is_written(column)

    def type_of(self, column: Title) -> pa.DataType:
        """Return what the type of a column is in Arrow."""
        return pa.string() if self._is_written(column) else arrow_type(column.type)

    def array(self, title: Title, block: Block) -> pa.Array:
        """Return a column of a block."""
        column = block.columns.get(title.name)
        if column is not None and column.values.strides != (0,):
            return self._array(title, column)
        value = None if column is None else column.values[:1].tobytes()
        key = UFID if title.name == UFID and self._options.text else "", title.type, value
        if key not in self._shared:
            self._shared[key] = self._alike(title, column)
        return self._shared[key][: block.flows]

    def _alike(self, title: Title, column: Column | None) -> pa.Array:
        """Return nulls, or the value of a column that is the same everywhere, as many as may be needed."""
        if column is None:
            return pa.nulls(self._count, self.type_of(title))
        if self._is_written(title):
            return pa.repeat(self._array(title, column._replace(values=column.values[:1]))[0], self._count)
        return self._array(title, column._replace(values=np.repeat(column.values[:1], self._count)))

    def _array(self, title: Title, column: Column) -> pa.Array:
        form, count = column.type.form, len(column.values)
        validity = None if column.present is None else _bits(column.present)
        if self._is_written(title):
            return _strings(written(title, column.values, self._options.port_names), validity)
        values = np.ascontiguousarray(column.values)
        if form is Form.TEXT:
            codes = pa.Array.from_buffers(pa.int32(), count, [validity, pa.py_buffer(values)])
            return pa.DictionaryArray.from_arrays(codes, self._dictionaries[title.name])
        data = _bits(values) if form is Form.FLAG else pa.py_buffer(values.view(np.uint8))
        buffers = [validity, data]
        if form is Form.BINARY:
            offsets = np.arange(count + 1, dtype=np.int32) * values.dtype.itemsize
            buffers.insert(1, pa.py_buffer(offsets.astype(np.int32)))
        return pa.Array.from_buffers(arrow_type(column.type), count, buffers)


def _strings(texts: Texts, validity: pa.Buffer | None = None) -> pa.Array:
    buffers = [validity, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    return pa.Array.from_buffers(pa.string(), len(texts.offsets) - 1, buffers)


def _bits(values: Array) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
