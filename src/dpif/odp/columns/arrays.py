"""Blocks of columns as NumPy arrays, one pair for each column: its values, and where there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dpif._typing import NamedTuple
from dpif.odp.columns.asked import Options
from dpif.odp.columns.blocks import Block, Collector, Column, Complete
from dpif.odp.columns.fields import Form, Title, Type
from dpif.odp.columns.places import Array
from dpif.odp.columns.window import Source
from dpif.odp.columns.written import is_written, written


class Values(NamedTuple):
    """A column: ``values``, and the booleans ``present``; where they are false the value is zero or None."""

    values: Array
    present: Array


def arrays(dump: Source, options: Options, complete: Complete) -> dict[str, Values]:
    """Return a dump as the arrays of its columns."""
    blocks, texts = found = Collector(options, complete).blocks(dump)
    strings = {name: told.strings() for name, told in texts.items()}
    return {column.title: _join(column, blocks, strings, options) for column in found.titles(options)}


def _join(title: Title, blocks: list[Block], texts: Mapping[str, list[str]], options: Options) -> Values:
    """Put the parts of one column together."""
    is_text = options.text and is_written(title)
    count = sum(block.flows for block in blocks)
    values = np.zeros(count, "O" if is_text else _dtype(title.type))
    if values.dtype == object:
        values.fill(None)
    present = np.zeros(count, bool)
    start = 0
    for block in blocks:
        part = slice(start, start := start + block.flows)
        column = block.columns.get(title.name)
        if column is not None:
            present[part] = True if column.present is None else column.present
            if is_text:
                values[part] = written(title, column.values, options.port_names).strings()
            else:
                values[part] = _plain(column, texts.get(title.name, []))
    return Values(values, present)


def _dtype(type_: Type) -> str:
    if type_.form is Form.UINT:
        return f"u{type_.size}"
    if type_.form is Form.BYTES:
        return f"V{type_.size}"
    return {Form.FLAG: "?", Form.SECONDS: "f8", Form.TIME: "M8[us]"}.get(type_.form, "O")


def _plain(column: Column, texts: Sequence[str]) -> Array:
    """Return values as they stand in an array: bytes of any number, and texts, as objects."""
    if column.type.form is Form.TEXT:
        return np.array([*texts, None], object)[column.values]
    if column.type.form is Form.BINARY:
        objects = np.empty(len(column.values), object)
        objects[:] = column.values.tolist()
        return objects
    return column.values.view("M8[us]") if column.type.form is Form.TIME else column.values
