"""Policies: which attributes a message may hold, of which type and length, as tables.

An `AttributeSet` stands for one uapi enum. It maps each member to a *kind*, and decodes attributes to values
and encodes values to attributes by that table::

    STATS = Structure("=4Q", DatapathStats)
    DATAPATH = AttributeSet("DATAPATH", {Attr.NAME: String(15), Attr.STATS: STATS}, required={Attr.NAME})

    DATAPATH.decode(payload, 8).values[Attr.NAME]

A kind is any object with the two methods of `Kind`; those here are netlink's own types. The rules:

* Lengths are the kernel's (``validate_nla``): a fixed size is exact, a string ends with a NUL.
* Errors are `DecodeError` and `EncodeError`, with the path of members from the outermost set in
  (``FLOW.KEY.TUNNEL.ID``) and the byte offset in the buffer that was given to the outermost `decode`.
* Attributes that the table does not name are kept byte for byte, in order, in ``Decoded.unknown``.
* Of an attribute given twice the last counts, as in ``nla_parse``; a set made with ``unique=True`` refuses it.
* A set made with ``nested_flag=True`` marks the attributes that hold attributes (``NLA_F_NESTED``) when it encodes
  them, as protocols younger than the flag do; to decode, the mark never matters.
* A set cannot contain itself, so the table bounds how deep a peer's bytes can nest.

This file knows types, not what they mean.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import IntEnum

from dpif._typing import Any, Generic, NamedTuple, Protocol, TypeVar
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import Buffer, RawAttr, attribute, raw_attribute, walk
from dpif.netlink.constants import NLA_F_NESTED

__all__ = [
    "BE16",
    "BE32",
    "BE64",
    "BYTES",
    "FLAG",
    "PAD",
    "S32",
    "S64",
    "U8",
    "U16",
    "U32",
    "U32_ARRAY",
    "U64",
    "AttributeSet",
    "Binary",
    "Decoded",
    "Kind",
    "ListOf",
    "Nested",
    "String",
    "Structure",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Kind(Protocol[T_co]):
    """The type of an attribute's payload; one that is attributes again says so by ``holds_attributes = True``."""

    def decode(self, buffer: Buffer, start: int, end: int) -> T_co:
        """Return the value that stands at ``buffer[start:end]``; raise `DecodeError`."""
        ...

    def encode(self, value: Any) -> bytes:
        """Return the payload; raise `EncodeError`."""
        ...


class Decoded(NamedTuple):
    """Attributes by number, each with its kind's value, and those that the set does not name."""

    values: dict[int, Any]
    unknown: tuple[RawAttr, ...] = ()


class AttributeSet:
    """The attributes of one uapi enum: a table from member to kind (see the module's rules)."""

    def __init__(
        self,
        name: str,
        entries: Mapping[IntEnum, Kind[Any]],
        required: Collection[int] = (),
        *,
        unique: bool = False,
        nested_flag: bool = False,
    ) -> None:
        self.name = name
        self.entries = dict(entries)
        self.required = tuple(required)
        self.unique = unique
        self._names = {int(member): member.name for member in entries}
        self._decoders = {int(member): kind.decode for member, kind in entries.items() if kind is not PAD}
        self._encoders = {int(member): kind.encode for member, kind in entries.items()}
        self._types = {
            int(member): member | (NLA_F_NESTED if nested_flag and getattr(kind, "holds_attributes", False) else 0)
            for member, kind in entries.items()
        }
        self._pads = {int(member) for member, kind in entries.items() if kind is PAD}

    def __repr__(self) -> str:
        return f"AttributeSet({self.name})"

    def decode(self, buffer: Buffer, start: int = 0, end: int | None = None) -> Decoded:
        """Decode the attributes in ``buffer[start:end]``; raise `DecodeError`."""
        try:
            return self.decode_inner(buffer, start, end)
        except DecodeError as error:
            raise error.within(self.name) from None

    def decode_inner(self, buffer: Buffer, start: int, end: int | None = None) -> Decoded:
        """Decode as `decode` does, but leave the set's own name out of the path of errors."""
        values: dict[int, Any] = {}
        unknown: list[RawAttr] = []
        for number, first, last in walk(buffer, start, end):
            decoder = self._decoders.get(number)
            if decoder is None:
                if number not in self._pads:
                    unknown.append(raw_attribute(buffer, first, last))
                continue
            if self.unique and number in values:
                raise DecodeError("given twice", self._names[number], first)
            try:
                values[number] = decoder(buffer, first, last)
            except DecodeError as error:
                raise error.within(self._names[number]) from None
        for number in self.required:
            if number not in values:
                raise DecodeError("missing", self._names[number], start)
        return Decoded(values, tuple(unknown))

    def encode(self, values: Mapping[int, object], unknown: Iterable[RawAttr] = ()) -> bytes:
        """Return the attributes in the order of the mapping, then the unknown ones.

        None, and False for a flag, leave an attribute out. Raises `EncodeError`.
        """
        try:
            return self.encode_inner(values, unknown)
        except EncodeError as error:
            raise error.within(self.name) from None

    def encode_inner(self, values: Mapping[int, object], unknown: Iterable[RawAttr] = ()) -> bytes:
        """Encode as `encode` does, but leave the set's own name out of the path of errors."""
        parts = []
        for number, value in values.items():
            if value is None or value is False:
                continue
            encoder = self._encoders.get(number)
            if encoder is None:
                raise EncodeError(f"there is no attribute {number}")
            try:
                parts.append(attribute(self._types[number], encoder(value)))
            except EncodeError as error:
                raise error.within(self._names[number]) from None
        parts.extend(attribute(type_, payload) for type_, payload in unknown)
        return b"".join(parts)


class Integer:
    """One integer; `code` is that of the `struct` module, with its byte order."""

    def __init__(self, code: str) -> None:
        self._struct = struct.Struct(code)

    def decode(self, buffer: Buffer, start: int, end: int) -> int:
        """Check the length and unpack."""
        if end - start != self._struct.size:
            raise _wrong_length(end - start, self._struct.size, start)
        value: int = self._struct.unpack_from(buffer, start)[0]
        return value

    def encode(self, value: int) -> bytes:
        """Check the range and pack."""
        try:
            return self._struct.pack(value)
        except struct.error:
            raise EncodeError(f"{brief(value)} is not an integer of {8 * self._struct.size} bits") from None


class Flag:
    """An attribute without payload: True when it is there (``NLA_FLAG``)."""

    def decode(self, buffer: Buffer, start: int, end: int) -> bool:
        """Return True; a payload is wrong."""
        if start != end:
            raise _wrong_length(end - start, 0, start)
        return True

    def encode(self, value: bool) -> bytes:
        """Return nothing."""
        if value is not True:
            raise EncodeError(f"expected True or False, not {brief(value)}")
        return b""


class Padding:
    """What the kernel puts before 64-bit values to align them: neither decoded nor encoded."""

    def decode(self, buffer: Buffer, start: int, end: int) -> None:
        """Return None, whatever stands there."""

    def encode(self, value: object) -> bytes:
        """Refuse: alignment is the kernel's habit, and not needed in a request."""
        raise EncodeError("padding carries no value")


class String:
    """Text with a NUL behind it (``NLA_NUL_STRING``); `longest` counts bytes without the NUL, None: no limit.

    Bytes that are not UTF-8 become surrogates and back, since a device may be named by any bytes.
    """

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest

    def decode(self, buffer: Buffer, start: int, end: int) -> str:
        """Return what stands before the first NUL."""
        text, nul, _ = bytes(buffer[start:end]).partition(b"\0")
        if not nul:
            raise DecodeError("the text does not end with a NUL", offset=start)
        if self._longest is not None and len(text) > self._longest:
            raise DecodeError(f"{len(text)} bytes of text where at most {self._longest} belong", offset=start)
        return text.decode("utf-8", "surrogateescape")

    def encode(self, value: str) -> bytes:
        """Check the length and put a NUL behind it."""
        if not isinstance(value, str) or "\0" in value:
            raise EncodeError(f"expected text without NUL characters, not {brief(value)}")
        try:
            text = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise EncodeError(f"{brief(value)} has no form in bytes") from None
        if self._longest is not None and len(text) > self._longest:
            raise EncodeError(f"{brief(value)} is longer than {self._longest} bytes")
        return text + b"\0"


class Binary:
    """Bytes as they are, of a length from `shortest` to `longest` (None: no limit)."""

    def __init__(self, shortest: int = 0, longest: int | None = None) -> None:
        self._shortest = shortest
        self._longest = longest

    def decode(self, buffer: Buffer, start: int, end: int) -> bytes:
        """Check the length and copy."""
        if not self._fits(end - start):
            raise DecodeError(f"{end - start} bytes where {self._expected()} belong", offset=start)
        return bytes(buffer[start:end])

    def encode(self, value: Buffer) -> bytes:
        """Check the length."""
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise EncodeError(f"expected bytes, not {brief(value)}")
        payload = bytes(value)
        if not self._fits(len(payload)):
            raise EncodeError(f"{len(payload)} bytes where {self._expected()} belong")
        return payload

    def _fits(self, length: int) -> bool:
        return self._shortest <= length and (self._longest is None or length <= self._longest)

    def _expected(self) -> str:
        if self._longest is None:
            return f"at least {self._shortest}"
        return f"{self._shortest}" if self._shortest == self._longest else f"{self._shortest} to {self._longest}"


class Array:
    """Integers one after the other, each with the `struct` code `code`, as a tuple."""

    def __init__(self, code: str) -> None:
        self._struct = struct.Struct(code)

    def decode(self, buffer: Buffer, start: int, end: int) -> tuple[int, ...]:
        """Check that the length is a multiple of an item's and unpack."""
        size = self._struct.size
        if (end - start) % size:
            raise DecodeError(f"{end - start} bytes where a multiple of {size} belongs", offset=start)
        return tuple(item for (item,) in self._struct.iter_unpack(memoryview(buffer)[start:end]))

    def encode(self, value: Iterable[int]) -> bytes:
        """Check the range of each item and pack."""
        try:
            return b"".join(map(self._struct.pack, value))
        except (struct.error, TypeError):
            raise EncodeError(f"{brief(value)} is not a list of integers of {8 * self._struct.size} bits") from None


class Structure(Generic[T]):
    """A C structure: `code` is its `struct` format, `factory` takes the fields in order and makes the value.

    The value gives the fields back in the same order when iterated, as a `NamedTuple` does.
    """

    def __init__(self, code: str, factory: Callable[..., T]) -> None:
        self._struct = struct.Struct(code)
        self._factory = factory

    def decode(self, buffer: Buffer, start: int, end: int) -> T:
        """Check the length and unpack."""
        if end - start != self._struct.size:
            raise _wrong_length(end - start, self._struct.size, start)
        return self._factory(*self._struct.unpack_from(buffer, start))

    def encode(self, value: Iterable[Any]) -> bytes:
        """Check the fields and pack."""
        try:
            return self._struct.pack(*value)
        except (struct.error, TypeError):
            raise EncodeError(f"{brief(value)} does not fit a structure of {self._struct.size} bytes") from None


class Nested:
    """Attributes within an attribute; the value is a `Decoded`, or to encode also a mapping alone."""

    holds_attributes = True

    def __init__(self, attributes: AttributeSet) -> None:
        self._set = attributes

    def decode(self, buffer: Buffer, start: int, end: int) -> Decoded:
        """Decode by the inner set."""
        return self._set.decode_inner(buffer, start, end)

    def encode(self, value: Decoded | Mapping[int, object]) -> bytes:
        """Encode by the inner set."""
        if isinstance(value, Decoded):
            return self._set.encode_inner(value.values, value.unknown)
        return self._set.encode_inner(value)


class ListOf(Generic[T]):
    """A list in netlink's way: attributes of one kind whose numbers only count, from `first`; as a tuple."""

    holds_attributes = True

    def __init__(self, kind: Kind[T], first: int = 1) -> None:
        self._kind = kind
        self._first = first

    def decode(self, buffer: Buffer, start: int, end: int) -> tuple[T, ...]:
        """Decode every item; their numbers do not matter."""
        items: list[T] = []
        for _, first, last in walk(buffer, start, end):
            try:
                items.append(self._kind.decode(buffer, first, last))
            except DecodeError as error:
                raise error.within(f"[{len(items)}]") from None
        return tuple(items)

    def encode(self, value: Sequence[object]) -> bytes:
        """Encode every item."""
        parts = []
        for index, item in enumerate(value):
            try:
                parts.append(attribute(self._first + index, self._kind.encode(item)))
            except EncodeError as error:
                raise error.within(f"[{index}]") from None
        return b"".join(parts)


def _wrong_length(found: int, expected: int, offset: int) -> DecodeError:
    return DecodeError(f"{found} bytes where {expected} belong", offset=offset)


U8 = Integer("=B")
U16 = Integer("=H")
U32 = Integer("=I")
U64 = Integer("=Q")
S32 = Integer("=i")
S64 = Integer("=q")
BE16 = Integer("!H")
BE32 = Integer("!I")
BE64 = Integer("!Q")
FLAG = Flag()
PAD = Padding()
BYTES = Binary()
U32_ARRAY = Array("=I")
