"""The texts of ``tunnel(…)`` and of the options in it: VXLAN, Geneve, ERSPAN, GTP-U."""

from __future__ import annotations

import struct

from dpif._typing import Any
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.model.attrs import Scalar
from dpif.odp.model.kinds import U8, U16, U32X
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import ErspanType, GeneveType, Gtpu, GtpuType
from dpif.odp.text.keys import Element, Payload, Takers, made, opaque, payload_of
from dpif.odp.text.parts import Part, Parts, Value, nonzero, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import Place, Slot, fixed, part_of, parts_of, scanned, structure, take_slot

_NO_ARGUMENTS = (TunnelKeyAttr.DONT_FRAGMENT, TunnelKeyAttr.CSUM, TunnelKeyAttr.OAM)
"""They are told by ``flags(…)``."""


def tunnel(cursor: Cursor) -> Payload:
    """Take the arguments of a tunnel to match, and the closing parenthesis."""
    found = arguments(cursor)
    return Payload(
        [part for item in found for part in item.key or ()], [part for item in found for part in item.mask]
    )


def arguments(cursor: Cursor) -> list[Element]:
    """Take the arguments, and the closing parenthesis."""
    found: list[Element] = []
    closed = cursor.skip("", ")")
    while not closed:
        if cursor.skip("flags", "("):
            found += _flags(cursor)
            is_enclosed = True
        else:
            item, is_enclosed = _argument(cursor)
            found.append(item)
        closed = cursor.skip("", ")") if is_enclosed else cursor.ends[cursor.at - 1] == ")"
        if is_enclosed and not closed:
            cursor.expect("", ",")
    if len({item.number for item in found}) < len(found):
        raise UnusualError
    return found


def _flags(cursor: Cursor) -> list[Element]:
    """Take flags, which are the same in all texts of a form."""
    values: dict[int, Any] = {}
    masks: dict[int, Any] = {}

    def scan(scanner: Scanner) -> None:
        Tunnel._scan_flags(scanner, values, masks)

    scanned(cursor.rest(), scan)
    return [
        Element(
            number, wrapped(number, []) if number in values else None, wrapped(number, []) if number in masks else []
        )
        for number in _NO_ARGUMENTS
        if number in values or number in masks
    ]


def _argument(cursor: Cursor) -> tuple[Element, bool]:
    """Take an argument; tell whether it had parentheses of its own."""
    attr = Tunnel._by_text_name.get(cursor.word("=("))
    if attr is None or attr.number in _NO_ARGUMENTS:
        raise UnusualError
    if attr.type.enclosed != (cursor.ends[cursor.at - 1] == "("):
        raise UnusualError
    number = int(attr.number)
    if not isinstance(attr.type, Scalar):
        payload = payload_of(attr.type, cursor)
        if number == TunnelKeyAttr.VXLAN_OPTS:
            payload = _without_empty_policy(payload)
        return made(number, payload), True
    slot = take_slot(cursor, attr.type.kind)
    order = attr.type.order
    return made(number, Payload([part_of(slot, "value", order)], [part_of(slot, "mask", order)])), False


def _without_empty_policy(payload: Payload) -> Payload:
    """Leave a mask of no bits out, as the slow twin does; one that is read must have some."""
    mask = payload.mask or []
    if any(isinstance(part, Value) for part in mask):
        return Payload(payload.value, nonzero(mask))
    bits = b"".join([part for part in mask if isinstance(part, bytes)])[4:]
    return payload if any(bits) else Payload(payload.value, None)


def _geneve(type_: GeneveType, cursor: Cursor) -> Payload:
    """Take options in braces."""
    value: Parts = []
    mask: Parts = []
    while not cursor.skip("", ")"):
        cursor.expect("", "{")
        option = _option(cursor)
        value += option.value or ()
        mask += option.mask or ()
    return Payload(value, mask)


def _option(cursor: Cursor) -> Payload:
    """Take what stands between the braces, and the closing one; how long the data are tells forms apart."""
    class_ = _named(cursor, "class", Slot(U16, 0, 0))
    type_ = _named(cursor, "type", Slot(U8, 0, 0))
    length = _named(cursor, "len", Slot(U8, 0, 0))
    size, length_mask = fixed(cursor, length.value), fixed(cursor, length.mask)
    if size % 4 or size > 124 or length_mask > 255:
        raise UnusualError
    data: Part = bytes(size)
    data_mask: Part = bytes(size)
    if not _is_over(cursor):
        data = _data(cursor, size, "/}")
        data_mask = _data(cursor, size, "}") if cursor.ends[cursor.at - 1] == "/" else b"\xff" * size
    return Payload(
        [part_of(class_, "value", "!"), part_of(type_, "value", "!"), bytes((size // 4,)), data],
        [part_of(class_, "mask", "!"), part_of(type_, "mask", "!"), bytes((length_mask & 0x1F,)), data_mask],
    )


def _is_over(cursor: Cursor) -> bool:
    return cursor.ends[cursor.at - 1] == "}" or cursor.skip("", "}")


def _named(cursor: Cursor, name: str, absent: Slot) -> Slot:
    """Take ``name=value`` or ``name=value/mask`` if it comes next."""
    if cursor.ends[cursor.at - 1] == "}" or not cursor.skip(name, "="):
        return absent
    return take_slot(cursor, absent.kind, ",}")


def _data(cursor: Cursor, size: int, ends: str) -> Value:
    if not size:
        raise UnusualError
    return Value(f"{size}s", size, f"wide({{0}}, {size})", (cursor.value(ends),))


_SAID_BY_NO_TEXT = 0xFFFFFFFF & ~(0xF << 4 | 1 << 3)
"""What a mask of version 2 has in its last word besides; of the hardware id two bits, as the C tool has it."""
_VERSION = struct.Struct("=I")


def _erspan(type_: ErspanType, cursor: Cursor) -> Payload:
    """Take ``ver`` and what goes with it; the version tells forms apart, and is matched."""
    cursor.expect("ver", "=")
    version = cursor.word(",)")
    names = {"1": ("idx",), "2": ("dir", "hwid")}.get(version)
    if names is None:
        raise UnusualError
    given: dict[str, Slot] = {}
    while cursor.ends[cursor.at - 1] != ")":
        name = cursor.word("=")
        if name not in names or name in given:
            raise UnusualError
        given[name] = take_slot(cursor, U32X if name == "idx" else U8)
    head = _VERSION.pack(int(version))
    if version == "1":
        idx = given.get("idx", Slot(U32X, 0, 0))
        return Payload(
            [head, part_of(idx, "value", "!"), bytes(4)], [b"\xff" * 4, part_of(idx, "mask", "!"), b"\xff" * 4]
        )
    return _erspan_2(head, *[given.get(name, Slot(U8, 0, 0)) for name in names])


def _erspan_2(head: bytes, dir_: Slot, hwid: Slot) -> Payload:
    """Return version 2: in its last word what the text cannot say is zero, and matched."""
    value = _last_word(
        0,
        ("upto(int({0}, 0), 1) << 3", dir_.value),
        ("upto(int({0}, 0), 63) << 4", hwid.value),
    )
    mask = _last_word(
        _SAID_BY_NO_TEXT,
        ("(upto(int({0}, 0), 255) & 1) << 3", 1 << 3 if dir_.mask == U8.full else dir_.mask),
        ("(upto(int({0}, 0), 255) & 15) << 4", 15 << 4 if hwid.mask == U8.full else hwid.mask),
    )
    return Payload([head, bytes(4), value], [b"\xff" * 8, mask])


def _last_word(word: int, *fields: tuple[str, Place | int]) -> Part:
    """Return bit fields as one part, each what reads it and the place of its piece, or else its bits."""
    sources: list[str] = []
    places: list[Place] = []
    for source, given in fields:
        if isinstance(given, Place):
            sources.append(source.replace("{0}", f"{{{len(places)}}}"))
            places.append(given)
        else:
            word |= given
    return Value("I", 4, " | ".join([*sources, str(word)]), tuple(places)) if places else word.to_bytes(4, "big")


def _gtpu(type_: GtpuType, cursor: Cursor) -> Payload:
    """Take the fields, or bytes, or nothing."""
    if cursor.skip("", ")"):
        return Payload([], [])
    if cursor.end != "=":
        return opaque(type_, cursor)
    slots = structure(cursor, Gtpu)
    return Payload(parts_of(Gtpu, slots, "value"), parts_of(Gtpu, slots, "mask"))


TAKERS: Takers = {GeneveType: _geneve, ErspanType: _erspan, GtpuType: _gtpu}
"""What takes the options of a tunnel."""
