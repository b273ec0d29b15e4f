"""The payload of one attribute: an `AttrType` describes its wire form, its masks, its text, its natural value.

There are `Scalar` (one field), `Structure` (a `Struct`), `Opaque` (bytes as they are), `Empty` (a flag), `Nested`
(attributes again, in `nest.py`), and the few special ones beside the keys and actions that need them. What
number and name an attribute has is for the nest that it stands in.
"""

import struct
from collections.abc import Callable, Mapping
from enum import IntFlag

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.constants import NLA_MAX_PAYLOAD
from dpif.odp.model.kinds import Flags, Kind, Plain, Raw, sharp
from dpif.odp.model.structs import Struct, scan_value_and_mask

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source
else:
    Scanner = Source = Any  # who prints never loads them

V = TypeVar("V")
F = TypeVar("F", bound=IntFlag)
S = TypeVar("S", bound=Struct)


_PAIRS = pattern(r"(?:[0-9a-fA-F]{2})*+")


class Style(NamedTuple):
    """How text is shown: `verbose` is ovs-dpctl's ``-m``; `port_names` are shown in place of numbers.

    `exact` tells what ovs-dpctl does not, so that the text reads as the very value that it was made of; what no text
    of its own tells whole is shown as bytes.
    """

    verbose: bool = False
    port_names: Mapping[int, str] | None = None
    exact: bool = False

    def port(self, number: int) -> str:
        """Return the name of port `number` where it is known, else the number."""
        return (self.port_names or {}).get(number, str(number))


PLAIN = Style()
EXACT = Style(exact=True)


class AttrType(Generic[V]):
    """The payload of one attribute.

    Values are kept in the form that `decode` returns; `natural` makes of it what a user sees. A mask is kept in
    the same form as the value that it belongs to.
    """

    always_shown: bool = False
    """Nests are shown even where they are wildcarded, as Open vSwitch does."""
    enclosed: ClassVar[bool] = False
    """As an argument (`arguments.py`) it is written ``name(…)``, not ``name=…``."""

    def decode(self, data: bytes) -> Any:
        """Return the kept form of a payload; raise `DecodeError`."""
        raise NotImplementedError

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Return the expression of what `decode` gives for the payload that stands there; see `layouts.py`.

        A class that has a `decode` of its own does without, or has its own of this, too.
        """
        return source.call(self.decode, source.octets(start, end))

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

    @property
    def maker(self) -> Callable[[Any], V] | None:
        """What does the same as `natural`; None where every kept form is the natural value itself."""
        return None if type(self).natural is AttrType.natural else self.natural

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

    def plain(self, kept: Any, mask: Any | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Return value and mask in the form that JSON has, the mask None where it is; `keep` takes them back.

        Fields within that the mask wildcards are told only when `whole`.
        """
        raise NotImplementedError

    def show(self, kept: Any, mask: Any | None, style: Style) -> str:
        """Return the text between the parentheses; `mask` None means exact."""
        raise NotImplementedError

    def show_named(self, name: str, kept: Any, mask: Any | None, style: Style) -> str:
        """Return the text with the attribute's name before it."""
        return f"{name}({self.show(kept, mask, style)})"

    def scan(self, scanner: Scanner) -> tuple[Any, Any]:
        """Take the text between the parentheses; return value and mask.

        A value of None stands in the mask alone.
        """
        raise NotImplementedError


class Scalar(AttrType[V]):
    """One field by itself, in host (``=``) or network (``!``) byte order; kept in raw form."""

    def __init__(self, kind: Kind[V], order: str, *, maskable: bool = True) -> None:
        self.kind = kind
        self.maskable = maskable
        self.order = order
        self._packer = struct.Struct(order + kind.code)

    def decode(self, data: bytes) -> Raw:
        """Check the length and unpack."""
        if len(data) != self._packer.size:
            raise DecodeError(f"expected {self._packer.size} bytes, found {len(data)}")
        return self._packer.unpack(data)[0]

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Take the value as it is."""
        return source.take(self.order, self.kind.code, start)

    def encode(self, kept: Raw) -> bytes:
        """Pack."""
        return self._packer.pack(kept)

    def keep(self, value: object) -> Raw:
        """Leave the check to the kind."""
        return self.kind.raw(value)

    def natural(self, kept: Raw) -> V:
        """Leave it to the kind."""
        return self.kind.value(kept)

    @property
    def maker(self) -> Callable[[Raw], V] | None:
        """Leave it to the kind."""
        return self.kind.maker

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

    def plain(self, kept: Raw, mask: Raw | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Leave it to the kind."""
        return self.kind.plain(kept), None if mask is None else self.kind.plain_mask(mask)

    def show(self, kept: Raw, mask: Raw | None, style: Style) -> str:
        """Return ``value`` or ``value/mask``."""
        return self.kind.show_masked(kept, mask)

    def scan(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take ``value`` or ``value/mask``."""
        if self.maskable:
            return scan_value_and_mask(self.kind, scanner)
        value = self.kind.scan(scanner)
        start = scanner.position
        if not scanner.take("/"):
            return value, self.kind.full
        if self.kind.scan_mask(scanner):
            scanner.fail("this field takes no mask but /0: it is matched exactly, or not at all", position=start)
        return value, self.kind.zero


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
        if mask is None or self.kind.is_full(mask):
            return style.port(kept)
        return super().show(kept, mask, style)

    def scan(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take a number, with or without a mask, or a name that the scanner knows."""
        if scanner.known_port() or not scanner.at_digit():
            return scanner.port(), self.kind.full
        return super().scan(scanner)


class EtherType(Scalar[int]):
    """An EtherType. ``0/mask`` says that there is none, and that this is matched: a packet of IEEE 802.2.

    So a flow is shown whose key lacks the attribute though its mask has it.
    """

    def scan(self, scanner: Scanner) -> tuple[Raw | None, Raw]:
        """Take ``value`` or ``value/mask``; the value is None where there is to be none in the key."""
        value = self.kind.scan(scanner)
        if not scanner.take("/"):
            return value, self.kind.full
        return value or None, self.kind.scan_mask(scanner)


class Structure(AttrType[S]):
    """A fixed structure."""

    enclosed = True

    def __init__(self, cls: type[S], *, always_shown: bool = False) -> None:
        self.cls = cls
        self.always_shown = always_shown

    def decode(self, data: bytes) -> S:
        """Check the length and unpack."""
        return self.cls.from_bytes(data)

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Leave it to the structure."""
        return self.cls.read_in(source, start, end)

    def encode(self, kept: S) -> bytes:
        """Pack."""
        return kept.to_bytes()

    def keep(self, value: object) -> S:
        """Accept the structure itself, or a mapping of its fields."""
        if isinstance(value, self.cls):
            return value
        if isinstance(value, Mapping):
            return self.cls(**value)
        raise EncodeError(f"expected {self.cls.__name__} or a mapping of its fields, not {brief(value)}")

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

    def plain(self, kept: S, mask: S | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """A dict of the fields."""
        return kept.plain_pair(mask, whole)

    def show(self, kept: S, mask: S | None, style: Style) -> str:
        """Return the fields that `mask` matches, all when verbose."""
        return kept.show(mask, style.verbose)

    def scan(self, scanner: Scanner) -> tuple[S, S]:
        """Take the fields."""
        return self.cls.scan(scanner)


class Opaque(AttrType[bytes]):
    """Bytes that are carried and shown as they are: attributes without a text of their own."""

    longest = NLA_MAX_PAYLOAD

    def decode(self, data: bytes) -> bytes:
        """Keep the bytes."""
        return bytes(data)

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Keep the bytes."""
        return source.octets(start, end)

    def encode(self, kept: bytes) -> bytes:
        """Return the bytes."""
        return kept

    def keep(self, value: object) -> bytes:
        """Accept bytes, or pairs of hexadecimal digits."""
        if isinstance(value, str) and _PAIRS.fullmatch(value):
            value = bytes.fromhex(value)
        if not isinstance(value, (bytes, bytearray, memoryview)) or len(value) > self.longest:
            raise EncodeError(f"expected up to {self.longest} bytes, not {brief(value)}")
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

    def plain(self, kept: bytes, mask: bytes | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Hexadecimal digits."""
        return kept.hex(), None if mask is None else mask.hex()

    def show(self, kept: bytes, mask: bytes | None, style: Style) -> str:
        """Return hexadecimal bytes with spaces between."""
        return kept.hex(" ") if mask is None else f"{kept.hex(' ')}/{mask.hex(' ')}"

    def scan(self, scanner: Scanner) -> tuple[bytes, bytes]:
        """Take what `show` gives."""
        value = scan_bytes(scanner)
        return value, scan_bytes(scanner) if scanner.take("/") else self.full(value)


def scan_bytes(scanner: Scanner) -> bytes:
    """Take pairs of hexadecimal digits, with spaces between or without."""
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

    def read_in(self, source: Source, start: int, end: int) -> str:
        """It is there."""
        return "True"

    def encode(self, kept: bool) -> bytes:
        """Nothing to say."""
        return b""

    def keep(self, value: object) -> bool:
        """Accept True; absence is said by leaving the attribute out."""
        if value is not True:
            raise EncodeError(f"expected True, not {brief(value)}; leave a flag out to clear it")
        return True

    def plain(self, kept: bool, mask: bool | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """Both as they are."""
        return kept, mask

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
