"""Actions by their texts: what each makes of the pieces between its parentheses.

`arguments.py` has those that hold attributes, `setting.py` those that rewrite headers.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import Any, TypeAlias
from dpif.odp.actions.base import Action, FieldAction, load_all
from dpif.odp.actions.headers import Hash
from dpif.odp.actions.set import Set
from dpif.odp.actions.simple import Bare, Drop, Number
from dpif.odp.constants import ActionAttr
from dpif.odp.model.kinds import U32
from dpif.odp.text import reading
from dpif.odp.text.parts import Parts, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError
from dpif.odp.text.structures import parts_of, scanned, slots_of, take_fields, unmasked

Taker: TypeAlias = Callable[[Any, Cursor], Parts]
"""Takes what stands between the parentheses of an action, and the closing one; returns whole attributes."""


def actions(cursor: Cursor, closing: str) -> Parts:
    """Take actions up to what closes them, which is taken too."""
    if cursor.skip("", closing) or cursor.skip("drop", closing):
        return []
    cursor.enter()
    found: Parts = []
    is_over = False
    while not is_over:
        parts, is_enclosed = action(cursor)
        found += parts
        is_over = ended(cursor, closing, is_enclosed)
    cursor.leave()
    return found


def ended(cursor: Cursor, closing: str, is_enclosed: bool) -> bool:
    """Tell whether one of a list was the last; take what stands behind the parentheses that it had, if it had any."""
    if is_enclosed:
        if cursor.skip("", closing):
            return True
        cursor.expect("", ",")
        return False
    end = cursor.ends[cursor.at - 1]
    if end not in ("," + closing):
        raise UnusualError
    return end == closing


def action(cursor: Cursor) -> tuple[Parts, bool]:
    """Take one action; tell whether it had parentheses."""
    if cursor.at_value():
        port = cursor.value(",)$")
        return wrapped(ActionAttr.OUTPUT, [reading.value(U32, port, "=")]), False
    word = cursor.word(",)$(")
    cls = Action.by_word.get(word) or load_all().by_word.get(word)
    if cls is None:
        raise UnusualError
    if cursor.ends[cursor.at - 1] == "(":
        return _taker(cls)(cls, cursor), True
    if not issubclass(cls, Bare) and word not in _WITHOUT_PARENTHESES:
        raise UnusualError
    return [scanned("", cls.scan).to_bytes()], False


_WITHOUT_PARENTHESES = (Drop.word, "ct")


def _taker(cls: type[Action]) -> Taker:
    if cls is Set:
        from dpif.odp.text.setting import take_set  # many files set nothing

        return take_set
    takers = [_TAKERS[above] for above in cls.__mro__ if above in _TAKERS]
    if takers:
        return takers[0]
    from dpif.odp.text.arguments import taker  # nor have they what holds attributes

    return taker(cls)


def _number(cls: type[Number], cursor: Cursor) -> Parts:
    return wrapped(cls.number, [reading.value(U32, cursor.value(")"), "=")])


def _bare(cls: type[Bare], cursor: Cursor) -> Parts:
    if not cls.parentheses:
        raise UnusualError
    cursor.expect("", ")")
    return wrapped(cls.number, [])


def _fields(cls: type[FieldAction], cursor: Cursor) -> Parts:
    """Take fields, of which those without a default must be there, and none has a mask."""
    slots = slots_of(cls, unmasked(take_fields(cursor, cls._by_text_name.get), cls.TEXT))
    return wrapped(cls.number, parts_of(cls, slots, "value"))


def _hash(cls: type[Hash], cursor: Cursor) -> Parts:
    algorithm = Hash._NAMES.get(cursor.word("("))
    if algorithm is None:
        raise UnusualError
    basis = reading.value(U32, cursor.value(")"), "=")
    cursor.expect("", ")")
    return wrapped(cls.number, [reading.constant(U32, algorithm, "="), basis])


_TAKERS: dict[type[Action], Taker] = {Number: _number, Bare: _bare, FieldAction: _fields, Hash: _hash}
