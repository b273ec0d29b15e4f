"""The attributes of a flow key, and of what stands in it, by their texts: parts of the key and of its mask."""

from __future__ import annotations

from collections.abc import Callable

from dpif._lazy import pattern
from dpif._typing import Any, NamedTuple, TypeAlias
from dpif.odp.constants import KeyAttr
from dpif.odp.model.attrs import AttrType, EtherType, FlagSet, Opaque, PortNumber, Scalar, Structure
from dpif.odp.model.kinds import UInt
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.nest import Nest, Nested
from dpif.odp.model.structs import Field
from dpif.odp.text import reading
from dpif.odp.text.parts import Parts, Value, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import (
    Place,
    Slot,
    part_of,
    parts_of,
    scanned,
    slots_of,
    structure,
    take_field,
    take_slot,
)

_PAIRS = pattern("(?: *+[0-9a-fA-F]{2})++ *+")


class Element(NamedTuple):
    """An attribute: its number, and its whole parts in the key and in the mask.

    What the key has not is None.
    """

    number: int
    key: Parts | None
    mask: Parts


class Payload(NamedTuple):
    """The parts of an attribute's payload."""

    value: Parts | None
    mask: Parts | None


Takers: TypeAlias = dict[type[AttrType[Any]], Callable[[Any, Cursor], Payload]]


def elements(cursor: Cursor, cls: type[Nest], closing: str) -> list[Element]:
    """Take the elements of a nest, up to what closes it, which is taken too."""
    found: list[Element] = []
    cursor.enter()
    if not cursor.skip("", closing):
        while True:
            found.append(element(cursor, cls))
            if cursor.skip("", closing):
                break
            cursor.skip("", ",")
    cursor.leave()
    if len({item.number for item in found}) < len(found):
        raise UnusualError
    return found


def element(cursor: Cursor, cls: type[Nest]) -> Element:
    """Take ``name(…)``."""
    attr = cls._by_text_name.get(cursor.word("("))
    if attr is None or attr.number == KeyAttr.PACKET_TYPE:  # the kernel is asked for another attribute in its place
        raise UnusualError
    payload = payload_of(attr.type, cursor)
    return made(int(attr.number), payload)


def made(number: int, payload: Payload) -> Element:
    """Return the element with this payload."""
    value, mask = payload
    return Element(
        number, None if value is None else wrapped(number, value), [] if mask is None else wrapped(number, mask)
    )


def payload_of(type_: AttrType[Any], cursor: Cursor) -> Payload:
    """Take what stands in the parentheses of an attribute of this type, and the closing one."""
    taker = _TAKERS.get(type(type_)) or _tunnel_takers().get(type(type_))
    if taker is None:
        raise UnusualError
    return taker(type_, cursor)


def _tunnel_takers() -> Takers:
    from dpif.odp.text.tunnels import TAKERS

    return TAKERS


def _structure(type_: Structure[Any], cursor: Cursor) -> Payload:
    slots = structure(cursor, type_.cls)
    return Payload(parts_of(type_.cls, slots, "value"), parts_of(type_.cls, slots, "mask"))


def _scalar(type_: Scalar[Any], cursor: Cursor) -> Payload:
    slot = take_slot(cursor, type_.kind, ")")
    if isinstance(slot.mask, Place) and not type_.maskable:
        cursor.values.discard(slot.mask)  # all that it may be is zero
        if cursor.pieces[slot.mask] != "0":
            raise UnusualError
        slot = slot._replace(mask=type_.kind.zero)
    return Payload([part_of(slot, "value", type_.order)], [part_of(slot, "mask", type_.order)])


def _ethertype(type_: EtherType, cursor: Cursor) -> Payload:
    slot = take_slot(cursor, type_.kind, ")")
    value, mask = part_of(slot, "value", type_.order), part_of(slot, "mask", type_.order)
    if not isinstance(slot.mask, Place):
        return Payload([value], [mask])
    assert isinstance(value, Value)
    if cursor.pieces[slot.value] == "0":  # there is none in the key
        cursor.values.discard(slot.value)
        return Payload(None, [mask])
    return Payload([value._replace(source=f"nonzero({value.source})")], [mask])


def _flags(type_: FlagSet[Any], cursor: Cursor) -> Payload:
    """Flags by name are the same in all texts of a form; numbers are values."""
    kind = type_.flags
    if not cursor.at_value():
        value, mask = scanned(cursor.rest(), type_.scan)
        return Payload([type_.encode(value)], [type_.encode(mask)])
    number = UInt(8 * kind.size)
    value_place = cursor.value("/)")
    read = reading.value(number, value_place, type_.order)
    if cursor.ends[value_place] == "/":
        return Payload([read], [reading.value(number, cursor.value(")"), type_.order)])
    return Payload(
        [read], [read._replace(source=read.source.replace("int({0}, 0)", f"(int({{0}}, 0) | {kind.full})"))]
    )


def _mpls(type_: MplsStack, cursor: Cursor) -> Payload:
    stack = labels(cursor)
    return Payload(
        [part for slots in stack for part in parts_of(Mpls, slots, "value")],
        [part for slots in stack for part in parts_of(Mpls, slots, "mask")],
    )


def labels(cursor: Cursor) -> list[list[Slot]]:
    """Take the fields of one to three entries; a field that was there before starts the next one."""
    entries: list[dict[Field[Any], Slot]] = [{}]
    is_over = cursor.skip("", ")")
    while not is_over:
        field, slot = take_field(cursor, Mpls._by_text_name.get)
        if field in entries[-1]:
            entries.append({})
        entries[-1][field] = slot
        is_over = cursor.ends[cursor.at - 1] == ")"
    if len(entries) > MplsStack.max_labels:
        raise UnusualError
    return [slots_of(Mpls, entry) for entry in entries]


def _nested(type_: Nested[Any], cursor: Cursor) -> Payload:
    taker = _nest_takers().get(type_.nest)
    if taker is not None:
        cursor.enter()
        payload = taker(cursor)
        cursor.leave()
        return payload
    found = elements(cursor, type_.nest, ")")
    return Payload(
        [part for item in found for part in item.key or ()], [part for item in found for part in item.mask]
    )


def _nest_takers() -> dict[type[Nest], Callable[[Cursor], Payload]]:
    """Return who takes the nests whose text is no list of elements."""
    from dpif.odp.model.nsh import Nsh
    from dpif.odp.model.tunnel import Tunnel
    from dpif.odp.text.nsh import nsh
    from dpif.odp.text.tunnels import tunnel

    return {Tunnel: tunnel, Nsh: nsh}


def opaque(type_: Opaque, cursor: Cursor) -> Payload:
    """Take pairs of hexadecimal digits; as many bytes in all texts of a form."""
    value = take_bytes(cursor, "/)")
    if cursor.ends[cursor.at - 1] == "/":
        return Payload([value], [take_bytes(cursor, ")")])
    return Payload([value], [b"\xff" * value.size])


def take_bytes(cursor: Cursor, ends: str) -> Value:
    """Take pairs of hexadecimal digits, with spaces between or without."""
    place = cursor.take(ends)
    cursor.is_value(place, _PAIRS)
    size = len(bytes.fromhex(cursor.pieces[place]))
    return Value(f"{size}s", size, f"exactly(bytes.fromhex({{0}}), {size})", (place,))


_TAKERS: Takers = {
    Structure: _structure,
    Scalar: _scalar,
    PortNumber: _scalar,
    EtherType: _ethertype,
    FlagSet: _flags,
    MplsStack: _mpls,
    Nested: _nested,
    Opaque: opaque,
}
"""What takes the text of an attribute, by the class of its type."""
