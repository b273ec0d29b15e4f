"""The kinds of field that keys, masks and actions are made of: one small object describes one kind.

A kind knows the faces of a field: its place on the wire (a `struct` code), its *raw* form (what `struct` gives: an
int, or bytes for addresses too wide for one), its natural Python value, its text, and its *plain* form (what JSON
has: a number, a text, a list of names). Wire, text, JSON, coverage tables and test strategies all derive from these
descriptions, so that no half is written twice.

Structures are lists of kinds (`structs.py`); attributes are scalars or structures (`attrs.py`). A kind knows
neither.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import functools
import operator
import sys
from collections.abc import Callable
from enum import IntFlag

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from dpif.errors import EncodeError, brief
from dpif.odp.constants.key import CtState, FragType, TcpFlag, TunnelFlag
from dpif.packet.addresses import Mac

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from dpif.odp.model.scanner import Scanner
else:
    IPv4Address = IPv6Address = Any  # by their names as text they would start the compiler, 2 ms of every command

V = TypeVar("V")
Raw: TypeAlias = Any
"""What `struct` gives for a field: int, or bytes for a field wider than 8 bytes and for MACs."""
Plain: TypeAlias = Any
"""What JSON can tell: text, a number, a boolean, None, and lists and dicts of them."""

_MAC = pattern(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}(?![0-9a-fA-F:])")
_IPV4 = pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])")
_IPV6 = pattern(r"(?=[0-9a-fA-F]{0,4}:)[0-9a-fA-F:.]{2,45}+(?![0-9a-fA-F.:])")
_PREFIX_LENGTH = pattern(r"[0-9]{1,3}(?![0-9a-fA-F.:])")
_HEXADECIMAL = pattern(r"0x[0-9a-fA-F]++|0")
_MAX_REMEMBERED = 1024
"""Sets of flags whose values are remembered: to find one in an enum takes a microsecond."""
_FLAG = pattern(r"[a-z][a-z0-9_]*+|\[[0-9a-f]{1,8}\]")


class _Addresses:
    """The classes of `dpif._addresses`: few commands need them, and every one would wait."""

    def __getattr__(self, name: str) -> Any:
        from dpif import _addresses

        value = getattr(_addresses, name)
        setattr(self, name, value)  # from now on nobody asks here
        return value


_CLASSES = _Addresses()
_new: Callable[[type], Any] = object.__new__
_new_bytes = bytes.__new__


def sharp(number: int) -> str:
    """Format like C's ``%#x``: hexadecimal with 0x, but a bare ``0`` for zero."""
    return hex(number) if number else "0"


class Kind(Generic[V]):
    """One kind of field.

    ``code`` is the `struct` code without byte order, ``size`` its bytes, ``zero`` and ``full`` the raw values
    with no bit and with every bit set (the mask that matches exactly). A ``bare`` kind has no text for a mask of
    zero, so that verbose text leaves out a wildcarded field of it too.
    """

    __slots__ = ("code", "full", "size", "what", "zero")

    bare = False

    def __init__(self, code: str, size: int, full: Raw, what: str) -> None:
        self.code = code
        self.size = size
        self.full: Raw = full
        self.zero: Raw = bytes(size) if isinstance(full, bytes) else 0
        self.what = what

    def value(self, raw: Raw) -> V:
        """Return the natural value of `raw`."""
        raise NotImplementedError

    @property
    def maker(self) -> Callable[[Raw], V] | None:
        """What does the same as `value`, if need be faster; None where every raw form is the natural value itself."""
        return None if type(self).value is UInt.value else self.value

    def raw(self, value: object) -> Raw:
        """Return the raw form of a natural value, or of a plain one, or raise `EncodeError`."""
        raise NotImplementedError

    def plain(self, raw: Raw) -> Plain:
        """Return the plain form of `raw`: as a rule its text."""
        return self.show(raw)

    def plain_mask(self, raw: Raw) -> Plain:
        """Return the plain form of a mask."""
        return self.plain(raw)

    def show(self, raw: Raw) -> str:
        """Return the text of a value."""
        raise NotImplementedError

    def show_mask(self, raw: Raw) -> str:
        """Return the text of a mask."""
        return self.show(raw)

    def show_masked(self, raw: Raw, mask: Raw | None) -> str:
        """Return ``value`` or, under a partial mask, ``value/mask``; `mask` None means exact."""
        if mask is None or self.is_full(mask):
            return self.show(raw)
        return f"{self.show(raw)}/{self.show_mask(mask)}"

    def scan(self, scanner: Scanner) -> Raw:
        """Take a value from a text."""
        raise NotImplementedError

    def scan_mask(self, scanner: Scanner) -> Raw:
        """Take a mask from a text."""
        return self.scan(scanner)

    def is_full(self, mask: Raw) -> bool:
        """Tell whether `mask` matches exactly."""
        return bool(mask == self.full)


_CODES = {8: "B", 16: "H", 32: "I", 64: "Q"}


def _format(number: int, base: str) -> str:
    if base == "d":
        return str(int(number))
    return sharp(number) if base == "x" else f"0x{number:{base}}"


class UInt(Kind[int]):
    """An unsigned integer of `bits` significant bits in a field of `width` bits, shown in `base`.

    ``d`` is decimal, ``x`` C's ``%#x``, any other a format specification behind ``0x``. Masks are shown by the
    format `mask_base`. `radix` is how a text is read (`Scanner.integer`).
    """

    __slots__ = ("base", "mask_base", "radix")

    def __init__(
        self, width: int, base: str = "d", bits: int | None = None, *, mask_base: str = "x", radix: int = 0
    ) -> None:
        super().__init__(_CODES[width], width // 8, (1 << (bits or width)) - 1, "a number")
        self.base = base
        self.mask_base = mask_base
        self.radix = radix

    def value(self, raw: Raw) -> int:
        """Return `raw` itself."""
        return int(raw)

    def raw(self, value: object) -> Raw:
        """Accept an int in range."""
        if not isinstance(value, int):
            raise EncodeError(f"expected an int, not {brief(value)}")
        if not 0 <= value <= self.full:
            raise EncodeError(f"{brief(value)} is out of range 0 to {self.full:#x}")
        return int(value)

    def plain(self, raw: Raw) -> Plain:
        """A number."""
        return self.value(raw)

    def show(self, raw: Raw) -> str:
        """Format in the base of this field."""
        return _format(raw, self.base)

    def show_mask(self, raw: Raw) -> str:
        """Masks are hexadecimal even where values are decimal."""
        return _format(raw, self.mask_base)

    def scan(self, scanner: Scanner) -> Raw:
        """Take an integer."""
        return scanner.integer(self.full, self.what, self.radix)

    def is_full(self, mask: Raw) -> bool:
        """Bits beyond the significant ones do not count."""
        return bool(mask & self.full == self.full)


class OtherOrder(UInt):
    """An unsigned integer in host byte order amid fields in network order, or the other way round.

    Its raw form is what `struct` reads in the order of the other fields.
    """

    __slots__ = ()

    def _swap(self, raw: Raw) -> int:
        return int.from_bytes(int(raw).to_bytes(self.size, "big"), sys.byteorder)

    def value(self, raw: Raw) -> int:
        """Swap the bytes if need be."""
        return self._swap(raw)

    def raw(self, value: object) -> Raw:
        """Swap the bytes if need be."""
        return self._swap(super().raw(value))

    def show(self, raw: Raw) -> str:
        """Show the number, not its raw form."""
        return super().show(self._swap(raw))

    def show_mask(self, raw: Raw) -> str:
        """Show the number, not its raw form."""
        return super().show_mask(self._swap(raw))

    def scan(self, scanner: Scanner) -> Raw:
        """Swap the bytes if need be."""
        return self._swap(super().scan(scanner))


F = TypeVar("F", bound=IntFlag)


class _FragmentTypes(dict[int, int]):
    """By number the fragment types; what is none is the number itself."""

    def __missing__(self, raw: int) -> int:
        return int(raw)


_FRAGMENT_TYPES = _FragmentTypes({int(type_): type_ for type_ in FragType})


class Port(UInt):
    """A port number of the datapath (u32), for which a text may give the port's name."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(32)
        self.what = "a port number"


class Frag(UInt):
    """The fragment type: ``no``, ``first`` or ``later``; the number of a value that is none (``enum ovs_frag_type``).

    Its mask is all or nothing, and shown in neither case; that of old dumps, ``no/0xff``, is read.
    """

    __slots__ = ()
    bare = True
    _names = {"no": FragType.NONE, "first": FragType.FIRST, "later": FragType.LATER}

    def __init__(self) -> None:
        super().__init__(8, "x")

    def value(self, raw: Raw) -> int:
        """Return a `FragType`, or the plain number (masks, bad values)."""
        return _FRAGMENT_TYPES[raw]

    @property
    def maker(self) -> Callable[[Raw], int] | None:
        """Look it up."""
        return _FRAGMENT_TYPES.__getitem__

    def raw(self, value: object) -> Raw:
        """Accept its word too."""
        return int(self._names[value]) if isinstance(value, str) and value in self._names else super().raw(value)

    def plain(self, raw: Raw) -> Plain:
        """Its word, or the number of a bad value."""
        return self.show(raw) if raw in self._names.values() else int(raw)

    def plain_mask(self, raw: Raw) -> Plain:
        """A number."""
        return int(raw)

    def show(self, raw: Raw) -> str:
        """Return the fragment type's word."""
        for name, member in self._names.items():
            if member == raw:
                return name
        return super().show(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take one of the three words, or a number."""
        start = scanner.position
        if scanner.at_digit():
            return super().scan(scanner)
        word = scanner.word("no, first or later")
        if word not in self._names:
            scanner.unknown(word, self._names, "fragment type", start)
        return int(self._names[word])

    def scan_mask(self, scanner: Scanner) -> Raw:
        """Take a number."""
        return super().scan(scanner)


class MacKind(Kind[Mac]):
    """A MAC address; raw form 6 bytes."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("6s", 6, b"\xff" * 6, "a MAC address")

    def value(self, raw: Raw) -> Mac:
        """Return a `Mac`."""
        return _new_bytes(Mac, raw)

    @property
    def maker(self) -> Callable[[Raw], Mac] | None:
        """Make it of its bytes at once."""
        return functools.partial(_new_bytes, Mac)

    def raw(self, value: Any) -> Raw:
        """Accept a `Mac`, its text, 6 bytes or an int."""
        try:
            return bytes(Mac(value))
        except (TypeError, ValueError) as error:
            raise EncodeError(f"expected a MAC address, not {brief(value)}") from error

    def show(self, raw: Raw) -> str:
        """Format as six hexadecimal pairs."""
        text = raw.hex(":")
        return str(text)

    def scan(self, scanner: Scanner) -> Raw:
        """Take six hexadecimal pairs with colons between."""
        token = scanner.require(_MAC, "a MAC address such as 00:01:02:03:04:05")
        return bytes(int(pair, 16) for pair in token.split(":"))


class Ipv4Kind(Kind[IPv4Address]):
    """An IPv4 address; raw form an int."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("I", 4, 0xFFFFFFFF, "an IPv4 address")

    def value(self, raw: Raw) -> IPv4Address:
        """Return an `IPv4Address` of `dpif._addresses`, made without a look at what is given."""
        address: Any = _new(_CLASSES.IPv4Address)
        address._ip = raw
        return address  # type: ignore[no-any-return]

    def raw(self, value: object) -> Raw:
        """Accept an `IPv4Address`, its text, 4 bytes or an int."""
        import ipaddress

        try:
            return int(ipaddress.IPv4Address(value))
        except ValueError as error:
            raise EncodeError(f"expected an IPv4 address, not {brief(value)}") from error

    def show(self, raw: Raw) -> str:
        """Format as a dotted quad."""
        return f"{raw >> 24}.{raw >> 16 & 255}.{raw >> 8 & 255}.{raw & 255}"

    def scan(self, scanner: Scanner) -> Raw:
        """Take a dotted quad."""
        start = scanner.position
        token = scanner.require(_IPV4, "a dotted quad such as 10.0.0.1")
        octets = [int(octet) for octet in token.split(".")]
        if max(octets) > 255:
            scanner.fail(f"{token} is not an IPv4 address", "each part is at most 255", start)
        return int.from_bytes(bytes(octets), "big")

    def scan_mask(self, scanner: Scanner) -> Raw:
        """Take a dotted quad, or the length of a prefix."""
        mask = _scan_prefix_length(scanner, 32)
        return self.scan(scanner) if mask is None else mask


class Ipv6Kind(Kind[IPv6Address]):
    """An IPv6 address; raw form 16 bytes."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("16s", 16, b"\xff" * 16, "an IPv6 address")

    def value(self, raw: Raw) -> IPv6Address:
        """Return an `IPv6Address`, made as those of IPv4."""
        address: Any = _new(_CLASSES.IPv6Address)
        address._ip = int.from_bytes(raw)
        address._scope_id = None
        return address  # type: ignore[no-any-return]

    def raw(self, value: object) -> Raw:
        """Accept an `IPv6Address`, its text, 16 bytes or an int."""
        import ipaddress

        try:
            return ipaddress.IPv6Address(value).packed
        except ValueError as error:
            raise EncodeError(f"expected an IPv6 address, not {brief(value)}") from error

    def show(self, raw: Raw) -> str:
        """Format as inet_ntop(3) does."""
        return socket.inet_ntop(socket.AF_INET6, raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take an address."""
        start = scanner.position
        token = scanner.require(_IPV6, "an IPv6 address such as fe80::1")
        try:
            return socket.inet_pton(socket.AF_INET6, token)
        except OSError:
            scanner.fail(f"{token} is not an IPv6 address", position=start)

    def scan_mask(self, scanner: Scanner) -> Raw:
        """Take an address, or the length of a prefix."""
        mask = _scan_prefix_length(scanner, 128)
        return self.scan(scanner) if mask is None else mask.to_bytes(16, "big")


def _scan_prefix_length(scanner: Scanner, bits: int) -> int | None:
    """Take the length of a prefix if it comes next, and return it as a mask of so many bits."""
    start = scanner.position
    token = scanner.match(_PREFIX_LENGTH)
    if token is None:
        return None
    length = int(token)
    if length > bits:
        scanner.fail(f"/{token} is too long", f"no prefix is longer than {bits} bits", start)
    return (1 << bits) - (1 << bits - length)


class U128(Kind[int]):
    """Conntrack labels: 128 bits, raw form the 16 bytes on the wire with bit 0 in byte 0."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("16s", 16, b"\xff" * 16, "a number of up to 128 bits")

    def value(self, raw: Raw) -> int:
        """Return the number."""
        return int.from_bytes(raw, "little")

    def raw(self, value: object) -> Raw:
        """Accept an int of up to 128 bits, its text in hexadecimal, or 16 bytes."""
        if isinstance(value, bytes) and len(value) == 16:
            return value
        if isinstance(value, str) and _HEXADECIMAL.fullmatch(value):
            value = int(value, 16)
        if not isinstance(value, int) or not 0 <= value < 1 << 128:
            raise EncodeError(f"expected a number of up to 128 bits, not {brief(value)}")
        return value.to_bytes(16, "little")

    def show(self, raw: Raw) -> str:
        """Format as hexadecimal without leading zeros."""
        return sharp(int.from_bytes(raw, "little"))

    def scan(self, scanner: Scanner) -> Raw:
        """Take a number."""
        return scanner.integer((1 << 128) - 1, self.what).to_bytes(16, "little")


class _FlagValues(dict[int, F]):
    """By number the sets of flags of one kind, each made when it is first asked for."""

    def __init__(self, flag: type[F]) -> None:
        self._flag = flag

    def __missing__(self, raw: int) -> F:
        value = self._flag(raw)
        if len(self) < _MAX_REMEMBERED:
            self[raw] = value
        return value


class Flags(Kind[F]):
    """A set of named bits: ``a|b``, ``+a-b``, or a number with or without a mask. A bit without a name is ``[100]``.

    ``names`` lists the bits from the lowest up, ``allowed`` is their union; ``full`` is the mask that goes with
    a value written without one, ``exact`` the mask for which none is written.
    """

    __slots__ = ("_values", "allowed", "exact", "flag", "names")

    def __init__(self, width: int, flag: type[F], names: dict[str, int], full: int, exact: int) -> None:
        super().__init__(_CODES[width], width // 8, full, "flags")
        self.flag = flag
        self.names = names
        self.allowed = sum(names.values())
        self.exact = exact
        self._values = _FlagValues(flag)

    def value(self, raw: Raw) -> F:
        """Return the `IntFlag`; unknown bits are kept in it."""
        return self._values[raw]

    @property
    def maker(self) -> Callable[[Raw], F] | None:
        """Look it up."""
        return self._values.__getitem__

    def raw(self, value: object) -> Raw:
        """Accept an int or flag that fits the field, or a list of names."""
        if isinstance(value, (list, tuple)):
            value = functools.reduce(operator.or_, map(self._bits_of, value), 0)
        if not isinstance(value, int) or not 0 <= value < 1 << 8 * self.size:
            raise EncodeError(f"expected flags of {8 * self.size} bits, not {brief(value)}")
        return int(value)

    def plain(self, raw: Raw) -> list[str]:
        """The names of the bits that are set; those without one together as a number behind ``0x``."""
        words = [name for name, bit in self.names.items() if raw & bit]
        if raw & ~self.allowed:
            words.append(hex(raw & ~self.allowed))
        return words

    def _bits_of(self, word: object) -> int:
        """Return the bits that one of `plain`'s words means; raise `EncodeError`."""
        if isinstance(word, str) and _HEXADECIMAL.fullmatch(word):
            return int(word, 16)
        if not isinstance(word, str) or word not in self.names:
            raise EncodeError(f"expected names of flags ({', '.join(self.names)}), not {brief(word)}")
        return self.names[word]

    def show(self, raw: Raw) -> str:
        """Format the set bits with ``|`` between; a bare ``0`` for none."""
        return "|".join(self.plain(raw)) or "0"

    def scan(self, scanner: Scanner) -> Raw:
        """Take one bit by name, or a number, which may have bits that have no name yet."""
        if scanner.at_digit():
            return scanner.integer((1 << 8 * self.size) - 1, self.what)
        return self._scan_name(scanner)

    def show_masked(self, raw: Raw, mask: Raw | None) -> str:
        """Format value and mask: each bit of a partial mask as ``+name`` when set and ``-name`` when clear."""
        if mask is None or mask & self.exact == self.exact:
            return self.show(raw)
        if not mask:
            return "0/0"
        names = {bit: name for name, bit in self.names.items()}
        bits = [1 << position for position in range(8 * self.size) if mask >> position & 1]
        return "".join([("+" if raw & bit else "-") + names.get(bit, f"[{bit:x}]") for bit in bits])

    def scan_masked(self, scanner: Scanner) -> tuple[Raw, Raw]:
        """Take any of the forms; return value and mask."""
        if scanner.looking_at("+") or scanner.looking_at("-"):
            return self._scan_signed(scanner)
        value = self.scan(scanner)
        if scanner.take("/"):
            return value, scanner.integer((1 << 8 * self.size) - 1, "a mask")
        while scanner.take("|"):
            value |= self.scan(scanner)
        return value, self.full | value

    def _scan_name(self, scanner: Scanner) -> int:
        start = scanner.position
        word = scanner.require(_FLAG, "a flag")
        bit = self.names.get(word) or (int(word[1:-1], 16) if word.startswith("[") else 0)
        if bit.bit_count() != 1 or bit >> 8 * self.size:
            scanner.unknown(word, self.names, "flag", start)
        return bit

    def _scan_signed(self, scanner: Scanner) -> tuple[Raw, Raw]:
        value = mask = 0
        while True:
            start = scanner.position
            is_set = scanner.take("+")
            if not is_set and not scanner.take("-"):
                return value, mask
            bit = self._scan_name(scanner)
            if mask & bit:
                scanner.fail("each flag may be given only once", position=start)
            mask |= bit
            value |= bit if is_set else 0


class UIntPadded(UInt):
    """An unsigned integer that is shown hexadecimal with leading zeros when its mask is partial (NSH fields)."""

    __slots__ = ("partial_base",)

    def __init__(self, width: int, base: str, partial_base: str, *, mask_base: str, bits: int | None = None) -> None:
        super().__init__(width, base, bits, mask_base=mask_base)
        self.partial_base = partial_base

    def show_masked(self, raw: Raw, mask: Raw | None) -> str:
        """Return ``value``, or ``value/mask`` both in hexadecimal."""
        if mask is None or self.is_full(mask):
            return self.show(raw)
        return f"{_format(raw, self.partial_base)}/{self.show_mask(mask)}"


CT_STATE = Flags(
    32,
    CtState,
    {"new": 1, "est": 2, "rel": 4, "rpl": 8, "inv": 0x10, "trk": 0x20, "snat": 0x40, "dnat": 0x80},
    full=0xFF,  # the kernel refuses a mask of bits that it does not know
    exact=0xFFFFFFFF,
)
TCP_FLAGS = Flags(
    16,
    TcpFlag,
    {
        "fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 0x10, "urg": 0x20, "ece": 0x40, "cwr": 0x80,
        "ns": 0x100, "[200]": 0x200, "[400]": 0x400, "[800]": 0x800,
    },
    full=0xFFFF,
    exact=0xFFF,
)  # fmt: skip
TUNNEL_FLAGS = Flags(
    16,
    TunnelFlag,
    {"oam": 1, "df": 2, "csum": 4, "key": 8},
    full=0xF,
    exact=0xF,
)
MAC = MacKind()
IPV4 = Ipv4Kind()
IPV6 = Ipv6Kind()
FRAG = Frag()
U8 = UInt(8)
U8X = UInt(8, "x")
PROTO = UInt(8)
"""The number of a protocol above IP: it says what follows, as `ETHERTYPE` does."""
U16 = UInt(16)
U16X = UInt(16, "x")
ETHERTYPE = UInt(16, "04x", mask_base="04x")
U32 = UInt(32)
U32X = UInt(32, "x")
TUN_ID = UInt(64, "1x")
LABEL = UInt(32, "x", bits=20)
LABELS = U128()
PORT = Port()
