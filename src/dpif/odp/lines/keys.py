"""Flow keys to text by writers: one attribute after the other, each by what writes its kind (`fields.py`).

`KeyWriter` walks a key and its mask together, in the bytes that came: their attributes stand in the same order, but
the mask may have some that the key has not, and rarely lacks one. A header (length and number, one word) tells what
writes the attribute, and that its length is right; that is its `Form`. A nest is written by the same walk within it.
What a walk found is a `Layout`: another nest with the same headers, which one `struct` call compares, needs no walk.

::

    KEY   in_port | eth | eth_type | vlan | encap: eth_type | ipv4
    MASK  tunnel: … | in_port | eth | eth_type | vlan | encap: eth_type | ipv4
          ^ the key has none: passed over

What is not as the kernel sends it (damaged, twice, of odd length, of user space) is `Unusual`: then the slow twin
tells, or raises.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from dpif._typing import Any, Final, NamedTuple
from dpif.errors import DecodeError
from dpif.netlink.attributes import ATTRIBUTE_HEADER, align
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.constants.key import KeyAttr
from dpif.odp.lines.fields import Remembered, Writer, write_fields, write_number
from dpif.odp.model.attrs import AttrType, FlagSet, Opaque, PortNumber, Scalar, Structure, Style
from dpif.odp.model.key import FlowKey
from dpif.odp.model.nest import MAX_DEPTH, Attr, Nest, Nested
from dpif.odp.model.structs import Struct

MAX_FORMS: Final = 4096
"""Headers of one nest whose forms are known, and lengths whose layouts are; more, and all are forgotten."""
MAX_ALIKE: Final = 8
"""So many layouts of the same lengths are known; others are walked over each time."""
_WORD: Final = struct.Struct("=I")
_ETHERTYPE: Final = struct.Struct("!H")
NOTHING: Final = bytes(256)
"""A mask of what a mask lacks."""


class Unusual(Exception):
    """Raised for what the slow twin must look at."""


class Mode(NamedTuple):
    """What is shown: all without masks if `exact`, else what is matched, all if `verbose`.

    If `always` an attribute is there even where nothing of it is matched.
    """

    exact: bool = False
    always: bool = False
    verbose: bool = False
    port_names: Mapping[int, str] | None = None

    @property
    def style(self) -> Style:
        """The same for the slow twins."""
        return Style(self.verbose, self.port_names)


class Form(NamedTuple):
    """What a header tells of an attribute."""

    step: int
    """Words from its header to the next one."""
    number: int
    bit: int
    """One for each number."""
    write: Writer
    is_nest: bool
    """Whether it holds attributes; then its mask may have another length."""
    needs_mask: bool
    """Whether a mask that lacks it means something else than one of no bits."""


class Walked(NamedTuple):
    """What a walk found: the texts, bits of the attributes of the key and of the mask, places of those it lacks."""

    texts: list[str]
    present: int
    matched: int
    mask_alone: dict[int, int]


class Layout(NamedTuple):
    """Where the attributes of a nest and its mask stand, counted from the start of either.

    ``plan`` has what writes each attribute, its place and that of its mask, -1 for one that the mask lacks.
    ``mask_alone`` are places of attributes in the mask that the nest has not, ``unseen`` those of nests among them.
    """

    plan: list[tuple[Writer, int, int]]
    lacks_masks: bool
    present: int
    matched: int
    mask_alone: dict[int, int]
    unseen: list[tuple[int, int, int]]


class KnownLayout:
    """A layout, and the headers that tell it."""

    __slots__ = ("layout", "mask_words", "read", "read_mask", "words")

    def __init__(self, layout: Layout, data: bytes, at: int, mask: bytes, mask_at: int) -> None:
        self.layout = layout
        self.read = _header_reader([place for _, place, _ in layout.plan])
        masks = [place for _, _, place in layout.plan if place >= 0]
        self.read_mask = _header_reader(sorted([*masks, *layout.mask_alone.values()]))
        self.words = self.read(data, at)
        self.mask_words = self.read_mask(mask, mask_at)


def _header_reader(places: list[int]) -> Callable[[bytes, int], tuple[int, ...]]:
    """Return what reads the headers, as words, of the attributes whose payloads are at these places."""
    format_, at = "=", 0
    for place in places:
        format_ += f"{place - NLA_HDRLEN - at}xI"
        at = place
    return struct.Struct(format_).unpack_from


def length_at(data: bytes, at: int) -> int:
    """Return the length of the payload that starts at `at`."""
    length: int = ATTRIBUTE_HEADER.unpack_from(data, at - NLA_HDRLEN)[0]
    return length - NLA_HDRLEN


class Forms(dict[int, Form]):
    """The forms of the attributes of one nest, by the word of their headers.

    Numbers that the nest does not know, and lengths that are wrong, raise `Unusual`.
    """

    def __init__(self, nest: type[Nest], make: Callable[[Attr[Any], int], Writer]) -> None:
        super().__init__()
        self._nest = nest
        self._make = make
        self._checked: dict[bytes, bool] = {}
        self._layouts: dict[tuple[int, int], list[KnownLayout]] = {}

    def __missing__(self, word: int) -> Form:
        length, type_ = ATTRIBUTE_HEADER.unpack(_WORD.pack(word))
        number = type_ & NLA_TYPE_MASK
        attr = self._nest.ATTRS.get(number)
        if attr is None or length < NLA_HDRLEN or number == KeyAttr.PACKET_TYPE:
            raise Unusual
        if len(self) >= MAX_FORMS:
            self.clear()
        write = self._make(attr, length - NLA_HDRLEN)
        is_nest = isinstance(attr.type, Nested)
        needs_mask = is_nest or (isinstance(attr.type, Opaque) and attr.told)
        form = self[word] = Form(align(length) // 4, number, 1 << number, write, is_nest, needs_mask)
        return form

    def check(self, number: int, data: bytes) -> None:
        """Decode a nest that is not shown, the slow way, to see whether that can be done."""
        if data not in self._checked:
            if len(self._checked) >= MAX_FORMS:
                self._checked.clear()
            try:
                self._nest.type_of(number).decode(data)
            except DecodeError:
                raise Unusual from None
            self._checked[data] = True

    def walk(self, data: bytes, at: int, end: int, mask: bytes, mask_at: int, mask_end: int) -> Walked:
        """Write the attributes of a nest under those of its mask."""
        layout = self._layout(data, at, end, mask, mask_at, mask_end)
        for number, start, stop in layout.unseen:
            self.check(number, mask[mask_at + start : mask_at + stop])
        if layout.lacks_masks:
            texts = [
                write(data, at + place, mask, mask_at + there) if there >= 0 else write(data, at + place, NOTHING, 0)
                for write, place, there in layout.plan
            ]
        else:
            texts = [write(data, at + place, mask, mask_at + there) for write, place, there in layout.plan]
        return Walked([text for text in texts if text], layout.present, layout.matched, layout.mask_alone)

    def _layout(self, data: bytes, at: int, end: int, mask: bytes, mask_at: int, mask_end: int) -> Layout:
        """Return the layout: one that is known, by its headers, or what a new walk finds."""
        lengths = (end - at, mask_end - mask_at)
        known = self._layouts.get(lengths, ())
        for one in known:
            if one.read(data, at) == one.words and one.read_mask(mask, mask_at) == one.mask_words:
                return one.layout
        if 3 & (at | end | mask_at | mask_end):
            raise Unusual
        layout = self._lay_out(data, at, end, mask, mask_at, mask_end)
        if len(known) < MAX_ALIKE:
            if len(self._layouts) >= MAX_FORMS:
                self._layouts.clear()
            self._layouts.setdefault(lengths, []).append(KnownLayout(layout, data, at, mask, mask_at))
        return layout

    def _lay_out(self, data: bytes, at: int, end: int, mask: bytes, mask_at: int, mask_end: int) -> Layout:
        """Walk over the headers; raise `Unusual` where they are not as they should be."""
        masks = _walk(memoryview(mask).cast("I"), self, mask_at, mask_end)
        plan: list[tuple[Writer, int, int]] = []
        present = matched = 0
        furthest = -1
        for number, (place, word) in _walk(memoryview(data).cast("I"), self, at, end).items():
            form = self[word]
            present |= form.bit
            there, mask_word = masks.pop(number, (-1, word))
            if there < 0:
                if form.needs_mask:
                    raise Unusual
            elif there < furthest or (mask_word != word and not form.is_nest):
                raise Unusual
            else:
                furthest = there
                matched |= form.bit
            plan.append((form.write, place, there))
        unseen = []
        for number, (there, word) in masks.items():
            matched |= 1 << number
            if self[word].is_nest:
                unseen.append((number, there, there + length_at(mask, mask_at + there)))
        alone = {number: there for number, (there, _) in masks.items()}
        return Layout(plan, any(there < 0 for _, _, there in plan), present, matched, alone, unseen)


def _walk(words: memoryview, forms: Forms, at: int, end: int) -> dict[int, tuple[int, int]]:
    """Return places, counted from `at`, and headers of the attributes between, by their numbers."""
    found: dict[int, tuple[int, int]] = {}
    here, last = at >> 2, end >> 2
    while here < last:
        form = forms[words[here]]
        if form.number in found or here + form.step > last:
            raise Unusual
        found[form.number] = 4 * here + NLA_HDRLEN - at, words[here]
        here += form.step
    return found


class KeyWriter:
    """Writes attributes of flow keys in one mode."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.forms = Forms(FlowKey, self._make)

    def key(self, data: bytes, at: int, end: int, mask_at: int, mask_end: int, mask: bytes | None = None) -> str:
        """Return the text of a key under its mask, see `FlowKey.show`."""
        mask = data if mask is None else mask
        walked = self.forms.walk(data, at, end, mask, mask_at, mask_end)
        text = ",".join(walked.texts)
        if text.startswith("eth(),"):
            text = f"eth(){text[6:]}"  # Open vSwitch puts no comma behind an eth() that comes first
        if walked.mask_alone and walked.present and KeyAttr.ETHERTYPE in walked.mask_alone:
            (eth_type,) = _ETHERTYPE.unpack_from(mask, mask_at + walked.mask_alone[KeyAttr.ETHERTYPE])
            text += f",eth_type(0/0x{eth_type:04x})"
        return text

    def _make(self, attr: Attr[Any], size: int) -> Writer:
        """Return what writes an attribute of a key whose payload has `size` bytes."""
        mode, type_ = self.mode, attr.type
        if isinstance(type_, Nested):
            return self._nest(attr)
        if attr.number == KeyAttr.ETHERNET and not (mode.exact or mode.always or mode.verbose):
            fields = write_attribute(attr.type, "eth(", ")", size, mode)
            return lambda data, at, mask, mask_at: fields(data, at, mask, mask_at) or "eth()"
        return write_attribute(type_, f"{attr.text_name}(", ")", size, mode)

    def _nest(self, attr: Attr[Any]) -> Writer:
        if self.mode.always:
            raise Unusual
        if attr.number == KeyAttr.TUNNEL:
            from dpif.odp.lines.tunnels import TunnelWriter  # many flows have none

            return TunnelWriter(self.mode).write
        if attr.number == KeyAttr.NSH:
            from dpif.odp.lines.tunnels import NshWriter

            return NshWriter(self.mode).write
        return self._encap()

    def _encap(self) -> Writer:
        """Return what writes a key in a key; ports in it are not named."""
        depth = 0
        inner = self if self.mode.port_names is None else KeyWriter(self.mode._replace(port_names=None))

        def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
            nonlocal depth
            depth += 1
            try:
                if depth > MAX_DEPTH // 2:
                    raise Unusual
                end, mask_end = at + length_at(data, at), mask_at + length_at(mask, mask_at)
                return f"encap({inner.key(data, at, end, mask_at, mask_end, mask)})"
            finally:
                depth -= 1

        return write


def write_attribute(type_: AttrType[Any], before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what writes an attribute that is no nest, between `before` and `after`; see `AttrType.show_named`."""
    always = mode.always or type_.always_shown
    if isinstance(type_, Scalar):
        _expect(size, type_.kind.size)
        if type(type_).show is Scalar.show or (isinstance(type_, PortNumber) and mode.port_names is None):
            always = always or mode.verbose
            return write_number(type_.kind, type_.order, before, after, exact=mode.exact, always=always)
        if isinstance(type_, FlagSet):
            return _write_flags(type_, before, after, mode)
    if isinstance(type_, Structure):
        _expect(size, type_.cls.SIZE)
        if type(type_).show is Structure.show and type_.cls.show is Struct.show:
            return write_fields(type_.cls, before, after, exact=mode.exact, verbose=mode.verbose, always=always)
    special = _special(type_)
    return special(before, after, size, mode) if special else _write_slowly(type_, before, after, size, mode)


def _special(type_: AttrType[Any]) -> Callable[[str, str, int, Mode], Writer] | None:
    """Return what makes the writer of a type that is written in its own way."""
    from dpif.odp.lines import special

    return special.BY_TYPE.get(type(type_)) or (
        special.BY_STRUCT.get(type_.cls) if isinstance(type_, Structure) else None
    )


def _expect(size: int, right: int) -> None:
    if size != right:
        raise Unusual


def _write_flags(type_: FlagSet[Any], before: str, after: str, mode: Mode) -> Writer:
    read = struct.Struct(type_.order + type_.kind.code).unpack_from
    if mode.exact:
        exact = Remembered(lambda value: f"{before}{type_.show(value, None, mode.style)}{after}")
        return lambda data, at, mask, mask_at: exact[read(data, at)[0]]
    texts = Remembered(lambda pair: f"{before}{type_.show(pair[0], pair[1], mode.style)}{after}")
    if not (mode.always or mode.verbose):
        return lambda data, at, mask, mask_at: (
            texts[read(data, at)[0], bits] if (bits := read(mask, mask_at)[0]) else ""
        )
    return lambda data, at, mask, mask_at: texts[read(data, at)[0], read(mask, mask_at)[0]]


def _write_slowly(type_: AttrType[Any], before: str, after: str, size: int, mode: Mode) -> Writer:
    """Return what leaves the text to the type itself."""
    try:
        type_.decode(bytes(size))
    except DecodeError:
        raise Unusual from None
    name, style = before[:-1], mode.style

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        kept = type_.decode(data[at : at + size])
        bits = None
        if not mode.exact:
            if len(mask) < mask_at + size:
                raise Unusual
            bits = type_.decode(mask[mask_at : mask_at + size])
            if not (mode.always or mode.verbose or type_.always_shown) and type_.is_zero(bits):
                return ""
        if after:
            return type_.show_named(name, kept, bits, style)
        return f"{before}{type_.show(kept, bits, style)}"

    return write
