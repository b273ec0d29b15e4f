"""What reads values of a message at their offsets and puts them between texts: `compile_template`.

A `Value` says where it stands, by what `struct` code it is read, and how a Python expression shows it. The texts and
values of a line, in their order, are compiled to a function. What it unpacks beside the values it compares with the
message that it was made from, so it tells by itself whether another message is like that one. This file knows nothing
of flows.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import functools
import struct
from collections.abc import Callable, Iterator

from dpif._typing import Any, Final, NamedTuple
from dpif.odp.kinds import Ipv4Kind, Ipv6Kind, Kind, MacKind, UInt

MAX_REMEMBERED: Final = 4096
"""Texts that are remembered at a time."""

Template = Callable[[bytes], str]
"""Returns the line of a message, the empty text if that has another shape."""


class Value(NamedTuple):
    """A value in a message: where it stands, how it is read, and the expression that shows it, with ``{0}`` for it.

    ``condition`` is one that must hold if the message has the shape.
    """

    offset: int
    code: str
    order: str
    expression: str
    names: dict[str, Any]
    condition: str = ""

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
    """Return a piece for where messages begin elsewhere."""
    return piece if isinstance(piece, str) else piece._replace(offset=piece.offset + by)


def field_values(kind: Kind[Any], offset: int, order: str) -> Iterator[Piece]:
    """Yield how a field's value is read and shown."""
    if not isinstance(kind, Ipv4Kind):
        yield _value(kind, offset, order)
        return
    for place in range(offset, offset + kind.size):  # four numbers: half of what `inet_ntoa` takes
        yield "." if place > offset else ""
        yield Value(place, "B", order, "{{{0}}}", {})


def _value(kind: Kind[Any], offset: int, order: str) -> Value:
    """Return how a field's value is read and shown: the frequent kinds in place, the others by themselves."""
    if isinstance(kind, MacKind):
        return Value(offset, kind.code, order, "{{{0}.hex(colon)}}", {"colon": ":"})
    if isinstance(kind, Ipv6Kind):
        return Value(offset, kind.code, order, "{{ipv6[{0}]}}", {"ipv6": _ipv6})
    if type(kind) is UInt and kind.base == "d":
        return Value(offset, kind.code, order, "{{{0}}}", {})
    if type(kind) is UInt and kind.base == "x":
        return Value(offset, kind.code, order, "{{hex({0}) if {0} else 0}}", {})
    if type(kind) is UInt:
        return Value(offset, kind.code, order, f"0x{{{{{{0}}:{kind.base}}}}}", {})
    name = f"show_{offset}"
    return Value(offset, kind.code, order, "{{" + name + "[{0}]}}", {name: _remembered(kind)})


class Remembered(dict[Any, str]):
    """The texts of values, each made by `show` when it is first asked for; too many, and all are forgotten."""

    def __init__(self, show: Callable[[Any], str]) -> None:
        super().__init__()
        self._show = show

    def __missing__(self, value: Any) -> str:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        text = self[value] = self._show(value)
        return text


@functools.cache
def _remembered(kind: Kind[Any]) -> Remembered:
    """Return the texts of values of `kind`; one for all templates."""
    return Remembered(kind.show)


_ipv6: Final = Remembered(functools.partial(socket.inet_ntop, socket.AF_INET6))


def compile_template(pieces: list[Piece], sample: bytes, compared: bytearray) -> Template:
    """Return what makes a line of these pieces, if all bytes that are to be `compared` are those of `sample`.

    Those of values are not compared, but for what their own conditions say. The values of each byte order are
    unpacked by one call.
    """
    shown = [piece for piece in pieces if isinstance(piece, Value)]
    constant = bytearray(compared)
    for value in shown:
        constant[value.place] = bytes(len(constant[value.place]))
    values = _in_few_orders([*shown, *_constants(sample, constant)])
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


def _constants(sample: bytes, constant: bytearray) -> Iterator[Value]:
    """Yield what reads and compares the bytes that are `constant`; they are not shown."""
    start = constant.find(1)
    while start >= 0:
        end = constant.find(0, start)
        end = len(constant) if end < 0 else end
        name = f"same_{start}"
        yield Value(start, f"{end - start}s", "=", "", {name: sample[start:end]}, f"{{0}} == {name}")
        start = constant.find(1, end)


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
