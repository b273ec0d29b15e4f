"""The source of a function that reads the payloads of one layout; `layouts.py` says when there is one.

What is described (types of attributes, structures, actions) is asked for the part that reads it, ``read_in(source,
start, end)``: it takes values from their places, adds statements, and returns the expression of what stands there.
This file knows bytes and Python; it is given everything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from dpif._typing import Any, NamedTuple
from dpif.netlink.attributes import walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.model.layouts import Layout


class _Place(NamedTuple):
    """A value in the payload: where it starts, its bytes, its `struct` code, and the variable that it becomes."""

    start: int
    size: int
    code: str
    variable: str


class Source:
    """Collects what reads the payloads like ``data``, which is good."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._headers = bytearray(len(data))
        self._places: dict[str, list[_Place]] = {"!": [], "=": []}
        self._names: dict[str, Any] = {"new": object.__new__}
        self._lines: list[str] = []

    def attributes(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return number, start and end of the attributes that stand there, and expect them of every payload."""
        found = list(walk(self.data, start, end))
        for _, first, _ in found:
            self._headers[first - NLA_HDRLEN : first] = b"\xff" * NLA_HDRLEN
        return found

    def take(self, order: str, code: str, start: int) -> str:
        """Return the value of a `struct` code at `start`, in network (``!``) or host (``=``) order."""
        places = self._places[order]
        places.append(_Place(start, struct.calcsize(f"={code}"), code, f"{'nh'[order == '=']}{len(places)}"))
        return places[-1].variable

    def octets(self, start: int, end: int) -> str:
        """Return the bytes that stand there."""
        return self.take("!", f"{end - start}s", start)

    def call(self, function: Callable[..., Any], *arguments: object) -> str:
        """Return the result of a function; arguments are expressions."""
        return f"{self.name(function)}({', '.join(map(str, arguments))})"

    def name(self, value: object) -> str:
        """Return a name for a value that is at hand already."""
        name = f"g{len(self._names)}"
        self._names[name] = value
        return name

    def keep(self, expression: str) -> str:
        """Return a variable that has the value of an expression."""
        variable = f"v{len(self._lines)}"
        self._lines.append(f"    {variable} = {expression}")
        return variable

    def make(self, cls: type, **slots: str) -> str:
        """Return an object of `cls` whose slots have these values, made without its ``__init__``."""
        variable = self.keep(f"new({self.name(cls)})")
        self._lines += [f"    {variable}.{slot} = {expression}" for slot, expression in slots.items()]
        return variable

    def compile(self, expression: str) -> Layout:
        """Return the layout; its function gives the value of `expression`."""
        lines = ["def read(data):"]
        for order, places in self._places.items():
            if places:
                variables = "".join(f"{place.variable}, " for place in sorted(places))
                lines.append(f"    {variables}= {self.name(self._reader(order, sorted(places)))}(data)")
        exec("\n".join([*lines, *self._lines, f"    return {expression}"]), self._names)
        headers = int.from_bytes(self._headers, "little")
        return Layout(headers, headers & int.from_bytes(self.data, "little"), self._names["read"])

    def _reader(self, order: str, places: list[_Place]) -> Callable[[bytes], tuple[Any, ...]]:
        """Return what unpacks all values of one order."""
        format_, at = order, 0
        for start, size, code, _ in places:
            format_ += f"{start - at}x{code}"
            at = start + size
        return struct.Struct(f"{format_}{len(self.data) - at}x").unpack
