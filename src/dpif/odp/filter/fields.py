"""What a filter may ask about a flow: the fields of its key, its statistics, and where it sends packets.

A field of the key is named by the attribute and the field in it, as in Python: ``ipv4.dst``, ``in_port``,
``tunnel.vxlan.gbp``. What the flow's mask leaves open is not there. Where the key of a packet with a VLAN tag
lacks an attribute, that of ``encap`` counts. The language itself is in `filter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from dpif._typing import Any, NamedTuple, Protocol
from dpif.odp.actions import Action, Actions, Output
from dpif.odp.filter import geneve
from dpif.odp.filter.values import SECONDS, UFID, number
from dpif.odp.model.attrs import Scalar, Structure
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.kinds import PORT, TCP_FLAGS, Kind, Raw, UInt
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.nest import Attr, Attributes, Nest, Nested
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import Struct
from dpif.odp.model.tunnel_options import GeneveType

_NO_KEY = FlowKey()


class FlowLike(Protocol):
    """What a filter reads of a flow; `dpif.client.flows.Flow` is one. ``used`` is as `time.monotonic` counts."""

    @property
    def ufid(self) -> bytes | None:
        """Its identifier, if it has one."""
        ...

    @property
    def key(self) -> FlowKey | None:
        """The key."""
        ...

    @property
    def mask(self) -> FlowMask | None:
        """The bits of it that must match; None for all."""
        ...

    @property
    def actions(self) -> Actions | None:
        """What happens to the packets."""
        ...

    @property
    def packets(self) -> int:
        """How many packets matched."""
        ...

    @property
    def bytes(self) -> int:
        """How many bytes they had."""
        ...

    @property
    def tcp_flags(self) -> int:
        """The TCP flags seen, or'ed together."""
        ...

    @property
    def used(self) -> float | None:
        """When a packet last matched; None for never."""
        ...


class Subject:
    """A flow that is looked at, at the time `now` (seconds as `time.monotonic` counts); decoded when it is asked."""

    __slots__ = ("_key", "_mask", "flow", "now")

    def __init__(self, flow: FlowLike, now: float) -> None:
        self.flow = flow
        self.now = now
        self._key: FlowKey | None = None
        self._mask: FlowMask | None = None

    @property
    def key(self) -> FlowKey:
        """The flow's key; one without attributes where there is none."""
        if self._key is None:
            self._key = self.flow.key or _NO_KEY
        return self._key

    @property
    def mask(self) -> FlowMask:
        """The flow's mask; without one all that the key has must match."""
        if self._mask is None:
            mask = self.flow.mask
            self._mask = FlowMask.exact(self.key) if mask is None else mask
        return self._mask


Pair = tuple[float, int]
"""A value, and the bits of it that the flow matches."""
Reader = Callable[[Subject], Iterator[Pair]]
_Pairs = Callable[[Any, Any], Iterable[tuple[Raw, Raw]]]
"""Gives the raw values and masks of a field, of what is kept of an attribute and its mask."""
Test = Callable[[Subject], bool]
"""What a filter, or a part of one, says about a flow."""


class Asked(NamedTuple):
    """What a name in a filter stands for.

    `read` gives the values there are in a flow: none where there is none to compare. `is_there` tells whether the
    name by itself holds. ``kind`` is None for what has no value, such as ``udp``.
    """

    kind: Kind[Any] | None
    read: Reader
    is_there: Callable[[Subject], bool]


def all_actions(actions: Sequence[Action]) -> Iterator[Action]:
    """Iterate over actions and those within them."""
    for action in actions:
        yield action
        held = [kept for _, kept in action.kept()] if isinstance(action, Attributes) else []
        held += [getattr(action, name) for name in action.__slots__ if name != "_kept"]
        for value in held:
            if isinstance(value, Actions):
                yield from all_actions(value)


def _outputs(subject: Subject) -> Iterator[Pair]:
    for action in all_actions(subject.flow.actions or ()):
        if isinstance(action, Output):
            yield action.port, PORT.full


def _ufid(subject: Subject) -> Iterator[Pair]:
    if subject.flow.ufid is not None:
        yield number(UFID, subject.flow.ufid), int(number(UFID, UFID.full))


def _used(subject: Subject) -> Iterator[Pair]:
    if subject.flow.used is not None:
        yield max(subject.now - subject.flow.used, 0.0), 0


def _asked(kind: Kind[Any], read: Reader) -> Asked:
    return Asked(kind, read, lambda subject: any(True for _ in read(subject)))


def _counter(kind: Kind[Any], read: Callable[[FlowLike], int]) -> Asked:
    """Return a counter, which holds by itself where it is not zero."""
    return Asked(
        kind, lambda subject: iter([(read(subject.flow), kind.full)]), lambda subject: bool(read(subject.flow))
    )


OTHERS = {
    "ufid": _asked(UFID, _ufid),
    "packets": _counter(UInt(64), lambda flow: flow.packets),
    "bytes": _counter(UInt(64), lambda flow: flow.bytes),
    "flags": _counter(TCP_FLAGS, lambda flow: flow.tcp_flags),
    "used": _asked(SECONDS, _used),
    "output": _asked(PORT, _outputs),
}
"""What is no field of the key. ``tcp_flags`` is one, so that those seen are called ``flags``, as in the listing."""
NAMES = (*(attr.name for attr in FlowKey.ATTRS.values()), "actions", *OTHERS)


def valued_names() -> Iterator[str]:
    """Yield the names of all that has a value. What is behind a VLAN tag has the same names as without one."""
    yield from OTHERS
    for attr in FlowKey.ATTRS.values():
        yield from _names_of(attr)


def _names_of(attr: Attr[Any]) -> Iterator[str]:
    struct = _struct(attr)
    if struct is not None:
        yield from [f"{attr.name}.{field.name}" for field in struct.FIELDS]
    elif isinstance(attr.type, Scalar):
        yield attr.name
    elif isinstance(attr.type, GeneveType):
        yield from [f"{attr.name}.{part}" for part in geneve.PARTS]
    elif isinstance(attr.type, Nested) and attr.type.nest is not FlowKey:
        yield from [f"{attr.name}.{name}" for inner in attr.type.nest.ATTRS.values() for name in _names_of(inner)]


def _struct(attr: Attr[Any]) -> type[Struct] | None:
    """Return the structure that an attribute holds, or a stack of them; None for another."""
    if isinstance(attr.type, MplsStack):
        return Mpls
    return attr.type.cls if isinstance(attr.type, Structure) else None


def scan_field(scanner: Scanner) -> Asked:
    """Take a name; raise `ParseError` for one that there is not."""
    start = scanner.position
    name = scanner.word("a field such as ipv4.dst, 'not' or '('")
    if name in OTHERS:
        return OTHERS[name]
    if name not in NAMES:
        scanner.unknown(name, NAMES, "field", start)
    if name == "actions":
        scanner.fail("actions have no value and no fields", "a filter asks for one: actions has ct", start)
    attr = FlowKey.attr(name)
    path = [attr]
    while isinstance(attr.type, Nested) and scanner.take("."):
        attr = _scan_attr(scanner, attr.type.nest)
        path.append(attr)
    struct = _struct(attr)
    if struct is not None and scanner.take("."):
        kind, index = _scan_struct_field(scanner, struct)
        return _leaf(scanner, tuple(path), kind, lambda kept, bits: _of_structs(kept, bits, index))
    if isinstance(attr.type, GeneveType) and scanner.take("."):
        part = _scan_part(scanner)
        return _leaf(scanner, tuple(path), part.kind, lambda kept, bits: geneve.pairs(kept, bits, part))
    if isinstance(attr.type, Scalar):
        return _leaf(scanner, tuple(path), attr.type.kind, lambda kept, bits: [(kept, bits)])
    if scanner.looking_at("."):
        scanner.fail(f"{attr.name} has no fields")
    return Asked(None, lambda subject: iter(()), lambda subject: bool(list(_kept(subject.key, subject.key, path))))


def _scan_attr(scanner: Scanner, nest: type[Nest]) -> Attr[Any]:
    start = scanner.position
    name = scanner.word("the name of a field")
    names = [attr.name for attr in nest.ATTRS.values()]
    if name not in names:
        scanner.unknown(name, names, "field", start)
    return nest.attr(name)


def _scan_struct_field(scanner: Scanner, struct: type[Struct]) -> tuple[Kind[Any], int]:
    start = scanner.position
    name = scanner.word("the name of a field")
    fields = {field.name: field for field in struct.FIELDS}
    if name not in fields:
        scanner.unknown(name, fields, "field", start)
    return fields[name].kind, fields[name].index


def _scan_part(scanner: Scanner) -> geneve.Part:
    start = scanner.position
    name = scanner.word("the name of a field")
    if name not in geneve.PARTS:
        scanner.unknown(name, geneve.PARTS, "field", start)
    return geneve.PARTS[name]


def _leaf(scanner: Scanner, path: Sequence[Attr[Any]], kind: Kind[Any], raw_pairs: _Pairs) -> Asked:
    """Return the field at the end of a path; ``.mask`` behind it asks for its mask."""
    wants_mask = scanner.take(".mask")

    def read(subject: Subject) -> Iterator[Pair]:
        for kept, bits in _kept(subject.key, subject.mask, path):
            for raw, mask in raw_pairs(kept, bits):
                if mask != kind.zero:
                    matched = int(number(kind, mask))
                    yield (matched, int(number(kind, kind.full))) if wants_mask else (number(kind, raw), matched)

    return _asked(kind, read)


def _kept(key: Nest, mask: Nest, path: Sequence[Attr[Any]]) -> Iterator[tuple[Any, Any]]:
    """Yield the kept value and mask of the attribute at the end of a path, where there is one."""
    attr, *rest = path
    kept, bits = key.get_kept(attr.number), mask.get_kept(attr.number)
    if kept is None and isinstance(key, FlowKey) and isinstance(mask, FlowKey) and key.encap and mask.encap:
        yield from _kept(key.encap, mask.encap, path)
    elif kept is None or bits is None:
        return
    elif rest:
        yield from _kept(kept, bits, rest)
    else:
        yield kept, bits


def _of_structs(kept: Any, bits: Any, index: int) -> Iterator[tuple[Raw, Raw]]:
    """Yield the raw values and masks of field `index` of a structure; of each label of a stack."""
    stacks = (kept, bits) if isinstance(kept, tuple) else ((kept,), (bits,))
    for value, mask in zip(*stacks, strict=False):  # a mask of another length is a kernel's mistake
        yield value.raw[index], mask.raw[index]
