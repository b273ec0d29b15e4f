"""The user data of ``userspace(…)``: bytes, or the cookies of Open vSwitch."""

from __future__ import annotations

from dpif._lazy import pattern
from dpif.odp.actions.cookies import COOKIE_HEADER, COOKIE_SIZE, OFPP_NONE, Cookie, FlowSample, SFlow, SlowPath
from dpif.odp.model.kinds import U16, U32
from dpif.odp.text import reading
from dpif.odp.text.parts import Parts, Value, size_of
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import Slot, parts_of, scanned, slots_of, take_fields, unmasked

_PAIRS = pattern(r"(?:[0-9a-fA-F]{2})++")
_LEAST = 8
"""``userdata(…)`` gives at least so many bytes."""


def user_data(cursor: Cursor) -> Parts:
    """Take pairs of hexadecimal digits; as many in all texts of a form."""
    place = cursor.take(")")
    cursor.is_value(place, _PAIRS)
    size = len(cursor.pieces[place]) // 2
    return [Value(f"{size}s", size, f"exactly(pairs({{0}}), {size})", (place,)), bytes(max(_LEAST - size, 0))]


def cookie(cls: type[Cookie], cursor: Cursor) -> Parts:
    """Take what stands between the parentheses of a cookie, and the closing one."""
    if cls is SFlow:
        parts = _sflow(cursor)
    elif cls is SlowPath:
        parts = [scanned(cursor.rest(), cls.scan).payload()]
    else:
        parts = _fields(cls, cursor)
    head = COOKIE_HEADER.pack(cls.TYPE, OFPP_NONE, bytes(16))
    return [head, *parts, bytes(COOKIE_SIZE - len(head) - size_of(parts))]


def _fields(cls: type[Cookie], cursor: Cursor) -> Parts:
    """Take fields, all of which must be there; a sample's direction is a word behind them."""
    words = FlowSample._DIRECTIONS if cls is FlowSample else {}
    given = unmasked(take_fields(cursor, cls._by_text_name.get, words), ())
    if any(field not in given for field in cls.TEXT):
        raise UnusualError
    if words and cursor.pieces[cursor.at - 1] in words:
        direction = FlowSample.FIELDS[-1]
        given[direction] = Slot(direction.kind, int(words[cursor.pieces[cursor.at - 1]]), 0)
    return parts_of(cls, slots_of(cls, given), "value")


def _sflow(cursor: Cursor) -> Parts:
    places = []
    for name, end in (("vid", ","), ("pcp", ","), ("output", ")")):
        cursor.expect(name, "=")
        places.append(cursor.value(end))
    tci = Value("H", 2, "vlan_tci(int({0}, 0), int({1}, 0))", (places[0], places[1]))
    return [tci, reading.constant(U16, 0, "="), reading.value(U32, places[2], "=")]
