"""Which columns a flow has, and where in the bytes of a key or mask each of them stands.

All follows from the descriptions of keys (`dpif.odp.model.key`): a scalar is a column, a structure one for each
field, a nest those of its attributes with its name before theirs, as in a filter (`dpif.odp.filter`):
``in_port``, ``ipv4.dst``, ``tunnel.vxlan.gbp.id``, ``encap.vlan.vid``. This file knows neither arrays nor messages.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache

from dpif._typing import Any, Final, NamedTuple
from dpif.errors import EncodeError, brief
from dpif.netlink.attributes import walk
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.model.attrs import AttrType, Empty, Scalar, Structure
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import U128, Flags, Frag, Ipv4Kind, Ipv6Kind, Kind, MacKind, OtherOrder, Port
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.nest import Nest, Nested
from dpif.odp.model.structs import Bits, Field, Record
from dpif.odp.model.tunnel import Tunnel

MASK: Final = ".mask"
"""What a field's name has behind it in the name of its mask."""

_MAX_VLANS: Final = 2
"""Tags that a kernel looks for in a packet, and so levels of ``encap`` that have names before any flow was seen."""


class Form(Enum):
    """What the values of a column are."""

    UINT = "unsigned integers of 1, 2, 4 or 8 bytes"
    BYTES = "bytes, as many in every row: addresses, labels"
    BINARY = "bytes, of any number"
    FLAG = "true where the flag is there"
    SECONDS = "seconds, as `time.monotonic` counts"
    TIME = "microseconds since 1970"
    TEXT = "codes of texts"


class Type(NamedTuple):
    """The type of a column: ``size`` in bytes where the form does not tell it.

    ``kind`` says how the values are written, where people write them in another way than as numbers.
    """

    form: Form
    size: int = 0
    kind: Kind[Any] | None = None


class Title(NamedTuple):
    """A column as it is asked for: the name that it has in the table, the one that it has here, and its type."""

    title: str
    name: str
    type: Type


class Leaf(NamedTuple):
    """A column in the bytes of a nest.

    Its value is ``word >> shift & full`` of the word of ``size`` bytes at ``offset`` in byte order ``order``; of
    bytes, which have neither shift nor order, it is the word itself. (A flag has no bytes.)
    """

    name: str
    type: Type
    offset: int
    size: int
    order: str = "="
    shift: int = 0
    full: int | None = None


COUNTERS: Final = {
    "packets": Type(Form.UINT, 8),
    "bytes": Type(Form.UINT, 8),
    "used": Type(Form.SECONDS),
    "last_used": Type(Form.TIME),
    "flags": Type(Form.UINT, 1),
    "actions": Type(Form.TEXT),
}
"""The columns behind those of key and mask: what the flow did and does. ``flags`` are those seen in TCP headers."""
ORIGIN: Final = {"datapath": Type(Form.TEXT), "time": Type(Form.TIME)}
"""The columns before them: which datapath was asked, and when."""
OF_ORIGIN: Final = frozenset({*ORIGIN, "last_used"})
"""The columns that need to know where flows come from."""
UFID: Final = "ufid"
_WRITTEN: Final = (MacKind, Ipv4Kind, Ipv6Kind, U128, Flags, Frag, Port)
"""What is written in another way than as a number; of the last two, not their masks."""


@cache
def known_types() -> dict[str, Type]:
    """Return the type of every column that has a name before any flow was seen, in the order of a table."""
    types = ORIGIN | {UFID: Type(Form.BINARY)}
    for name, type_ in _known(FlowKey, "", _MAX_VLANS):
        types[name], types[name + MASK] = type_, mask_type(type_)
    return types | COUNTERS


def mask_type(type_: Type) -> Type:
    """Return the type of the mask of a column."""
    return type_._replace(kind=None) if isinstance(type_.kind, (Frag, Port)) else type_


def plain_name(name: str) -> str:
    """Return a name as SQL takes it without quotes."""
    return name.replace(".", "_")


@cache
def _by_title() -> dict[str, str]:
    """Return the names of columns by both their spellings."""
    return {title: name for name in known_types() for title in (name, plain_name(name))}


def name_of(title: str) -> str:
    """Return the name of a column, which may be spelt with underscores; raise `EncodeError` where none has it."""
    name = _by_title().get(title)
    if name is None:
        close = difflib.get_close_matches(title, _by_title(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise EncodeError(f"there is no column {brief(title)}{hint}")
    return name


def titles(found: Mapping[str, Type], columns: Sequence[str] | None, *, dotted: bool) -> list[Title]:
    """Return the columns of a table.

    Those that are asked for are named as they were asked for. When None is, they are those that were `found`, in the
    order of keys' descriptions, and `dotted` says how they are named.
    """
    known = known_types()
    if columns is not None:
        return [Title(title, name_of(title), known[name_of(title)]) for title in columns]
    ordered = [name for name in known if name in found or name in ORIGIN or name in COUNTERS]
    others = sorted(found.keys() - known.keys())
    ordered[len(ordered) - len(COUNTERS) : len(ordered) - len(COUNTERS)] = others
    return [
        Title(name if dotted else plain_name(name), name, known[name] if name in known else found[name])
        for name in ordered
    ]


def leaves(nest: type[Nest], data: bytes, start: int = 0, end: int | None = None, prefix: str = "") -> Iterator[Leaf]:
    """Yield the columns in the attributes of a good nest, which stand at ``data[start:end]``."""
    for number, first, last in walk(data, start, end):
        type_ = nest.type_of(number)
        name = prefix + _name(nest, number)
        if isinstance(type_, Nested):
            yield from leaves(type_.nest, data, first, last, f"{name}.")
        elif not _is_padding(nest, number):
            yield from _leaves(name, type_, first, last - first)


def _name(nest: type[Nest], number: int) -> str:
    attr = nest.ATTRS.get(number)
    return attr.name if attr else f"key{number}"


def _is_padding(nest: type[Nest], number: int) -> bool:
    return nest is Tunnel and number == TunnelKeyAttr.PAD


def _leaves(name: str, type_: AttrType[Any], offset: int, size: int) -> Iterator[Leaf]:
    """Yield the columns of an attribute that is no nest."""
    if isinstance(type_, Scalar):
        yield _scalar(name, type_.kind, offset, type_.order)
    elif isinstance(type_, Structure):
        yield from _fields(name, type_.cls, offset)
    elif isinstance(type_, MplsStack):
        for index in range(size // Mpls.SIZE):
            yield from _fields(f"{name}.{index}" if index else name, Mpls, offset + index * Mpls.SIZE)
    elif isinstance(type_, Empty):
        yield Leaf(name, Type(Form.FLAG), offset, 0)
    else:
        yield Leaf(name, Type(Form.BINARY), offset, size)


def _fields(name: str, cls: type[Record], offset: int) -> Iterator[Leaf]:
    for field in cls.FIELDS:
        if issubclass(cls, Bits):
            yield _bit_field(f"{name}.{field.name}", cls, field, offset)
        else:
            yield _scalar(f"{name}.{field.name}", field.kind, offset, "!")
            offset += field.kind.size


def _scalar(name: str, kind: Kind[Any], offset: int, order: str) -> Leaf:
    form = Form.BYTES if isinstance(kind.zero, bytes) else Form.UINT
    return Leaf(name, _type(form, kind), offset, kind.size, _order(kind, order))


def _type(form: Form, kind: Kind[Any]) -> Type:
    return Type(form, kind.size, kind if isinstance(kind, _WRITTEN) else None)


def _bit_field(name: str, cls: type[Bits], field: Field[Any], offset: int) -> Leaf:
    """Return a field of bits as part of the smallest word of 1, 2, 4 or 8 bytes that holds it."""
    full = field.kind.full
    size = 1
    while field.shift // (8 * size) != (field.shift + full.bit_length() - 1) // (8 * size):
        size *= 2
    low = field.shift // (8 * size) * size  # bytes of lower value than the word
    place = cls.SIZE - low - size if cls.ORDER == "big" else low
    order = _order(field.kind, "!" if cls.ORDER == "big" else "=")
    return Leaf(name, _type(Form.UINT, field.kind), offset + place, size, order, field.shift - 8 * low, full)


def _order(kind: Kind[Any], order: str) -> str:
    if isinstance(kind, OtherOrder):
        return "=" if order == "!" else "<" if sys.byteorder == "big" else ">"
    return order


def _known(nest: type[Nest], prefix: str, depth: int) -> Iterator[tuple[str, Type]]:
    """Yield name and type of what the attributes of a nest may give, ``encap`` in one another so many levels deep."""
    for number, attr in nest.ATTRS.items():
        name = prefix + attr.name
        if not isinstance(attr.type, Nested):
            if not _is_padding(nest, number):
                size = MplsStack.max_labels * Mpls.SIZE
                yield from ((leaf.name, leaf.type) for leaf in _leaves(name, attr.type, 0, size))
        elif depth or attr.type.nest is not FlowKey:
            yield from _known(attr.type.nest, f"{name}.", depth - (attr.type.nest is FlowKey))
