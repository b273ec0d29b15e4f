"""``set(…)``: a header's fields, whole or under masks, or the tunnel that a packet is to be sent by."""

from __future__ import annotations

from dpif._typing import Any
from dpif.odp.actions.set import Set
from dpif.odp.constants import ActionAttr, KeyAttr, TunnelKeyAttr
from dpif.odp.model.attrs import EtherType, Scalar, Structure
from dpif.odp.model.key import FlowKey
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.structs import Record
from dpif.odp.text import nsh, reading, tunnels
from dpif.odp.text.keys import labels
from dpif.odp.text.parts import Parts, Value, nonzero, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import Place, Slot, part_of, parts_of, structure, take_slot


def take_set(cls: type[Set], cursor: Cursor) -> Parts:
    """Take the attribute and the closing parenthesis."""
    attr = FlowKey._by_text_name.get(cursor.word("("))
    if attr is None:
        raise UnusualError
    number = int(attr.number)
    if number == KeyAttr.TUNNEL:
        parts = _whole(number, _tunnel(cursor))
    elif number == KeyAttr.NSH:
        parts = _headers(cursor, number, nsh.headers(cursor))
    elif type(attr.type) is Structure:
        parts = _structures(cursor, number, attr.type.cls, [structure(cursor, attr.type.cls)])
    elif isinstance(attr.type, MplsStack):
        parts = _structures(cursor, number, Mpls, labels(cursor))
    elif isinstance(attr.type, Scalar) and type(attr.type) in (Scalar, EtherType):
        parts = _scalar(number, attr.type, take_slot(cursor, attr.type.kind, ")"))
    else:
        raise UnusualError
    cursor.expect("", ")")
    return parts


def _whole(number: int, payload: Parts) -> Parts:
    return wrapped(ActionAttr.SET, wrapped(number, payload))


def _masked(number: int, payload: Parts) -> Parts:
    return wrapped(ActionAttr.SET_MASKED, wrapped(number, payload))


def _tunnel(cursor: Cursor) -> Parts:
    """Take a tunnel, which has no masks; one whose policy has no bits is for the slow twin."""
    start = cursor.at
    found = tunnels.arguments(cursor)
    if "/" in cursor.ends[start : cursor.at]:
        raise UnusualError
    payload: Parts = []
    for item in found:
        parts = item.key or []
        if item.number == TunnelKeyAttr.VXLAN_OPTS:
            parts = nonzero(parts)
            if not any(isinstance(part, Value) for part in parts):
                raise UnusualError
        payload += parts
    return payload


def _is_full(slot: Slot) -> bool:
    return not isinstance(slot.mask, Place) and slot.kind.is_full(slot.mask)


def _doubtful(cursor: Cursor, slots: list[Slot]) -> Place | None:
    """Return the place of a mask that must not be full, where all masks may be: that were another action."""
    masks = [(slot.kind, slot.mask) for slot in slots if isinstance(slot.mask, Place)]
    if len(masks) < len(slots) and not all(_is_full(slot) or isinstance(slot.mask, Place) for slot in slots):
        return None
    for kind, place in masks:
        if reading.reads(reading.partial(kind, reading.mask(kind, place)), cursor.pieces[place]):
            return place
    raise UnusualError


def _structures(cursor: Cursor, number: int, cls: type[Record], found: list[list[Slot]]) -> Parts:
    """Return the action for a structure, or several in a row."""
    every = [slot for slots in found for slot in slots]
    if all(map(_is_full, every)):
        return _whole(number, [part for slots in found for part in parts_of(cls, slots, "value")])
    return _masked(number, _value_and_mask(cls, found, _doubtful(cursor, every)))


def _value_and_mask(cls: type[Record], found: list[list[Slot]], partial: Place | None) -> Parts:
    """Return masked values and their masks."""
    return [
        *[part for slots in found for part in parts_of(cls, slots, "masked")],
        *[part for slots in found for part in parts_of(cls, slots, "mask", partial)],
    ]


def _scalar(number: int, type_: Scalar[Any], slot: Slot) -> Parts:
    if not isinstance(slot.mask, Place):
        return _whole(number, [part_of(slot, "value", type_.order)])
    if isinstance(type_, EtherType) or not type_.maskable:
        raise UnusualError
    mask = part_of(slot, "mask", type_.order, slot.mask)
    return _masked(number, [part_of(slot, "masked", type_.order), mask])


def _headers(cursor: Cursor, number: int, found: list[nsh.Header]) -> Parts:
    slots = [slot for header in found for slot in header.slots]
    if all(map(_is_full, slots)):
        return _whole(number, [part for header in found for part in header.parts("value")])
    partial = _doubtful(cursor, slots)
    return _masked(
        number,
        [
            part
            for header in found
            for part in wrapped(header.number, _value_and_mask(header.cls, [header.slots], partial))
        ],
    )
