"""What reads values of a message at their offsets and puts them between texts: the templates of a `Shape`.

A `Value` says where it stands, by what `struct` code it is read, and how a Python expression shows it. The texts and
values of a line, in their order, are compiled to a function, the template. It compares what it does not read with a
sample, so it tells by itself whether another message is like that one.

Most values are the same in most messages of a shape. What was the same in all so far is text in the template, and
its bytes are compared; a message with something else there has the template compiled anew, to read that as well.
This file knows nothing of flows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

from dpif._typing import Any, Final, NamedTuple
from dpif.odp.lines.fields import NAMES, of_raw
from dpif.odp.model.kinds import Ipv4Kind, Kind

MAX_COMPILED: Final = 4
"""How often a shape is compiled to read what else changes; the last time it reads all values."""
_LONG: Final = 48
"""Bytes that are the same, in a row, and so many that they are compared by themselves."""

Template = Callable[[bytes], str]
"""Returns the line of a message, the empty text if that is not like its sample."""


class Value(NamedTuple):
    """A value in a message: where it stands, how it is read, and how it is shown.

    ``expression`` is a part of an f-string, with ``@`` for the value, as in the keys of ``names``, which it needs.
    ``show`` makes the same text of its bytes the slow way; a value without it is another in every message.
    ``condition`` is one that must hold if the message has the shape. ``field`` is the place of all that is read when
    this changes, if that is more than the value.
    """

    offset: int
    code: str
    order: str
    expression: str
    names: dict[str, Any] = {}
    show: Callable[[bytes], str] | None = None
    condition: str = ""
    field: slice | None = None

    @property
    def variable(self) -> str:
        """What it is called in the source of a template."""
        return f"v{self.offset}"

    @property
    def place(self) -> slice:
        """Where it stands."""
        return slice(self.offset, self.offset + struct.calcsize(f"={self.code}"))

    def source(self, text: str) -> str:
        """Return a text with the variable in its place."""
        return text.replace("@", self.variable)


Piece = str | Value


def shown(piece: Piece, message: bytes) -> str:
    """Return the text of a piece the slow way."""
    if isinstance(piece, str):
        return piece
    assert piece.show is not None, "only the compiled expression shows a value that always changes"
    return piece.show(message[piece.place])


def field_values(kind: Kind[Any], offset: int, order: str) -> Iterator[Piece]:
    """Yield how a field's value is read and shown."""
    if isinstance(kind, Ipv4Kind):
        field = slice(offset, offset + kind.size)
        for place in range(field.start, field.stop):  # four numbers: half of what `inet_ntoa` takes
            yield "." if place > offset else ""
            yield Value(place, "B", order, "{@}", {}, lambda data: str(data[0]), field=field)
        return

    def show(data: bytes) -> str:
        return kind.show(struct.unpack(order + kind.code, data)[0])

    text, names = of_raw(kind, "@")
    yield Value(offset, kind.code, order, text, names, show)


class Shape:
    """What messages have in common whose lines are made of the same `pieces`.

    They begin as `sample` does, but for the values in it and where it is not to be `compared`.
    """

    def __init__(self, pieces: Sequence[Piece], sample: bytes, compared: bytearray) -> None:
        values = [piece for piece in pieces if isinstance(piece, Value)]
        self._pieces = pieces
        self._sample = sample
        self._fields = [value.field or value.place for value in values]
        ignored = bytearray(not byte for byte in compared)
        _fill(ignored, self._fields, 0)
        self._fields += _runs(ignored)
        common = bytearray(b"\1" * len(sample))
        _fill(common, self._fields, 0)
        self._common = list(_runs(common))
        self._changing = bytearray(len(sample))
        _fill(self._changing, [value.place for value in values if value.show is None], 1)
        self._compiled = 0

    def includes(self, message: bytes) -> bool:
        """Tell whether a message that is as long has the shape."""
        return all(message[run] == self._sample[run] for run in self._common)

    def template_for(self, messages: Iterable[bytes]) -> Template:
        """Return what makes the lines of messages that have the shape, and of those that differ no more."""
        self._compiled += 1
        if self.is_whole:
            _fill(self._changing, self._fields, 1)
        for message in messages:
            _fill(self._changing, [field for field in self._fields if message[field] != self._sample[field]], 1)
        return _compile(self._pieces, self._sample, self._changing)

    @property
    def is_whole(self) -> bool:
        """Whether its last template reads all values."""
        return self._compiled >= MAX_COMPILED


def _fill(marks: bytearray, places: Iterable[slice], mark: int) -> None:
    for place in places:
        marks[place] = bytes([mark]) * (place.stop - place.start)


def _runs(marks: bytearray) -> Iterator[slice]:
    """Yield the places of the bytes that are marked by 1, those that touch as one."""
    start = marks.find(1)
    while start >= 0:
        end = marks.find(0, start)
        end = len(marks) if end < 0 else end
        yield slice(start, end)
        start = marks.find(1, end)


def _compile(pieces: Sequence[Piece], sample: bytes, changing: bytearray) -> Template:
    """Return what makes a line of pieces for messages that are like the sample but for the bytes that are `changing`.

    The values of each byte order are unpacked by one call.
    """
    pieces = [
        piece if isinstance(piece, Value) and changing[piece.offset] else shown(piece, sample) for piece in pieces
    ]
    values = _in_few_orders([piece for piece in pieces if isinstance(piece, Value)])
    names = dict(NAMES)
    source = "def line(payload):\n"
    for order, unpack in (("=", "host"), ("!", "network")):
        group = [value for value in values if value.order == order]
        if group:
            names[unpack] = struct.Struct(_format(order, group)).unpack_from
            source += f"    {''.join([f'{value.variable}, ' for value in group])}= {unpack}(payload)\n"
    for value in values:
        names.update({value.source(name): thing for name, thing in value.names.items()})
    conditions = [*_comparisons(sample, changing, names)]
    conditions += [value.source(value.condition) for value in values if value.condition]
    text = "".join([_escaped(p) if isinstance(p, str) else p.source(p.expression) for p in pieces])
    source += f"    return f{text!r} if {' and '.join(conditions) or True} else ''"
    exec(source, names)
    template: Template = names["line"]
    return template


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _comparisons(sample: bytes, changing: bytearray, names: dict[str, Any]) -> Iterator[str]:
    """Yield what compares the bytes that are not `changing`: those between long runs all at once, as a number.

    Each run by itself would be a value to read, and a condition.
    """
    together = bytearray(not byte for byte in changing)
    long = [run for run in _runs(together) if run.stop - run.start >= _LONG]
    _fill(together, long, 0)
    for run in long:
        yield _same(run, sample[run], names)
    start = 0
    for stop in [*[run.start for run in long], len(sample)]:
        first, last = together.find(1, start, stop), together.rfind(1, start, stop)
        if first >= 0:
            run = slice(first, last + 1)
            if together.find(0, first, last) < 0:
                yield _same(run, sample[run], names)
            else:
                mask = int.from_bytes(bytes([255 * byte for byte in together[run]]), "little")
                names[f"mask_{first}"] = mask
                names[f"same_{first}"] = int.from_bytes(sample[run], "little") & mask
                yield f"number(payload[{run.start}:{run.stop}], little) & mask_{first} == same_{first}"
        start = stop


def _same(run: slice, data: bytes, names: dict[str, Any]) -> str:
    names[f"same_{run.start}"] = data
    return f"payload[{run.start}:{run.stop}] == same_{run.start}"


def _in_few_orders(values: list[Value]) -> list[Value]:
    """Return values by their places, and those that have no byte order with the others where these have but one."""
    orders = {value.order for value in values if value.code[-1] in "HIQ"}
    if len(orders) < 2:
        order = min(orders, default="=")
        values = [value._replace(order=order) for value in values]
    return sorted(values, key=lambda value: value.offset)


def _format(order: str, values: list[Value]) -> str:
    """Return the `struct` format that reads `values` at their offsets, with padding between."""
    format_, at = order, 0
    for value in values:
        format_ += f"{value.offset - at}x{value.code}"
        at = value.place.stop
    return format_
