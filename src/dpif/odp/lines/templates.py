"""What reads values of a message at their offsets and puts them between texts: the templates of a `Shape`.

A `Value` says where it stands, by what `struct` code it is read, and how a Python expression shows it. The texts and
values of a line, in their order, are compiled to a function, the template. What it unpacks beside the values it
compares with a sample, so it tells by itself whether another message is like that one.

Most values are the same in most messages of a shape. What was the same in all so far is text in the template, and
its bytes are compared; a message with something else there has the template compiled anew, to read that as well.
This file knows nothing of flows.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

from dpif._typing import Any, Final, NamedTuple
from dpif.odp.lines.fields import Remembered
from dpif.odp.model.kinds import Ipv4Kind, Ipv6Kind, Kind, MacKind, UInt

MAX_COMPILED: Final = 4
"""How often a shape is compiled to read what else changes; the last time it reads all values."""

Template = Callable[[bytes], str]
"""Returns the line of a message, the empty text if that is not like its sample."""


class Value(NamedTuple):
    """A value in a message: where it stands, how it is read, and the expression that shows it, with ``{0}`` for it.

    ``show`` makes the same text of its bytes the slow way; a value without it is another in every message.
    ``condition`` is one that must hold if the message has the shape. ``field`` is the place of all that is read when
    this changes, if that is more than the value.
    """

    offset: int
    code: str
    order: str
    expression: str
    names: dict[str, Any]
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


Piece = str | Value


def moved(piece: Piece, by: int) -> Piece:
    """Return a piece for where messages begin elsewhere; a value of it is its own field there."""
    return piece if isinstance(piece, str) else piece._replace(offset=piece.offset + by, field=None)


def shown(piece: Piece, message: bytes) -> str:
    """Return the text of a piece the slow way."""
    if isinstance(piece, str):
        return piece
    assert piece.show is not None, "only the compiled expression shows a value that always changes"
    return piece.show(message[piece.place])


def field_values(kind: Kind[Any], offset: int, order: str) -> Iterator[Piece]:
    """Yield how a field's value is read and shown."""
    if not isinstance(kind, Ipv4Kind):
        yield _value(kind, offset, order)
        return
    field = slice(offset, offset + kind.size)
    for place in range(field.start, field.stop):  # four numbers: half of what `inet_ntoa` takes
        yield "." if place > offset else ""
        yield Value(place, "B", order, "{{{0}}}", {}, lambda data: str(data[0]), field=field)


def _value(kind: Kind[Any], offset: int, order: str) -> Value:
    """Return how a field's value is read and shown: the frequent kinds in place, the others by themselves."""

    def show(data: bytes) -> str:
        return kind.show(struct.unpack(order + kind.code, data)[0])

    def value(expression: str, **names: Any) -> Value:
        return Value(offset, kind.code, order, expression, names, show)

    if isinstance(kind, MacKind):
        return value("{{{0}.hex(colon)}}", colon=":")
    if isinstance(kind, Ipv6Kind):
        return value("{{ipv6[{0}]}}", ipv6=_ipv6)
    if type(kind) is UInt and kind.base == "d":
        return value("{{{0}}}")
    if type(kind) is UInt and kind.base == "x":
        return value("{{hex({0}) if {0} else 0}}")
    if type(kind) is UInt:
        return value(f"0x{{{{{{0}}:{kind.base}}}}}")
    name = f"show_{offset}"
    return value("{{" + name + "[{0}]}}", **{name: _remembered(kind)})


@functools.cache
def _remembered(kind: Kind[Any]) -> Remembered:
    """Return the texts of values of `kind`; one for all templates."""
    return Remembered(kind.show)


_ipv6: Final = Remembered(functools.partial(socket.inet_ntop, socket.AF_INET6))


class Shape:
    """What messages have in common whose lines are made of the same `pieces`.

    They are as long as `sample`, and have its bytes where it is to be `compared` and no value stands.
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
        """Tell whether a message of the sample's length has the shape."""
        return all(message[run] == self._sample[run] for run in self._common)

    def template_for(self, message: bytes) -> Template:
        """Return what makes the line of a message that has the shape, and of those that differ no more."""
        self._compiled += 1
        if self._compiled == MAX_COMPILED:
            return self.whole
        _fill(self._changing, [field for field in self._fields if message[field] != self._sample[field]], 1)
        return _compile(self._pieces, self._sample, self._changing)

    @functools.cached_property
    def whole(self) -> Template:
        """What makes the line of any message that has the shape."""
        _fill(self._changing, self._fields, 1)
        return _compile(self._pieces, self._sample, self._changing)


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
    values = [piece for piece in pieces if isinstance(piece, Value)]
    values = _in_few_orders([*values, *_constants(sample, changing)])
    names: dict[str, Any] = {}
    source = "def line(payload):\n"
    for order, unpack in (("=", "host"), ("!", "network")):
        group = [value for value in values if value.order == order]
        if group:
            names[unpack] = struct.Struct(_format(order, group)).unpack_from
            source += f"    {''.join([f'{value.variable}, ' for value in group])}= {unpack}(payload)\n"
    for value in values:
        names.update(value.names)
    conditions = [value.condition.format(value.variable) for value in values if value.condition]
    text = "".join([_escaped(p) if isinstance(p, str) else p.expression.format(p.variable) for p in pieces])
    source += f"    return f{text!r} if {' and '.join(conditions) or True} else ''"
    exec(source, names)
    template: Template = names["line"]
    return template


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _constants(sample: bytes, changing: bytearray) -> Iterator[Value]:
    """Yield what reads and compares the bytes that are not `changing`; they are not shown."""
    for run in _runs(bytearray(not byte for byte in changing)):
        name = f"same_{run.start}"
        yield Value(run.start, f"{run.stop - run.start}s", "=", "", {name: sample[run]}, condition=f"{{0}} == {name}")


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
