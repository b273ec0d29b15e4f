"""The actions that hold attributes, their arguments in a text: ``ct(…)``, ``userspace(…)``, ``sample(…)``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dpif._lazy import pattern
from dpif._typing import Any, TypeAlias
from dpif.netlink.constants import NLA_F_NESTED
from dpif.odp.actions.base import Action, ActionList, NestAction
from dpif.odp.actions.cookies import COOKIE_SIZE, ODPP_NONE, Cookie
from dpif.odp.actions.ct import Ct, MaskedType, NameType
from dpif.odp.actions.nat import NatType
from dpif.odp.actions.nested import Clone, Psample, _Cookie, _ProbabilityType
from dpif.odp.actions.nsh import _DEFAULTS, NSH_CTX_HDRS_MAX_LEN, PushNsh
from dpif.odp.actions.userspace import Userspace
from dpif.odp.constants import CtAttr, KeyAttr, NshKeyAttr, UserspaceAttr
from dpif.odp.model.attrs import AttrType, Empty, PortNumber, Scalar
from dpif.odp.model.nsh import NSH_FIELDS, NSH_M_TYPE1, NSH_M_TYPE2, NshBase, NshContext
from dpif.odp.model.structs import Field
from dpif.odp.text.actions import Taker, actions, ended
from dpif.odp.text.cookies import cookie, user_data
from dpif.odp.text.nat import nat
from dpif.odp.text.parts import Part, Parts, Value, checked, nonzero, size_of, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import Place, Slot, fixed, part_of, parts_of, scanned, take_field, take_slot, unmasked

_PERCENTAGE = pattern(r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)%")
_NUMBER = pattern(r"0x[0-9a-fA-F]++")
ArgumentTaker: TypeAlias = Callable[[type[NestAction], Cursor], tuple[int, Parts, bool]]
"""Takes an argument; returns its number, its payload, and whether it had parentheses."""


def _arguments(cls: type[NestAction], cursor: Cursor, take: ArgumentTaker) -> dict[int, Parts]:
    """Take arguments in any order, each by `take`; return their payloads by number."""
    found: dict[int, Parts] = {}
    is_over = cursor.skip("", ")")
    while not is_over:
        number, parts, is_enclosed = take(cls, cursor)
        if number in found:
            raise UnusualError
        found[number] = parts
        is_over = ended(cursor, ")", is_enclosed)
    for name in cls.REQUIRED:
        if int(cls.attr(name).number) not in found:
            raise UnusualError
    return found


def _in_order(cls: type[NestAction], found: dict[int, Parts]) -> Parts:
    """Return whole attributes, in the order of the class."""
    return [part for number in cls.ATTRS if number in found for part in wrapped(number, found[number])]


def _argument(cls: type[NestAction], cursor: Cursor) -> tuple[int, Parts, bool]:
    attr = cls._by_text_name.get(cursor.word("=(,)"))
    if attr is None:
        raise UnusualError
    number, end = int(attr.number), cursor.ends[cursor.at - 1]
    if isinstance(attr.type, NatType):
        return number, nat(cursor) if end == "(" else [], end == "("
    if isinstance(attr.type, Empty):
        if end not in ",)":
            raise UnusualError
        return number, [], False
    if end != ("(" if attr.type.enclosed else "="):
        raise UnusualError
    if isinstance(attr.type, ActionList):
        return number, actions(cursor, ")"), True
    return number, _value(attr.type, cursor), False


def _value(type_: AttrType[Any], cursor: Cursor) -> Parts:
    """Take what stands behind ``name=``."""
    if type(type_) in (Scalar, PortNumber):
        assert isinstance(type_, Scalar)
        slot = take_slot(cursor, type_.kind)
        if isinstance(slot.mask, Place):
            raise UnusualError
        return [part_of(slot, "value", type_.order)]
    if isinstance(type_, MaskedType):
        return _value_and_mask(take_slot(cursor, type_.kind))
    if isinstance(type_, NameType):  # the same in all texts of a form
        return [type_.encode(scanned(cursor.word(",)"), type_.scan)[0])]
    if isinstance(type_, _ProbabilityType):
        place = cursor.take(",)")
        cursor.is_value(place, _PERCENTAGE)
        return [Value("4s", 4, f"probability(percentage({{0}})).to_bytes(4, {sys.byteorder!r})", (place,))]
    if isinstance(type_, _Cookie):
        return [_bytes(cursor, type_.longest)]
    raise UnusualError


def _value_and_mask(slot: Slot) -> Parts:
    """Return a mark or labels to set; a mask of no bits would leave them out."""
    mask = part_of(slot, "mask", "=")
    return [part_of(slot, "value", "="), *nonzero([mask])]


def _bytes(cursor: Cursor, most: int) -> Part:
    """Take bytes as one hexadecimal number; as many in all texts of a form."""
    place = cursor.take(",)")
    cursor.is_value(place, _NUMBER)
    size = (len(cursor.pieces[place]) - 1) // 2
    if size > most:
        raise UnusualError
    return Value(f"{size}s", size, f"exactly(hexadecimal({{0}}), {size})", (place,))


def _nest(cls: type[NestAction], cursor: Cursor) -> Parts:
    return wrapped(cls.number, _in_order(cls, _arguments(cls, cursor, _argument)))


def _psample(cls: type[Psample], cursor: Cursor) -> Parts:
    return wrapped(cls.number | NLA_F_NESTED, _in_order(cls, _arguments(cls, cursor, _argument)))


def _clone(cls: type[Clone], cursor: Cursor) -> Parts:
    return wrapped(cls.number, actions(cursor, ")"))


def _push_nsh(cls: type[PushNsh], cursor: Cursor) -> Parts:
    """Take the fields of a header, and its metadata, whose type tells forms apart."""
    given: dict[Field[Any], Slot] = {}
    metadata: Parts = []
    is_over = cursor.skip("", ")")
    while not is_over:
        if cursor.skip("md2", "=") and not metadata:
            metadata = [_bytes(cursor, NSH_CTX_HDRS_MAX_LEN)]
            metadata.append(bytes(-size_of(metadata) % 4))
        else:
            field, slot = take_field(cursor, NSH_FIELDS.get)
            if field in given:
                raise UnusualError
            given[field] = slot
        is_over = ended(cursor, ")", is_enclosed=False)
    return wrapped(cls.number, wrapped(KeyAttr.NSH, _header(cursor, unmasked(given, ()), metadata)))


def _header(cursor: Cursor, given: dict[Field[Any], Slot], metadata: Parts) -> Parts:
    mdtype = NshBase.FIELDS[2]
    type_ = fixed(cursor, given[mdtype].value) if mdtype in given else NSH_M_TYPE1
    base = [
        given.get(field) or Slot(field.kind, _DEFAULTS.raw[field.index], 0, field.shift) for field in NshBase.FIELDS
    ]
    base[mdtype.index] = base[mdtype.index]._replace(value=type_)
    parts = wrapped(NshKeyAttr.BASE, parts_of(NshBase, base, "value"))
    if type_ == NSH_M_TYPE1 and not metadata:
        context = [given.get(field) or Slot(field.kind, 0, 0) for field in NshContext.FIELDS]
        return [*parts, *wrapped(NshKeyAttr.MD1, parts_of(NshContext, context, "value"))]
    if type_ != NSH_M_TYPE2 or any(field in given for field in NshContext.FIELDS):
        raise UnusualError
    return [*parts, *wrapped(NshKeyAttr.MD2, metadata)] if metadata else parts


def _ct(cls: type[Ct], cursor: Cursor) -> Parts:
    found = _arguments(cls, cursor, _argument)
    if CtAttr.COMMIT in found and CtAttr.FORCE_COMMIT in found:
        raise UnusualError
    if CtAttr.ZONE in found:  # zero would leave it out
        found[CtAttr.ZONE] = nonzero(found[CtAttr.ZONE])
    return wrapped(cls.number, _in_order(cls, found))


def _userspace(cls: type[Userspace], cursor: Cursor) -> Parts:
    """Take the arguments; without any user data an empty cookie is sent, and no port is none."""
    found = _arguments(cls, cursor, _userspace_argument)
    found.setdefault(UserspaceAttr.USERDATA, [bytes(COOKIE_SIZE)])
    if UserspaceAttr.EGRESS_TUN_PORT in found:
        none = ODPP_NONE.to_bytes(4, "big")
        found[UserspaceAttr.EGRESS_TUN_PORT] = checked(
            found[UserspaceAttr.EGRESS_TUN_PORT], f"unlike({{}}, {none!r})"
        )
    return wrapped(cls.number, _in_order(cls, found))


def _userspace_argument(cls: type[NestAction], cursor: Cursor) -> tuple[int, Parts, bool]:
    """Take an argument, of which user data comes under several names."""
    word = cursor.piece
    if cursor.end == "(" and word == "userdata":
        cursor.take("(")
        return int(UserspaceAttr.USERDATA), user_data(cursor), True
    if cursor.end == "(" and word in Cookie.by_word:
        cursor.take("(")
        return int(UserspaceAttr.USERDATA), cookie(Cookie.by_word[word], cursor), True
    if word == "userdata":
        raise UnusualError
    return _argument(cls, cursor)


def taker(cls: type[Action]) -> Taker:
    """Return what takes the text of an action that holds attributes."""
    for above in cls.__mro__:
        if above in _TAKERS:
            return _TAKERS[above]
    raise UnusualError


_TAKERS: dict[type[Action], Taker] = {
    NestAction: _nest,
    Clone: _clone,
    Ct: _ct,
    Psample: _psample,
    PushNsh: _push_nsh,
    Userspace: _userspace,
}
