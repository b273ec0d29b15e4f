"""Attributes that stand together: the key, the tunnel key in it, the arguments of an action.

`Attributes` is an immutable, ordered collection of attributes with a Python name for each; `Nest` is one that
also has masks and text, such as the flow key. Everything that is true of one attribute (its number, its type, its
name in Python and in text) is said once, in the `Attr` of its class. The order of attributes is that of the text
or bytes that they came from, and those that the class does not know are kept byte for byte in their place.
"""

from __future__ import annotations

from _thread import _local  # threading.local, without the rest of threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from functools import cached_property

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload
from dpif.errors import DecodeError, EncodeError, ParseError, brief
from dpif.netlink.attributes import RawAttr, attribute, walk
from dpif.odp.model.attrs import EXACT, PLAIN, AttrType, Empty, Opaque, Style, scan_bytes
from dpif.odp.model.kinds import Plain
from dpif.odp.model.structs import Property

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source

V = TypeVar("V")

MAX_DEPTH = 31
"""What holds its like (``encap``, ``clone``, …) may be this deep; Open vSwitch refuses 32, its MAX_ODP_NESTED."""
_NLA_TYPE_MASK = 0x3FFF
_UNKNOWN = pattern(r"key([0-9]{1,5})")


class _Depth(_local):
    """How many nests this thread is decoding within one another."""

    now = 0


_depth = _Depth()


@contextmanager
def nested_decoding() -> Iterator[None]:
    """Note that the payload of a nest is being decoded; a peer's bytes may not nest without end."""
    if _depth.now >= MAX_DEPTH:
        raise DecodeError(f"nested more than {MAX_DEPTH} levels deep")
    _depth.now += 1
    try:
        yield
    finally:
        _depth.now -= 1


class _AttrDoc:
    """The docstring of an attribute, made when somebody reads it."""

    def __get__(self, attribute: Attr[Any] | None, owner: type) -> str:
        if attribute is None:
            return """An attribute of a nest: its number, payload, and the name that it has in text.

            That is by default Python's; None says that there is no text for it. It is a property, as a field of a
            structure.
            """
        from dpif.odp.model.describing import describe

        return str(describe(attribute))

    def __set__(self, attribute: Attr[Any], text: object) -> None:
        """Take none from `property`."""


class Attr(Property, Generic[V]):  # noqa: D101 (`_AttrDoc` has it)
    __doc__ = _AttrDoc()

    def __init__(self, number: IntEnum, type: AttrType[V], text_name: str | None = "") -> None:
        self.number = number
        self.type = type
        self.text_name = text_name or ""
        self.name = ""
        self.told = text_name is not None
        key, make = int(number), type.maker
        if make is None:
            Property.__init__(self, lambda nest: nest._kept.get(key))
        else:
            Property.__init__(self, lambda nest: None if (kept := nest._kept.get(key)) is None else make(kept))

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.text_name = self.text_name or name

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Attr[V]: ...
        @overload
        def __get__(self, instance: Attributes, owner: type) -> V | None: ...
        def __get__(self, instance: Attributes | None, owner: type) -> Attr[V] | V | None: ...


_OPAQUE = Opaque()


def numbered_name(name: str) -> int | None:
    """Return the number in ``key99``, the name of an attribute that has no other; None for any other name."""
    found = _UNKNOWN.fullmatch(name)
    return int(found[1]) if found and int(found[1]) <= _NLA_TYPE_MASK else None


class Attributes:
    """An immutable, ordered collection of attributes; subclasses list them as `Attr`.

    Read an attribute by its name (None when absent); build by keyword or with `from_payload`. Two are equal when
    they have the same attributes with the same values, whatever their order.
    """

    __slots__ = ("_kept",)

    ATTRS: ClassVar[dict[int, Attr[Any]]] = {}
    _by_name: ClassVar[dict[str, Attr[Any]]] = {}
    _by_text_name: ClassVar[dict[str, Attr[Any]]] = {}
    _makers: ClassVar[dict[int, tuple[str, Callable[[Any], Any] | None]]] = {}
    """The names of attributes, and what makes their natural values where these are not what is kept."""
    _kept: Mapping[int, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = [item for item in vars(cls).values() if isinstance(item, Attr)]
        if own:
            cls.ATTRS = {int(attr.number): attr for attr in own}
            cls._by_name = {attr.name: attr for attr in own}
            cls._makers = {number: (attr.name, attr.type.maker) for number, attr in cls.ATTRS.items()}
            cls._by_text_name = {attr.text_name: attr for attr in own if attr.told}

    def __init__(self, **values: object) -> None:
        self._kept = self._keep(values)

    @classmethod
    def _keep(cls, values: Mapping[str, object]) -> dict[int, Any]:
        """Return the kept forms of natural values; None, and False for a flag, say that there is none."""
        kept: dict[int, Any] = {}
        for name, value in values.items():
            number = cls._number_of(name)
            type_ = cls.type_of(number)
            if value is None or (value is False and isinstance(type_, Empty)):
                continue
            try:
                kept[number] = type_.keep(value)
            except EncodeError as error:
                raise error.within(name) from None
        return kept

    @classmethod
    def _number_of(cls, name: str) -> int:
        """Return the number of the attribute `name`, ``key99`` being one that the class does not know."""
        attr = cls._by_name.get(name)
        if attr is not None:
            return int(attr.number)
        number = numbered_name(name)
        if number is None or number in cls.ATTRS:
            raise TypeError(cls._no_attribute(name))
        return number

    @classmethod
    def _no_attribute(cls, name: str) -> str:
        from dpif.odp.model.spelling import closest  # for a mistake alone

        close = closest(name, cls._by_name)
        hint = f"did you mean {close!r}?" if close else f"it has {', '.join(cls._by_name)}"
        return f"{cls.__name__} has no attribute {name!r}; {hint}"

    @classmethod
    def of_kept(cls, kept: Mapping[int, Any]) -> Self:
        """Return the nest with these kept values, unchecked."""
        self = cls.__new__(cls)
        self._kept = kept
        return self

    # Wire

    @classmethod
    def from_payload(cls, data: bytes | memoryview) -> Self:
        """Decode attributes; raise `DecodeError` with path and offset."""
        kept: dict[int, Any] = {}
        for number, start, end in walk(data):
            attr = cls.ATTRS.get(number)
            if number in kept:
                raise DecodeError("the attribute is there twice", cls._label(number), start)
            payload = bytes(data[start:end])
            if attr is None:
                kept[number] = payload
                continue
            try:
                kept[number] = attr.type.decode(payload)
            except DecodeError as error:
                raise error.within(cls._label(number), start) from None
        return cls.of_kept(kept)

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Return the expression of what `from_payload` gives for the bytes that stand there; see `layouts.py`."""
        kept = [
            f"{number}: {cls.type_of(number).read_in(source, first, last)}"
            for number, first, last in source.attributes(start, end)
        ]
        return source.make(cls, _kept=f"{{{', '.join(kept)}}}")

    def payload(self) -> bytes:
        """Encode the attributes in their order."""
        return b"".join([attribute(number, self.type_of(number).encode(kept)) for number, kept in self.kept()])

    @classmethod
    def _label(cls, number: int) -> str:
        attr = cls.ATTRS.get(number)
        return attr.number.name if attr else str(number)

    @classmethod
    def type_of(cls, number: int) -> AttrType[Any]:
        """Return the type of attribute `number`; `Opaque` when it is not known."""
        attr = cls.ATTRS.get(number)
        return attr.type if attr else _OPAQUE

    @classmethod
    def attr(cls, name: str) -> Attr[Any]:
        """Return the attribute of that Python name."""
        return cls._by_name[name]

    # Reading

    def get_kept(self, number: int) -> Any:
        """Return the kept form of attribute `number`, or None."""
        return self._kept.get(number)

    def kept(self) -> Iterator[tuple[int, Any]]:
        """Iterate over numbers and kept values, in order."""
        return iter(self._kept.items())

    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over names and natural values of the known attributes, in order."""
        known = self._makers
        return iter(
            [
                (found[0], kept if found[1] is None else found[1](kept))
                for number, kept in self._kept.items()
                if (found := known.get(number))
            ]
        )

    def plain(self) -> Plain:
        """Return the attributes by name, in the form that JSON has."""
        return {self._plain_name(number): self.type_of(number).plain(kept)[0] for number, kept in self.kept()}

    @classmethod
    def _plain_name(cls, number: int) -> str:
        attr = cls.ATTRS.get(number)
        return attr.name if attr else f"key{number}"

    @property
    def unknown(self) -> tuple[RawAttr, ...]:
        """The attributes that this class does not know."""
        return tuple(RawAttr(number, kept) for number, kept in self._kept.items() if number not in self.ATTRS)

    def __getitem__(self, name: str) -> Any:
        """Return the natural value of an attribute that is there; raise `KeyError` where it is not.

        ``key["ipv4"].dst`` is for who knows that it is there; ``key.ipv4`` is None where it is not.
        """
        if not isinstance(name, str):
            raise TypeError(f"an attribute is taken by its name, not by {brief(name)}")
        if name not in self:
            there = ", ".join(name for name, _ in self.items()) or "none"
            raise KeyError(f"there is no {name!r} here; those that are: {there}")
        return getattr(self, name)

    def __contains__(self, name: object) -> bool:
        attr = self._by_name.get(name) if isinstance(name, str) else None
        return attr is not None and int(attr.number) in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributes) and self.ATTRS is other.ATTRS and self._kept == other._kept

    def __hash__(self) -> int:
        return hash(frozenset(self._kept.items()))

    # Making others

    def replace(self, **changes: object) -> Self:
        """Return a copy with some attributes changed, added, or (with None, or False for a flag) taken out."""
        new = self._keep(changes)
        gone = {int(self.attr(name).number) for name in changes} - set(new)
        return self.of_kept({number: kept for number, kept in {**self._kept, **new}.items() if number not in gone})

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.items()]
        shown += [f"{number}: {payload!r}" for number, payload in self.unknown]
        return f"{type(self).__name__}({', '.join(shown)})"


class Nest(Attributes):
    """Attributes with masks and text.

    A mask of a nest is a nest of the same class, each of whose values has those bits set that must match.
    """

    __slots__ = ()

    _EXPECTED: ClassVar[str] = "a field"
    """What a text that is not one of the attributes is told to have."""

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """Decode attributes; raise `DecodeError` with path and offset."""
        return cls.from_payload(data)

    def to_bytes(self) -> bytes:
        """Encode the attributes in their order."""
        return self.payload()

    # Masks

    def full_mask(self) -> Self:
        """Return the mask that matches every attribute of this value exactly."""
        return self.of_kept({number: self.type_of(number).full(kept) for number, kept in self.kept()})

    def zero_mask(self) -> Self:
        """Return the mask with the same attributes that matches anything."""
        return self.of_kept({number: self.type_of(number).zero(kept) for number, kept in self.kept()})

    def masked(self, mask: Nest) -> Self:
        """Return this value with the bits outside `mask` cleared; what `mask` lacks is cleared whole."""
        kept = {}
        for number, value in self.kept():
            type_ = self.type_of(number)
            bits = mask.get_kept(number)
            if bits is None:
                if isinstance(type_, Empty):
                    continue
                bits = type_.zero(value)
            kept[number] = type_.masked(value, bits)
        return self.of_kept(kept)

    # Plain data

    def plain_pair(self, mask: Nest | None, whole: bool = False) -> tuple[dict[str, Plain], dict[str, Plain] | None]:
        """Return this value and its mask in the form that JSON has, dicts by name to build them from again.

        What `mask` wildcards is left out unless `whole`; but a structure or nest is there, without the fields that
        are wildcarded, to say that the packet has that header. What only the mask has stands in the mask alone.
        """
        if mask is None:
            return self.plain(), None
        values: dict[str, Plain] = {}
        masks: dict[str, Plain] = {}
        for number, kept in self.kept():
            type_, bits, name = self.type_of(number), mask.get_kept(number), self._plain_name(number)
            if not (whole or type_.enclosed) and (bits is None or type_.is_zero(bits)):
                continue
            values[name], told = type_.plain(kept, type_.zero(kept) if bits is None else bits, whole)
            if bits is not None:
                masks[name] = told
        for number, bits in mask.kept():
            if number not in self._kept and (whole or not self.type_of(number).is_zero(bits)):
                masks[self._plain_name(number)] = self.type_of(number).plain(bits, bits, whole)[1]
        return values, masks

    # Text

    def show(self, mask: Self | None, style: Style = PLAIN) -> str:
        """Return the text of this value under `mask` (None: all exact)."""
        return ",".join(self._show_parts(mask, style))

    def _show_parts(self, mask: Self | None, style: Style) -> Iterator[str]:
        for number, kept in self._kept.items():
            type_ = self.type_of(number)
            bits = None
            if mask is not None:
                bits = mask.get_kept(number)
                wildcarded = bits is None or type_.is_zero(bits)
                if wildcarded and not style.verbose and not type_.always_shown:
                    yield from self._show_wildcarded(number, mask)
                    continue
                if bits is None:
                    bits = type_.zero(kept)
            for text in self._show_one(number, kept, bits, style):
                if style.exact and not self._reads_as(text, number, kept, bits):
                    yield _OPAQUE.show_named(*self._in_bytes(number, kept, bits), style)
                else:
                    yield text

    def _show_one(self, number: int, kept: Any, mask: Any | None, style: Style) -> Iterator[str]:
        """Yield the text of one attribute."""
        yield self.type_of(number).show_named(self._text_name(number), kept, mask, style)

    def _show_wildcarded(self, number: int, mask: Self) -> Iterator[str]:
        """Yield what stands for an attribute that `mask` wildcards in plain text: as a rule nothing."""
        return iter(())

    @classmethod
    def _reads_as(cls, text: str, number: int, kept: Any, mask: Any | None) -> bool:
        """Tell whether `text` is read as this one attribute, and where there is a mask with this one."""
        from dpif.odp.model.scanner import Scanner  # who prints never loads it

        scanner = Scanner(text)
        try:
            values, masks = cls.scan(scanner)
        except ParseError:
            return False
        return scanner.at_end and values._kept == {number: kept} and (mask is None or masks._kept == {number: mask})

    @classmethod
    def _in_bytes(cls, number: int, kept: Any, mask: Any | None) -> tuple[str, bytes, bytes | None]:
        """Return name, value and mask of an attribute that is shown as bytes."""
        type_ = cls.type_of(number)
        return f"key{number}", type_.encode(kept), None if mask is None else type_.encode(mask)

    @classmethod
    def _text_name(cls, number: int) -> str:
        attr = cls.ATTRS.get(number)
        return attr.text_name if attr else f"key{number}"

    def show_masked(self, mask: Self) -> str:
        """Return the text of every attribute under `mask`, also of those that it wildcards."""
        return ",".join(
            self.type_of(number).show_named(self._text_name(number), kept, mask.get_kept(number), PLAIN)
            for number, kept in self.kept()
        )

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take ``name(...)`` elements up to a closing parenthesis, which is left, or the end of the text."""
        values: dict[int, Any] = {}
        masks: dict[int, Any] = {}
        while True:
            scanner.skip_separators()
            if scanner.at_end or scanner.looking_at(")"):
                break
            start = scanner.position
            number, value, mask = cls._scan_element(scanner)
            if number in masks:
                scanner.fail(f"{cls._text_name(number)} is given twice", position=start)
            masks[number] = mask
            if value is not None:
                values[number] = value
        return cls.of_kept(values), cls.of_kept(masks)

    @classmethod
    def scan_one(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take a single ``name(...)`` element."""
        start = scanner.position
        number, value, mask = cls._scan_element(scanner)
        if value is None:
            scanner.fail(f"{cls._text_name(number)} needs a value", position=start)
        return cls.of_kept({number: value}), cls.of_kept({number: mask})

    @classmethod
    def _scan_element(cls, scanner: Scanner) -> tuple[int, Any, Any]:
        scanner.enter(MAX_DEPTH)
        start = scanner.position
        name = scanner.word(cls._EXPECTED)
        attr = cls._by_text_name.get(name)
        number = int(attr.number) if attr else numbered_name(name)
        if number is None:
            scanner.unknown(name, cls._by_text_name, "field", start)
        scanner.expect("(")
        value, mask = attr.type.scan(scanner) if attr else cls._scan_bytes(scanner, number)
        scanner.expect(")")
        scanner.leave()
        return number, value, mask

    @classmethod
    def _scan_bytes(cls, scanner: Scanner, number: int) -> tuple[Any, Any]:
        """Take the bytes of an attribute, and of its mask; return value and mask."""
        start = scanner.position
        type_ = cls.type_of(number)
        value = scan_bytes(scanner)
        mask = scan_bytes(scanner) if scanner.take("/") else None
        try:
            kept = type_.decode(value)
            return kept, type_.full(kept) if mask is None else type_.decode(mask)
        except DecodeError as error:
            scanner.fail(f"these bytes are no {cls._text_name(number)}: {error.reason}", position=start)

    def __str__(self) -> str:
        return self.show(None, EXACT)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.show(None) or 'empty'}>"


N = TypeVar("N", bound=Nest)


class Nested(AttrType[N]):
    """A nest of attributes; `nest` returns its class: late, as a flow key holds flow keys, and few need all."""

    always_shown = True
    enclosed = True

    def __init__(self, nest: Callable[[], type[N]]) -> None:
        self._nest = nest

    @cached_property
    def nest(self) -> type[N]:
        """The class of the nest."""
        return self._nest()

    def decode(self, data: bytes) -> N:
        """Decode every attribute in it."""
        with nested_decoding():
            return self.nest.from_bytes(data)

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Read every attribute in it where it stands."""
        return self.nest.read_in(source, start, end)

    def encode(self, kept: N) -> bytes:
        """Encode every attribute in it."""
        return kept.to_bytes()

    def keep(self, value: object) -> N:
        """Accept the nest itself, or a mapping of its attributes."""
        cls = self.nest
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return cls(**value)
        raise EncodeError(f"expected {cls.__name__} or a mapping of its attributes, not {brief(value)}")

    def full(self, kept: N) -> N:
        """Match each attribute that the value has."""
        return kept.full_mask()

    def zero(self, kept: N) -> N:
        """Match none of them."""
        return kept.zero_mask()

    def is_full(self, mask: N) -> bool:
        """Never: a nest is always shown with its mask, attribute by attribute."""
        return False

    def is_zero(self, mask: N) -> bool:
        """Tell whether no attribute in it matches anything."""
        return all(mask.type_of(number).is_zero(kept) for number, kept in mask.kept())

    def masked(self, kept: N, mask: N) -> N:
        """Mask each attribute."""
        return kept.masked(mask)

    def plain(self, kept: N, mask: N | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Leave it to the nest."""
        return kept.plain_pair(mask, whole)

    def show(self, kept: N, mask: N | None, style: Style) -> str:
        """Leave it to the nest; ports within it are not named."""
        return kept.show(mask, style._replace(port_names=None))

    def scan(self, scanner: Scanner) -> tuple[N, N]:
        """Leave it to the nest."""
        return self.nest.scan(scanner)
