"""Structures and single fields: which values and masks a text gives to which fields.

A `Slot` is one field: its value and its mask are each a raw constant or the place of a piece. `parts_of` makes parts
of slots, in the order of the wire; bit fields become one part.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from dpif._lazy import pattern
from dpif._typing import Any, Literal, NamedTuple, TypeAlias, TypeVar
from dpif.errors import ParseError
from dpif.odp.model.kinds import Frag, Kind, Raw
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import Bits, Field, Record
from dpif.odp.text import reading
from dpif.odp.text.parts import Part, Parts, Value
from dpif.odp.text.pieces import Cursor, UnusualError

T = TypeVar("T")
_NUMBER = pattern("0|[1-9][0-9]{0,9}|0x[0-9a-f]{1,8}")
Side: TypeAlias = Literal["value", "mask", "masked"]
"""What is wanted of a field: its value, its mask, or its value with the bits outside its mask cleared."""
_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Place(int):
    """The place of a piece, told apart from a raw value."""


class Slot(NamedTuple):
    """What a text gives to one field."""

    kind: Kind[Any]
    value: Place | Raw
    mask: Place | Raw
    shift: int = 0


def take_slot(cursor: Cursor, kind: Kind[Any], ends: str = ",)", shift: int = 0) -> Slot:
    """Take ``value`` or ``value/mask``, behind which stands one of `ends`."""
    value: Place | Raw
    if isinstance(kind, Frag) and not cursor.at_value():
        value = _word(kind, cursor)
        cursor.take(f"{ends}/")
    else:
        value = Place(cursor.value(f"{ends}/"))
    mask = Place(cursor.value(ends)) if cursor.ends[cursor.at - 1] == "/" else kind.full
    return Slot(kind, value, mask, shift)


def _word(kind: Frag, cursor: Cursor) -> Raw:
    return scanned(cursor.piece, kind.scan)


def fixed(cursor: Cursor, given: Place | int) -> int:
    """Return a number that is the same in all texts of a form."""
    if not isinstance(given, Place):
        return given
    cursor.values.discard(given)
    if not _NUMBER.fullmatch(cursor.pieces[given]):
        raise UnusualError
    return int(cursor.pieces[given], 0)


def scanned(text: str, scan: Callable[[Scanner], T]) -> T:
    """Return what the slow twin reads of a text that is the same in all texts of a form."""
    scanner = Scanner(f"{text})")
    try:
        read = scan(scanner)
    except ParseError:
        raise UnusualError from None
    if scanner.position != len(text):
        raise UnusualError
    return read


def take_fields(
    cursor: Cursor, field_of: Callable[[str], Field[Any] | None], words: Container[str] = ()
) -> dict[Field[Any], Slot]:
    """Take fields and the closing parenthesis behind them; return what each is given.

    The last may be one of `words`.
    """
    given: dict[Field[Any], Slot] = {}
    is_over = cursor.skip("", ")")
    while not is_over:
        if cursor.end == ")" and cursor.piece in words:
            cursor.take(")")
            break
        field, slot = take_field(cursor, field_of)
        if field in given:
            raise UnusualError
        given[field] = slot
        is_over = cursor.ends[cursor.at - 1] == ")"
    return given


def take_field(cursor: Cursor, field_of: Callable[[str], Field[Any] | None]) -> tuple[Field[Any], Slot]:
    """Take ``name=value`` or ``name=value/mask``, and what stands behind it."""
    field = field_of(cursor.word("="))
    if field is None:
        raise UnusualError
    return field, take_slot(cursor, field.kind, shift=field.shift)


def slots_of(cls: type[Record], given: dict[Field[Any], Slot]) -> list[Slot]:
    """Return a slot for each field of a structure, in the order of the wire."""
    return [
        given.get(field) or Slot(field.kind, field.default, field.default_mask, field.shift) for field in cls.FIELDS
    ]


def unmasked(given: dict[Field[Any], Slot], needed: Iterable[Field[Any]]) -> dict[Field[Any], Slot]:
    """Return what is given to fields that take no masks, and of which these must be there."""
    if any(isinstance(slot.mask, Place) for slot in given.values()):
        raise UnusualError
    if any(field not in given and not field.optional for field in needed):
        raise UnusualError
    return given


def structure(cursor: Cursor, cls: type[Record]) -> list[Slot]:
    """Take the fields of a structure, and the closing parenthesis."""
    return slots_of(cls, take_fields(cursor, cls._by_text_name.get))


def parts_of(cls: type[Record], slots: list[Slot], side: Side, partial: Place | None = None) -> Parts:
    """Return the parts of a structure's payload; the mask at `partial` must not be full."""
    if issubclass(cls, Bits):
        return [_bits(cls, slots, side, partial)]
    order = "=" if cls._packer.format[0] == "=" else "!"
    return [*[part_of(slot, side, order, partial) for slot in slots], bytes(cls.PADDING)]


def part_of(slot: Slot, side: Side, order: str, partial: Place | None = None) -> Part:
    """Return the part that is one field."""
    made = _made(slot, side, order, partial)
    return made if isinstance(made, Value) else reading.constant(slot.kind, made, order)


def _made(slot: Slot, side: Side, order: str, partial: Place | None) -> Value | Raw:
    """Return how a field is read, or what it is."""
    kind, value, mask, _ = slot
    if side == "masked":
        if isinstance(mask, Place):
            if not isinstance(value, Place):
                raise UnusualError
            return reading.masked(kind, value, mask, order)
        return kind.zero if mask == kind.zero else _read(reading.value, kind, value, order)
    if side == "value":
        return _read(reading.value, kind, value, order)
    made = _read(reading.mask, kind, mask, order)
    is_checked = isinstance(made, Value) and mask == partial
    return reading.partial(kind, made) if is_checked else made


def _read(read: Callable[..., Value], kind: Kind[Any], given: Place | Raw, order: str) -> Value | Raw:
    return read(kind, given, order) if isinstance(given, Place) else given


def _bits(cls: type[Bits], slots: list[Slot], side: Side, partial: Place | None) -> Part:
    """Return the part that is all bit fields together."""
    word = 0
    sources: list[str] = []
    places: list[int] = []
    for slot in slots:
        made = _made(slot, side, reading.BITS, partial)
        if not isinstance(made, Value):
            word |= made << slot.shift
            continue
        names = {f"{at}": f"{{{len(places) + at}}}" for at in range(len(made.places))}
        sources.append(f"({made.source.format(*names.values())}) << {slot.shift}")
        places += made.places
    if not sources:
        return word.to_bytes(cls.SIZE, cls.ORDER)
    source = " | ".join([*sources, str(word)])
    code = _WORDS.get(cls.SIZE)
    if code and cls.ORDER == "big":
        return Value(code, cls.SIZE, source, tuple(places))
    return Value(f"{cls.SIZE}s", cls.SIZE, f"({source}).to_bytes({cls.SIZE}, {cls.ORDER!r})", tuple(places))
