"""Blocks of columns as Arrow record batches and tables.

A column that a block lacks is null, and costs nothing, for all such columns of a type share their memory; so do those
whose values are all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from dpif._typing import Final
from dpif.odp.columns.blocks import Collector, Column
from dpif.odp.columns.fields import Form, Type
from dpif.odp.columns.places import Array
from dpif.odp.columns.texts import Texts
from dpif.odp.columns.window import Source

_UINTS: Final = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32(), 8: pa.uint64()}
_SIMPLE: Final = {
    Form.BINARY: pa.binary(),
    Form.FLAG: pa.bool_(),
    Form.SECONDS: pa.float64(),
    Form.TEXT: pa.dictionary(pa.int32(), pa.string()),
}


def table(collector: Collector, dump: Source, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a dump as a table with `columns`, or with those that some flow has."""
    blocks, texts = found = collector.blocks(dump)
    types = found.types(columns)
    schema = pa.schema([(name, arrow_type(type_)) for name, type_ in types.items()])
    dictionary = _strings(texts)
    shared = _Shared(max((block.flows for block in blocks), default=0))
    batches = []
    for block in blocks:
        arrays = []
        for name, type_ in types.items():
            column = block.columns.get(name)
            if column is None or column.values.strides == (0,):
                arrays.append(shared.array(type_, column, block.flows))
            else:
                arrays.append(_array(column, dictionary))
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)


def arrow_type(type_: Type) -> pa.DataType:
    """Return what a type is in Arrow."""
    if type_.form is Form.UINT:
        return _UINTS[type_.size]
    return pa.binary(type_.size) if type_.form is Form.BYTES else _SIMPLE[type_.form]


class _Shared:
    """Columns that are null, or the same, in every flow of a block: one array, of which each block has a part.

    It is `count` long, as the longest block is.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._arrays: dict[tuple[Type, bytes | None], pa.Array] = {}

    def array(self, type_: Type, column: Column | None, count: int) -> pa.Array:
        """Return `count` nulls, or as many times the value of a column that is the same everywhere."""
        value = None if column is None else column.values[:1].tobytes()
        if (type_, value) not in self._arrays:
            if column is None:
                whole = pa.nulls(self._count, arrow_type(type_))
            else:
                whole = _array(Column(type_, np.repeat(column.values[:1], self._count)))
            self._arrays[type_, value] = whole
        return self._arrays[type_, value][:count]


def _array(column: Column, texts: pa.Array | None = None) -> pa.Array:
    """Return one column; `texts` are what the codes of actions stand for."""
    form, count = column.type.form, len(column.values)
    values = np.ascontiguousarray(column.values)
    validity = None if column.present is None else _bits(column.present)
    if form is Form.TEXT:
        codes = pa.Array.from_buffers(pa.int32(), count, [validity, pa.py_buffer(values)])
        return pa.DictionaryArray.from_arrays(codes, texts)
    data = _bits(values) if form is Form.FLAG else pa.py_buffer(values.view(np.uint8))
    buffers = [validity, data]
    if form is Form.BINARY:
        offsets = np.arange(count + 1, dtype=np.int32) * values.dtype.itemsize
        buffers.insert(1, pa.py_buffer(offsets.astype(np.int32)))
    return pa.Array.from_buffers(arrow_type(column.type), count, buffers)


def _strings(texts: Texts) -> pa.Array:
    buffers = [None, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    return pa.Array.from_buffers(pa.string(), len(texts.offsets) - 1, buffers)


def _bits(values: Array) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
