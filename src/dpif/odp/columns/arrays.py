"""Blocks of columns as NumPy arrays, one pair for each column: its values, and where there are any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpif._typing import NamedTuple
from dpif.odp.columns.blocks import Block, Collector, Column
from dpif.odp.columns.fields import Form, Type
from dpif.odp.columns.places import Array
from dpif.odp.columns.window import Source


class Values(NamedTuple):
    """A column: ``values``, and the booleans ``present``; where they are false the value is zero or None."""

    values: Array
    present: Array


def arrays(collector: Collector, dump: Source, columns: Sequence[str] | None = None) -> dict[str, Values]:
    """Return a dump as the arrays of `columns`, or of those that some flow has."""
    blocks, texts = found = collector.blocks(dump)
    strings = texts.strings()
    return {name: _join(name, type_, blocks, strings) for name, type_ in found.types(columns).items()}


def _join(name: str, type_: Type, blocks: list[Block], texts: list[str]) -> Values:
    """Put the parts of one column together."""
    count = sum(block.flows for block in blocks)
    values = np.zeros(count, _dtype(type_))
    if values.dtype == object:
        values.fill(None)
    present = np.zeros(count, bool)
    start = 0
    for block in blocks:
        end = start + block.flows
        column = block.columns.get(name)
        if column is not None:
            values[start:end] = _plain(column, texts)
            present[start:end] = True if column.present is None else column.present
        start = end
    return Values(values, present)


def _dtype(type_: Type) -> str:
    if type_.form is Form.UINT:
        return f"u{type_.size}"
    if type_.form is Form.BYTES:
        return f"V{type_.size}"
    return {Form.FLAG: "?", Form.SECONDS: "f8"}.get(type_.form, "O")


def _plain(column: Column, texts: list[str]) -> Array:
    """Return values as they stand in an array: bytes of any number, and texts, as objects."""
    if column.type.form is Form.TEXT:
        return np.array([*texts, None], object)[column.values]
    if column.type.form is Form.BINARY:
        objects = np.empty(len(column.values), object)
        objects[:] = column.values.tolist()
        return objects
    return column.values
