"""Lists of actions to text by writers, an action after the other; see `keys.py` for the keys in them.

The header of an action tells what writes it. Those that say how they are made (`FieldAction`, `NestAction`, `Number`,
`Bare`) have writers made of that; `ct` and `userspace` in `arguments.py` add what is theirs. Any other is left to
its class.
"""

from __future__ import annotations

import struct

from dpif._typing import Final
from dpif.errors import DecodeError
from dpif.netlink.attributes import ATTRIBUTE_HEADER, align
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.actions.base import Action, FieldAction, NestAction, load_all
from dpif.odp.actions.set import Set, SetMasked
from dpif.odp.actions.simple import Bare, Number, Output, Recirc
from dpif.odp.lines.fields import Writer, write_record
from dpif.odp.lines.keys import MAX_FORMS, KeyWriter, Mode, Unusual, write_attribute
from dpif.odp.model.key import FlowKey
from dpif.odp.model.nest import MAX_DEPTH, Nested

_WORD: Final = struct.Struct("=I")


class ActionWriter(dict[int, tuple[int, Writer]]):
    """Writes lists of actions in one mode. By the word of a header: how many words follow, and what writes them."""

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        self.mode = mode._replace(exact=True)
        self._depth = 0
        self.keys_set = KeyWriter(Mode(exact=True, verbose=True))
        self._set_masked = KeyWriter(Mode(always=True))

    def write(self, data: bytes, at: int, end: int) -> str:
        """Return the text of the actions at this place; raise `Unusual`."""
        if self._depth > MAX_DEPTH // 2 or (at | end) & 3:
            raise Unusual
        words = memoryview(data).cast("I")
        here, last = at >> 2, end >> 2
        texts = []
        while here < last:
            step, write = self[words[here]]
            here += 1
            if here + step > last:
                raise Unusual
            texts.append(write(data, 4 * here, data, 0))
            here += step
        return ",".join(texts) or "drop"

    def nested(self, data: bytes, at: int, end: int) -> str:
        """Return the text of the actions within one."""
        self._depth += 1
        try:
            return self.write(data, at, end)
        finally:
            self._depth -= 1

    def __missing__(self, word: int) -> tuple[int, Writer]:
        length, type_ = ATTRIBUTE_HEADER.unpack(_WORD.pack(word))
        if length < NLA_HDRLEN:
            raise Unusual
        number = type_ & NLA_TYPE_MASK
        cls = Action.by_number.get(number) or load_all().by_number.get(number)
        if cls is None:
            raise Unusual
        if len(self) >= MAX_FORMS:
            self.clear()
        size = length - NLA_HDRLEN
        form = self[word] = align(size) // 4, self._make(cls, size)
        return form

    def _make(self, cls: type[Action], size: int) -> Writer:
        """Return what writes an action of this class whose payload has `size` bytes."""
        if issubclass(cls, Bare) and cls.show is Bare.show and not size:
            text = cls().show(self.mode.style)
            return lambda data, at, mask, mask_at: text
        if issubclass(cls, Number) and size == _WORD.size:
            return self._write_value(cls, size)
        if issubclass(cls, FieldAction) and cls.show is FieldAction.show and size == cls.SIZE:
            return write_record(cls, f"{cls.word}(", ")", cls.UNTOLD)
        if cls is Set:
            return self._write_set(size)
        if cls is SetMasked:
            return self._write_set_masked(size)
        if issubclass(cls, NestAction) or cls.word == "clone":
            from dpif.odp.lines.arguments import write_nest_action  # plain lists have none

            return write_nest_action(cls, size, self)
        return self._write_slowly(cls, size)

    def _write_value(self, cls: type[Number], size: int) -> Writer:
        read = _WORD.unpack_from
        if cls is Output:
            names = self.mode.port_names or {}
            return lambda data, at, mask, mask_at: f"{names.get(port := read(data, at)[0], port)}"
        if cls is Recirc:
            return lambda data, at, mask, mask_at: f"recirc({hex(value) if (value := read(data, at)[0]) else 0})"
        if cls.show is Number.show:
            word = cls.word
            return lambda data, at, mask, mask_at: f"{word}({read(data, at)[0]})"
        return self._write_slowly(cls, size)

    def _write_set(self, size: int) -> Writer:
        """Return what writes ``set(…)`` of one attribute that fills the payload."""
        forms = self.keys_set.forms
        words = size // 4

        def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
            form = forms[_WORD.unpack_from(data, at)[0]]
            if form.step != words:
                raise Unusual
            return f"set({form.write(data, at + NLA_HDRLEN, data, at + NLA_HDRLEN)})"

        if size % 4 or not size:
            raise Unusual
        return write

    def _write_set_masked(self, size: int) -> Writer:
        """Return what writes ``set(…)`` of one attribute, whose value and mask fill the payload."""
        writers: dict[int, tuple[int, Writer]] = {}

        def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
            (word,) = _WORD.unpack_from(data, at)
            found = writers.get(word)
            if found is None:
                found = writers[word] = self.masked(word, size)
            half, write_half = found
            at += NLA_HDRLEN
            return f"set({write_half(data, at, data, at + half)})"

        if size % 4 or not size:
            raise Unusual
        return write

    def masked(self, word: int, size: int) -> tuple[int, Writer]:
        """Return half the length of a value and its mask, with this header, and what writes the value under it."""
        length, type_ = ATTRIBUTE_HEADER.unpack(_WORD.pack(word))
        attr = FlowKey.ATTRS.get(type_ & NLA_TYPE_MASK)
        if attr is None or isinstance(attr.type, Nested) or length < NLA_HDRLEN or align(length) != size:
            raise Unusual
        half, odd = divmod(length - NLA_HDRLEN, 2)
        if odd:
            raise Unusual
        return half, write_attribute(attr.type, f"{attr.text_name}(", ")", half, self._set_masked.mode)

    def _write_slowly(self, cls: type[Action], size: int) -> Writer:
        """Return what leaves the text to the action itself."""
        style = self.mode.style

        def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
            try:
                return cls.from_payload(data[at : at + size]).show(style)
            except DecodeError:
                raise Unusual from None

        return write
