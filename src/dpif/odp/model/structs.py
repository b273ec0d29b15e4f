"""Fixed structures of the protocol (``struct ovs_key_ipv4`` and its like) as immutable values.

A subclass of `Struct` lists its fields in the order of the wire; a subclass of `BitStruct` lists bit fields of
one integer. Wire, text, masks, ``repr``, equality and hash come from that list. What does not need masks or text
is in their base `Record`, on which also actions of a fixed layout stand (`actions/base.py`)::

    class Icmp(Struct):
        type = Field(U8)
        code = Field(U8)

    Icmp(type=8)            # by keyword; a field left out is zero
    Icmp.from_bytes(b"\\x08\\x00").type

A mask of a structure is a value of the same class whose set bits are those that must match. Fields are kept in
raw form and turn into natural values only when read, which keeps decoding cheap.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator

from dpif._typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, overload
from dpif.errors import DecodeError, EncodeError
from dpif.odp.model.kinds import Kind, Plain, Raw

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source

    class Property:
        """What `property` is, but for the type of its value, which subclasses tell by ``__get__``."""

        def __init__(self, get: Callable[[Any], Any]) -> None: ...
else:
    Property = property

V = TypeVar("V")


class Field(Property, Generic[V]):
    """A field of a structure: its kind, what it is when left out, and the mask that then goes with it.

    ``shift`` places a field of a `BitStruct` in its integer. ``optional`` is true of a field that was given a
    ``default``; ``alias`` is a second name that a text may use.

    It is a property, which the interpreter reads faster than any other descriptor.
    """

    def __init__(
        self,
        kind: Kind[V],
        *,
        text_name: str = "",
        alias: str = "",
        shift: int = 0,
        default: Raw = None,
        default_mask: Raw = None,
    ) -> None:
        self.kind = kind
        self.text_name = text_name
        self.alias = alias
        self.shift = shift
        self.optional = default is not None
        self.default: Raw = kind.zero if default is None else default
        self.default_mask: Raw = kind.zero if default_mask is None else default_mask
        self.name = ""
        self.index = 0

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.text_name = self.text_name or name

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Field[V]: ...
        @overload
        def __get__(self, instance: Record, owner: type) -> V: ...
        def __get__(self, instance: Record | None, owner: type) -> Field[V] | V: ...

    def stand_at(self, index: int) -> None:
        """Note which of the raw values of a structure is the field's."""
        self.index = index
        make = self.kind.maker
        if make is None:
            Property.__init__(self, lambda record: record.raw[index])
        else:
            Property.__init__(self, lambda record: make(record.raw[index]))

    def show(self, raw: Raw, mask: Raw | None) -> str:
        """Return ``name=value`` or ``name=value/mask``."""
        return f"{self.text_name}={self.kind.show_masked(raw, mask)}"


class Record:
    """An immutable structure of fields: its wire form, its values, and what makes two of them equal.

    ``raw`` is the tuple of raw field values. Class variables: ``FIELDS`` in wire order, ``TEXT`` in the order of
    the text (by default the same), ``PADDING`` zero bytes at the end, ``SIZE`` bytes altogether. Fields are in
    network byte order unless the class is made with ``order="="``.
    """

    __slots__ = ("raw",)

    FIELDS: ClassVar[tuple[Field[Any], ...]] = ()
    TEXT: ClassVar[tuple[Field[Any], ...]] = ()
    PADDING: ClassVar[int] = 0
    SIZE: ClassVar[int] = 0
    raw: tuple[Raw, ...]
    _order: ClassVar[str] = "!"
    _by_name: ClassVar[dict[str, Field[Any]]] = {}
    _by_text_name: ClassVar[dict[str, Field[Any]]] = {}
    _packer: ClassVar[struct.Struct] = struct.Struct("")

    def __init_subclass__(
        cls, *, text: tuple[str, ...] = (), padding: int = 0, order: str = "!", **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        cls.FIELDS += tuple(item for item in vars(cls).values() if isinstance(item, Field))
        for index, field in enumerate(cls.FIELDS):
            field.stand_at(index)
        cls._by_name = {field.name: field for field in cls.FIELDS}
        cls.TEXT = tuple(cls._by_name[name] for name in text) or cls.FIELDS
        cls._by_text_name = {field.text_name: field for field in cls.TEXT}
        cls._by_text_name.update({field.alias: field for field in cls.TEXT if field.alias})
        cls.PADDING = padding
        cls._order = order
        cls._packer = struct.Struct(order + "".join(field.kind.code for field in cls.FIELDS) + f"{padding}x")
        cls.SIZE = cls._packer.size

    def __init__(self, **values: object) -> None:
        raw = [field.default for field in self.FIELDS]
        for name, value in values.items():
            field = self._by_name.get(name)
            if field is None:
                raise TypeError(self._no_field(name))
            try:
                raw[field.index] = field.kind.raw(value)
            except EncodeError as error:
                raise error.within(f"{type(self).__name__}.{name}") from None
        self.raw = tuple(raw)

    @classmethod
    def _no_field(cls, name: str) -> str:
        from dpif.odp.model.spelling import closest  # for a mistake alone

        close = closest(name, cls._by_name)
        hint = f"did you mean {close!r}?" if close else f"it has {', '.join(cls._by_name)}"
        return f"{cls.__name__} has no field {name!r}; {hint}"

    @classmethod
    def of_raw(cls, raw: tuple[Raw, ...]) -> Self:
        """Return the value with these raw field values, unchecked."""
        self = cls.__new__(cls)
        self.raw = raw
        return self

    @classmethod
    def from_payload(cls, data: bytes) -> Self:
        """Decode; raise `DecodeError` unless `data` is ``SIZE`` bytes long."""
        if len(data) != cls.SIZE:
            raise DecodeError(f"expected {cls.SIZE} bytes, found {len(data)}", cls.__name__)
        return cls.of_raw(cls._unpack(data))

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Return the expression of what `from_payload` gives for the bytes that stand there; see `layouts.py`."""
        return source.make(cls, raw=f"({''.join(f'{raw}, ' for raw in cls._read_raw(source, start))})")

    @classmethod
    def _read_raw(cls, source: Source, start: int) -> Iterator[str]:
        for field in cls.FIELDS:
            yield source.take(cls._order, field.kind.code, start)
            start += field.kind.size

    def payload(self) -> bytes:
        """Encode, padding included."""
        return self._pack(self.raw)

    @classmethod
    def _unpack(cls, data: bytes) -> tuple[Raw, ...]:
        return cls._packer.unpack(data)

    @classmethod
    def _pack(cls, raw: tuple[Raw, ...]) -> bytes:
        return cls._packer.pack(*raw)

    def plain(self) -> dict[str, Plain]:
        """Return the fields by name, in the form that JSON has; a dict to build the value from again."""
        return {field.name: field.kind.plain(raw) for field, raw in zip(self.FIELDS, self.raw, strict=True)}

    def replace(self, **changes: object) -> Self:
        """Return a copy with some fields changed."""
        new = type(self)(**changes)
        raw = list(self.raw)
        for name in changes:
            index = self._by_name[name].index
            raw[index] = new.raw[index]
        return self.of_raw(tuple(raw))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash((type(self), self.raw))

    def __repr__(self) -> str:
        shown = (f"{f.name}={f.kind.show(raw)}" for f, raw in zip(self.FIELDS, self.raw, strict=True))
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def scan_name(cls, scanner: Scanner) -> Field[Any]:
        """Take ``name=`` and return the field of that name."""
        start = scanner.position
        name = scanner.word(f"a field ({', '.join(cls._by_text_name)})")
        field = cls._by_text_name.get(name)
        if field is None:
            scanner.unknown(name, cls._by_text_name, "field", start)
        scanner.expect("=")
        return field


def scan_value_and_mask(kind: Kind[Any], scanner: Scanner) -> tuple[Raw, Raw]:
    """Take ``value`` or ``value/mask``; without a mask the value is matched exactly."""
    raw = kind.scan(scanner)
    return raw, kind.scan_mask(scanner) if scanner.take("/") else kind.full


class Struct(Record):
    """A structure with masks and text; see the module's docstring."""

    __slots__ = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode; raise `DecodeError` unless `data` is ``SIZE`` bytes long."""
        return cls.from_payload(data)

    def to_bytes(self) -> bytes:
        """Encode, padding included."""
        return self._pack(self.raw)

    @classmethod
    def full(cls) -> Self:
        """Return the mask that matches every field exactly (padding bytes are not matched)."""
        return cls.of_raw(tuple(field.kind.full for field in cls.FIELDS))

    @classmethod
    def zero(cls) -> Self:
        """Return the value, or mask, without any bit set."""
        return cls.of_raw(tuple(field.kind.zero for field in cls.FIELDS))

    def is_full(self) -> bool:
        """Tell whether, as a mask, this matches every field exactly."""
        return all(field.kind.is_full(raw) for field, raw in zip(self.FIELDS, self.raw, strict=True))

    def is_zero(self) -> bool:
        """Tell whether no bit is set."""
        return all(raw == field.kind.zero for field, raw in zip(self.FIELDS, self.raw, strict=True))

    def masked(self, mask: Self) -> Self:
        """Return this value with the bits outside `mask` cleared."""
        both = int.from_bytes(self.to_bytes(), "big") & int.from_bytes(mask.to_bytes(), "big")
        return type(self).from_bytes(both.to_bytes(self.SIZE, "big"))

    def plain_pair(self, mask: Self | None, whole: bool) -> tuple[dict[str, Plain], dict[str, Plain] | None]:
        """Return the plain forms of value and mask; of fields that `mask` wildcards only when `whole`."""
        if mask is None:
            return self.plain(), None
        told = [field for field in self.FIELDS if whole or mask.raw[field.index] != field.kind.zero]
        return (
            {field.name: field.kind.plain(self.raw[field.index]) for field in told},
            {field.name: field.kind.plain_mask(mask.raw[field.index]) for field in told},
        )

    # Text

    def show(self, mask: Self | None = None, verbose: bool = False) -> str:
        """Return the fields as ``name=value[/mask]`` with commas; wildcarded ones only when `verbose`."""
        if mask is None:
            return ",".join([field.show(self.raw[field.index], None) for field in self.TEXT])
        return ",".join(
            [
                field.show(self.raw[field.index], mask.raw[field.index])
                for field in self.TEXT
                if (verbose and not field.kind.bare) or mask.raw[field.index] != field.kind.zero
            ]
        )

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take the fields up to the closing parenthesis, which is left; return value and mask.

        A field that is left out is zero with mask zero; one without a mask is matched exactly.
        """
        raw = [field.default for field in cls.FIELDS]
        mask = [field.default_mask for field in cls.FIELDS]
        while not scanner.looking_at(")"):
            field = cls.scan_name(scanner)
            raw[field.index], mask[field.index] = scan_value_and_mask(field.kind, scanner)
            if not scanner.take(","):
                break
        return cls.of_raw(tuple(raw)), cls.of_raw(tuple(mask))


_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""`struct` codes of integers by their bytes."""


class Bits(Record):
    """A record of bit fields in one integer of ``SIZE`` bytes, big-endian unless made with another ``order``."""

    __slots__ = ()

    ORDER: ClassVar[Literal["big", "little"]] = "big"

    def __init_subclass__(cls, *, size: int = 0, order: str = "!", **options: Any) -> None:
        super().__init_subclass__(**options)
        if size:
            cls.SIZE = size
            cls.ORDER = "big" if order == "!" else sys.byteorder

    @classmethod
    def _unpack(cls, data: bytes) -> tuple[Raw, ...]:
        word = int.from_bytes(data, cls.ORDER)
        return tuple([word >> field.shift & field.kind.full for field in cls.FIELDS])

    @classmethod
    def _read_raw(cls, source: Source, start: int) -> Iterator[str]:
        code = _WORDS.get(cls.SIZE)
        if code is None:
            bytes_ = source.octets(start, start + cls.SIZE)
            word = source.keep(source.call(int.from_bytes, bytes_, repr(cls.ORDER)))
        else:
            word = source.take("!" if cls.ORDER == "big" else "=", code, start)
        for field in cls.FIELDS:
            yield f"{word} >> {field.shift} & {field.kind.full}"

    @classmethod
    def _pack(cls, raw: tuple[Raw, ...]) -> bytes:
        word = 0
        for field, value in zip(cls.FIELDS, raw, strict=True):
            word |= value << field.shift
        return word.to_bytes(cls.SIZE, cls.ORDER)


class BitStruct(Bits, Struct):
    """A structure of bit fields."""

    __slots__ = ()
