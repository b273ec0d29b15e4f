"""Attributes of a key: what stands in one netlink attribute, and the nests that hold several of them.

An `AttrType` describes the payload of one attribute: `Scalar` (one field), `Structure` (a `Struct`), `Opaque`
(bytes as they are), `Nested` (a `Nest`), and the few special ones beside the keys that need them. A `Nest` is
an immutable, ordered collection of attributes with a Python name for each: the flow key itself, the tunnel key
in it, the NSH key. Attributes that a nest does not know are kept byte for byte, in their place.

Everything that is true of one attribute (its number, wire form, text, natural value) is said once, in the
`Attr` of its nest; the order of attributes is that of the text or bytes that they came from.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, overload

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import RawAttr, attribute, walk
from dpif.odp.kinds import Flags, Kind, Raw, sharp
from dpif.odp.scanner import Scanner
from dpif.odp.structs import Struct, scan_value_and_mask

V = TypeVar("V")
F = TypeVar("F", bound=IntFlag)
S = TypeVar("S", bound=Struct)
N = TypeVar("N", bound="Nest")

_NLA_TYPE_MASK = 0x3FFF


class Style(NamedTuple):
    """How text is shown: `verbose` is ovs-dpctl's ``-m``; `port_names` are shown in place of numbers."""

    verbose: bool = False
    port_names: Mapping[int, str] | None = None


PLAIN = Style()


class AttrType(Generic[V]):
    """The payload of one attribute.

    Values are kept in the form that `decode` returns; `natural` makes of it what a user sees. A mask is kept in
    the same form as the value that it belongs to.
    """

    always_shown = False
    """Nests are shown even where they are wildcarded, as Open vSwitch does."""

    def decode(self, data: bytes) -> Any:
        """Return the kept form of a payload; raise `DecodeError`."""
        raise NotImplementedError

    def encode(self, kept: Any) -> bytes:
        """Return the payload."""
        raise NotImplementedError

    def keep(self, value: object) -> Any:
        """Return the kept form of a natural value; raise `EncodeError`."""
        raise NotImplementedError

    def natural(self, kept: Any) -> V:
        """Return the natural value."""
        natural: V = kept
        return natural

    def full(self, kept: Any) -> Any:
        """Return the mask that matches `kept` exactly."""
        raise NotImplementedError

    def zero(self, kept: Any) -> Any:
        """Return the mask that matches anything."""
        raise NotImplementedError

    def is_full(self, mask: Any) -> bool:
        """Tell whether `mask` matches exactly."""
        raise NotImplementedError

    def is_zero(self, mask: Any) -> bool:
        """Tell whether `mask` matches anything."""
        return not any(self.encode(mask))

    def masked(self, kept: Any, mask: Any) -> Any:
        """Return `kept` with the bits outside `mask` cleared."""
        value, bits = self.encode(kept), self.encode(mask)
        both = int.from_bytes(value, "big") & int.from_bytes(bits, "big")
        return self.decode(both.to_bytes(len(value), "big"))

    def show(self, kept: Any, mask: Any | None, style: Style) -> str:
        """Return the text between the parentheses; `mask` None means exact."""
        raise NotImplementedError

    def scan(self, scanner: Scanner) -> tuple[Any, Any]:
        """Take the text between the parentheses; return value and mask."""
        raise NotImplementedError


class Scalar(AttrType[V]):
    """One field by itself, in host (``=``) or network (``!``) byte order; kept in raw form."""

    def __init__(self, kind: Kind[V], order: str, *, maskable: bool = True) -> None:
        self.kind = kind
        self.maskable = maskable
        self._packer = struct.Struct(order + kind.code)

    def decode(self, data: bytes) -> Raw:
        """Check the length and unpack."""
        if len(data) != self._packer.size:
            raise DecodeError(f"expected {self._packer.size} bytes, found {len(data)}")
        return self._packer.unpack(data)[0]

    def encode(self, kept: Raw) -> bytes:
        """Pack."""
        return self._packer.pack(kept)

    def keep(self, value: object) -> Raw:
        """Leave the check to the kind."""
        return self.kind.raw(value)

    def natural(self, kept: Raw) -> V:
        """Leave it to the kind."""
        return self.kind.value(kept)

    def full(self, kept: Raw) -> Raw:
        """Every bit that may be matched."""
        return self.kind.full

    def zero(self, kept: Raw) -> Raw:
        """No bit."""
        return self.kind.zero

    def is_full(self, mask: Raw) -> bool:
        """Leave it to the kind."""
        return self.kind.is_full(mask)

    def is_zero(self, mask: Raw) -> bool:
        """Compare with zero."""
        return bool(mask == self.kind.zero)

    def show(self, kept: Raw, mask: Raw | None, style: Style) -> str:
        """Return ``value`` or ``value/mask``."""
        shown = self.kind.show(kept)
        if mask is None or self.kind.is_full(mask):
            return shown
        return f"{shown}/{self.kind.show_mask(mask)}"

    def scan(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take ``value`` or ``value/mask``."""
        start = scanner.position
        value, mask = scan_value_and_mask(self.kind, scanner)
        if not self.maskable and mask != self.kind.full:
            scanner.fail("this field is always matched exactly and takes no mask", position=start)
        return value, mask


class FlagSet(Scalar[F]):
    """A scalar of named bits; `numeric_when_verbose` shows it as a number in verbose text."""

    def __init__(self, kind: Flags[F], order: str, *, numeric_when_verbose: bool = False) -> None:
        super().__init__(kind, order)
        self.flags = kind
        self.numeric_when_verbose = numeric_when_verbose

    def is_full(self, mask: Raw) -> bool:
        """Exact is what needs no mask in the text."""
        return bool(mask & self.flags.exact == self.flags.exact)

    def show(self, kept: Raw, mask: Raw | None, style: Style) -> str:
        """Return names, signed names for a partial mask, or numbers."""
        if not (style.verbose and self.numeric_when_verbose):
            return self.flags.show_masked(kept, mask)
        if mask is None or self.is_full(mask):
            return sharp(kept)
        return f"{sharp(kept)}/{sharp(mask)}"

    def scan(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take any of the forms of a set of flags."""
        return self.flags.scan_masked(scanner)


class PortNumber(Scalar[int]):
    """A port number, for which a text may give the port's name and show it."""

    def show(self, kept: Raw, mask: Raw | None, style: Style) -> str:
        """Return the name where it is known and the mask exact, else the number."""
        if style.port_names and (mask is None or self.kind.is_full(mask)):
            return style.port_names.get(kept, str(kept))
        return super().show(kept, mask, style)

    def scan(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take a number, with or without a mask, or a name that the scanner knows."""
        name = scan_port_name(scanner)
        return super().scan(scanner) if name is None else (name, self.kind.full)


def scan_port_name(scanner: Scanner) -> int | None:
    """Take a port name and return its number; None when a number stands there."""
    start = end = scanner.position
    text = scanner.text
    while end < len(text) and text[end] not in "(),/ \t\r\n":
        end += 1
    token = text[start:end]
    if not token or (token[0].isdigit() and token not in scanner.port_names):
        return None
    if token not in scanner.port_names:
        if scanner.port_names:
            scanner.unknown(token, scanner.port_names, "port", start)
        scanner.fail(f"expected a port number, found {token!r}", "port names are not known here")
    scanner.position = end
    return scanner.port_names[token]


class Structure(AttrType[S]):
    """A fixed structure."""

    def __init__(self, cls: type[S]) -> None:
        self.cls = cls

    def decode(self, data: bytes) -> S:
        """Check the length and unpack."""
        return self.cls.from_bytes(data)

    def encode(self, kept: S) -> bytes:
        """Pack."""
        return kept.to_bytes()

    def keep(self, value: object) -> S:
        """Accept the structure itself, or a mapping of its fields."""
        if isinstance(value, self.cls):
            return value
        if isinstance(value, Mapping):
            return self.cls(**value)
        raise EncodeError(f"expected {self.cls.__name__} or a mapping of its fields, not {value!r}")

    def full(self, kept: S) -> S:
        """Every bit of every field."""
        return self.cls.full()

    def zero(self, kept: S) -> S:
        """No bit."""
        return self.cls.zero()

    def is_full(self, mask: S) -> bool:
        """Ask every field."""
        return mask.is_full()

    def is_zero(self, mask: S) -> bool:
        """Ask every field."""
        return mask.is_zero()

    def show(self, kept: S, mask: S | None, style: Style) -> str:
        """Return the fields that `mask` matches, all when verbose."""
        return kept.show(mask, style.verbose)

    def scan(self, scanner: Scanner) -> tuple[S, S]:
        """Take the fields."""
        return self.cls.scan(scanner)


class Opaque(AttrType[bytes]):
    """Bytes that are carried and shown as they are: attributes without a text of their own."""

    _max = 65531  # a netlink attribute's length is 16 bits, its header included

    def decode(self, data: bytes) -> bytes:
        """Keep the bytes."""
        return bytes(data)

    def encode(self, kept: bytes) -> bytes:
        """Return the bytes."""
        return kept

    def keep(self, value: object) -> bytes:
        """Accept bytes."""
        if not isinstance(value, (bytes, bytearray, memoryview)) or len(value) > self._max:
            raise EncodeError(f"expected up to {self._max} bytes, not {value!r}")
        return bytes(value)

    def full(self, kept: bytes) -> bytes:
        """All ones."""
        return b"\xff" * len(kept)

    def zero(self, kept: bytes) -> bytes:
        """All zeros."""
        return bytes(len(kept))

    def is_full(self, mask: bytes) -> bool:
        """Never: Open vSwitch shows the mask of an attribute that it does not know."""
        return False

    def is_zero(self, mask: bytes) -> bool:
        """Never, for the same reason."""
        return False

    def show(self, kept: bytes, mask: bytes | None, style: Style) -> str:
        """Return hexadecimal bytes with spaces between."""
        return kept.hex(" ") if mask is None else f"{kept.hex(' ')}/{mask.hex(' ')}"

    def scan(self, scanner: Scanner) -> tuple[bytes, bytes]:
        """Take what `show` gives."""
        value = self._scan_bytes(scanner)
        return value, self._scan_bytes(scanner) if scanner.take("/") else self.full(value)

    @staticmethod
    def _scan_bytes(scanner: Scanner) -> bytes:
        start = end = scanner.position
        while end < len(scanner.text) and scanner.text[end] in "0123456789abcdefABCDEF ":
            end += 1
        scanner.position = end
        try:
            return bytes.fromhex(scanner.text[start:end])
        except ValueError:
            scanner.fail("expected pairs of hexadecimal digits", position=start)


class Empty(AttrType[bool]):
    """A flag: an attribute whose presence is its value."""

    def decode(self, data: bytes) -> bool:
        """Presence alone counts; a payload is wrong."""
        if data:
            raise DecodeError(f"expected no payload, found {len(data)} bytes")
        return True

    def encode(self, kept: bool) -> bytes:
        """Nothing to say."""
        return b""

    def keep(self, value: object) -> bool:
        """Accept True; absence is said by leaving the attribute out."""
        if value is not True:
            raise EncodeError(f"expected True, not {value!r}; leave a flag out to clear it")
        return True

    def full(self, kept: bool) -> bool:
        """Matched by being present in the mask."""
        return True

    zero = full

    def is_full(self, mask: bool) -> bool:
        """Presence matches."""
        return True

    def is_zero(self, mask: bool) -> bool:
        """Presence matches."""
        return False

    def masked(self, kept: bool, mask: bool) -> bool:
        """Presence remains."""
        return kept


class Nested(AttrType[N]):
    """A nest of attributes; `nest` returns its class (late, since a flow key holds flow keys)."""

    always_shown = True

    def __init__(self, nest: Callable[[], type[N]]) -> None:
        self._nest = nest

    def decode(self, data: bytes) -> N:
        """Decode every attribute in it."""
        return self._nest().from_bytes(data)

    def encode(self, kept: N) -> bytes:
        """Encode every attribute in it."""
        return kept.to_bytes()

    def keep(self, value: object) -> N:
        """Accept the nest itself, or a mapping of its attributes."""
        cls = self._nest()
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return cls(**value)
        raise EncodeError(f"expected {cls.__name__} or a mapping of its attributes, not {value!r}")

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

    def show(self, kept: N, mask: N | None, style: Style) -> str:
        """Leave it to the nest."""
        return kept.show(mask, style)

    def scan(self, scanner: Scanner) -> tuple[N, N]:
        """Leave it to the nest."""
        return self._nest().scan(scanner)


class Attr(Generic[V]):
    """An attribute of a nest: its number, payload, and the name that it has in text (by default Python's)."""

    __slots__ = ("name", "number", "text_name", "type")

    def __init__(self, number: IntEnum, type: AttrType[V], text_name: str = "") -> None:
        self.number = number
        self.type = type
        self.text_name = text_name
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.text_name = self.text_name or name

    @overload
    def __get__(self, instance: None, owner: type) -> Attr[V]: ...
    @overload
    def __get__(self, instance: Nest, owner: type) -> V | None: ...
    def __get__(self, instance: Nest | None, owner: type) -> Attr[V] | V | None:
        if instance is None:
            return self
        kept = instance.get_kept(self.number)
        return None if kept is None else self.type.natural(kept)


_OPAQUE = Opaque()


class Nest:
    """An immutable, ordered collection of attributes; subclasses list them as `Attr`.

    Read an attribute by its name (None when absent); build by keyword, with `from_bytes`, or from text. Two
    nests are equal when they have the same attributes with the same values, whatever their order.
    """

    __slots__ = ("_kept",)

    ATTRS: ClassVar[dict[int, Attr[Any]]] = {}
    _by_name: ClassVar[dict[str, Attr[Any]]] = {}
    _by_text_name: ClassVar[dict[str, Attr[Any]]] = {}
    _kept: dict[int, Any]

    def __init_subclass__(cls) -> None:
        own = [item for item in vars(cls).values() if isinstance(item, Attr)]
        if own:
            cls.ATTRS = {int(attr.number): attr for attr in own}
            cls._by_name = {attr.name: attr for attr in own}
            cls._by_text_name = {attr.text_name: attr for attr in own}

    def __init__(self, **values: object) -> None:
        kept: dict[int, Any] = {}
        for name, value in values.items():
            attr = self._by_name.get(name)
            if attr is None:
                raise TypeError(self._no_attribute(name))
            if value is None:
                continue
            try:
                kept[int(attr.number)] = attr.type.keep(value)
            except EncodeError as error:
                raise error.within(name) from None
        self._kept = kept

    @classmethod
    def _no_attribute(cls, name: str) -> str:
        close = difflib.get_close_matches(name, cls._by_name, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(cls._by_name)}"
        return f"{cls.__name__} has no attribute {name!r}; {hint}"

    @classmethod
    def of_kept(cls, kept: dict[int, Any]) -> Self:
        """Return the nest with these kept values, unchecked."""
        self = cls.__new__(cls)
        self._kept = kept
        return self

    # Wire

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
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

    def to_bytes(self) -> bytes:
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

    # Reading

    def get_kept(self, number: int) -> Any:
        """Return the kept form of attribute `number`, or None."""
        return self._kept.get(number)

    def kept(self) -> Iterator[tuple[int, Any]]:
        """Iterate over numbers and kept values, in order."""
        return iter(self._kept.items())

    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over names and natural values of the known attributes, in order."""
        for number, kept in self._kept.items():
            attr = self.ATTRS.get(number)
            if attr:
                yield attr.name, attr.type.natural(kept)

    @property
    def unknown(self) -> tuple[RawAttr, ...]:
        """The attributes that this class does not know."""
        return tuple(RawAttr(number, kept) for number, kept in self._kept.items() if number not in self.ATTRS)

    def __contains__(self, name: object) -> bool:
        attr = self._by_name.get(name) if isinstance(name, str) else None
        return attr is not None and int(attr.number) in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nest) and self.ATTRS is other.ATTRS and self._kept == other._kept

    def __hash__(self) -> int:
        return hash(frozenset(self._kept.items()))

    # Making others

    def replace(self, **changes: object) -> Self:
        """Return a copy with some attributes changed, added, or (with None) taken out."""
        new = type(self)(**changes)
        kept = {**self._kept, **new._kept}
        for name, value in changes.items():
            if value is None:
                kept.pop(int(self._by_name[name].number), None)
        return self.of_kept(kept)

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
            kept[number] = type_.masked(value, type_.zero(value) if bits is None else bits)
        return self.of_kept(kept)

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
                    yield from self._show_wildcarded(number)
                    continue
                if bits is None:
                    bits = type_.zero(kept)
            yield f"{self._text_name(number)}({type_.show(kept, bits, style)})"

    def _show_wildcarded(self, number: int) -> Iterator[str]:
        """Yield what stands for a wildcarded attribute in plain text: as a rule nothing."""
        return iter(())

    @classmethod
    def _text_name(cls, number: int) -> str:
        attr = cls.ATTRS.get(number)
        return attr.text_name if attr else f"key{number}"

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take ``name(...)`` elements up to a closing parenthesis, which is left, or the end of the text."""
        scanner.enter()
        values: dict[int, Any] = {}
        masks: dict[int, Any] = {}
        while True:
            scanner.skip_separators()
            if scanner.at_end or scanner.looking_at(")"):
                break
            start = scanner.position
            number = cls._scan_number(scanner)
            if number in values:
                scanner.fail(f"{cls._text_name(number)} is given twice", position=start)
            values[number], masks[number] = cls.type_of(number).scan(scanner)
            scanner.expect(")")
        scanner.leave()
        return cls.of_kept(values), cls.of_kept(masks)

    @classmethod
    def _scan_number(cls, scanner: Scanner) -> int:
        start = scanner.position
        name = scanner.word("a flow key field such as in_port(1)")
        attr = cls._by_text_name.get(name)
        if attr is None and not (name.startswith("key") and name[3:].isdigit()):
            scanner.unknown(name, cls._by_text_name, "field", start)
        scanner.expect("(")
        if attr is not None:
            return int(attr.number)
        number = int(name[3:])
        if number in cls.ATTRS or number > _NLA_TYPE_MASK:
            scanner.fail(f"{name} is not an unknown attribute", cls._text_name(number), start)
        return number

    def __str__(self) -> str:
        return self.show(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.show(None) or 'empty'}>"
