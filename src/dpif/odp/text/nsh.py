"""The text of ``nsh(…)``: one list of fields, which are those of a base and of metadata."""

from __future__ import annotations

from dpif._typing import NamedTuple
from dpif.odp.constants import NshKeyAttr
from dpif.odp.model.nsh import NSH_FIELDS, NSH_M_TYPE1, NshBase, NshContext
from dpif.odp.model.structs import Struct
from dpif.odp.text.keys import Payload
from dpif.odp.text.parts import Parts, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import Side, Slot, fixed, parts_of, slots_of, take_fields


class Header(NamedTuple):
    """An attribute of the header: its number, its structure, and what the text gives to the fields."""

    number: int
    cls: type[Struct]
    slots: list[Slot]

    def parts(self, side: Side) -> Parts:
        """Return the whole attribute."""
        return wrapped(self.number, parts_of(self.cls, self.slots, side))


def headers(cursor: Cursor) -> list[Header]:
    """Take the fields and the closing parenthesis; metadata goes with ``mdtype=1`` alone, which forms are told by."""
    given = take_fields(cursor, NSH_FIELDS.get)
    has_metadata = any(field in given for field in NshContext.FIELDS)
    mdtype, type_ = NshBase.FIELDS[2], 0
    slot = given.get(mdtype)
    if slot is not None:
        type_ = fixed(cursor, slot.value)
        given[mdtype] = slot._replace(value=type_)
    if type_ > mdtype.kind.full or (has_metadata and type_ != NSH_M_TYPE1):
        raise UnusualError
    found = [Header(NshKeyAttr.BASE, NshBase, slots_of(NshBase, given))]
    if type_ == NSH_M_TYPE1:
        found.append(Header(NshKeyAttr.MD1, NshContext, slots_of(NshContext, given)))
    return found


def nsh(cursor: Cursor) -> Payload:
    """Take a header to match."""
    found = headers(cursor)
    return Payload(
        [part for header in found for part in header.parts("value")],
        [part for header in found for part in header.parts("mask")],
    )
