"""Values that note how they are used: what a program gets when it reads a field of a packet.

A `Value` stands for a field of the packet at hand. It becomes a plain value where one is needed, and the bits
that this takes are matched by the flow: all of them for ``int(value)``, a hash or a text; for ``==`` all where
it holds, and mostly one that tells where it does not; for ``<`` those up to the first that tells; for ``&`` with a
constant those of the constant. ``repr`` and a debugger look without a note.

They are no subclasses of `int` or `bytes`: the interpreter would read these past us.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from enum import IntFlag

from dpif._typing import TYPE_CHECKING, Any
from dpif.odp.model.kinds import Flags, Ipv4Kind, Ipv6Kind, Kind, MacKind

if TYPE_CHECKING:
    from dpif.program.layout import Place
    from dpif.program.trace import Trace, Written

__all__ = ["Address", "FlagsValue", "MacValue", "Number", "Value", "value_class"]


@functools.lru_cache(4096)
def _number_of(place: Place, other: object) -> int | None:
    return place.number_of(other)


class Value:
    """A field of the packet at hand, or some bits of one; see the module."""

    __slots__ = ("_ones", "_place", "_trace")

    def __init__(self, trace: Trace | Written, place: Place, ones: int = -1) -> None:
        self._trace = trace
        self._place = place
        self._ones = place.ones if ones < 0 else ones

    # -- looks that leave a note -------------------------------------------------------------------------------

    def _read(self) -> int:
        """Return the number, all of whose bits count from now on."""
        trace, place = self._trace, self._place
        trace.mark(place, self._ones)
        return place.number(trace.key) & self._ones

    @property
    def value(self) -> Any:
        """The natural value: an `int`, a `Mac`, an address of `ipaddress`, flags."""
        return self._place.value(self._read())

    def prefix(self, length: int) -> int:
        """Return the first `length` bits as a number whose other bits are zero; reads just these."""
        ones = self._place.ones >> self._place.width - length << self._place.width - length if length else 0
        self._trace.mark(self._place, ones)
        return self._place.number(self._trace.key) & ones

    def _bit(self, ones: int) -> bool:
        """Tell whether one bit is set; reads just that."""
        self._trace.mark(self._place, ones)
        return bool(self._place.number(self._trace.key) & ones)

    def _peek(self) -> int:
        """Return the number without a note."""
        return self._place.number(self._trace.key) & self._ones

    def _known(self) -> int:
        """Return which bits of the number were read before."""
        return self._place.number(self._trace.mask) & self._ones

    def _constant(self, other: object) -> int | None:
        """Return the number of something to compare with, None where it is of another kind."""
        if isinstance(other, Value):
            return other._read()
        if isinstance(other, int) and type(other) is not bool:
            return int(other)
        if isinstance(other, (str, bytes, int)) or self._is_natural(other):
            return _number_of(self._place, other)
        return None

    def _is_natural(self, other: object) -> bool:
        return hasattr(other, "packed") and hasattr(other, "version")

    def __eq__(self, other: object) -> Any:
        wanted = self._constant(other)
        if wanted is None:
            return NotImplemented
        different = self._peek() ^ wanted
        if not different:
            self._trace.mark(self._place, self._ones)
            return True
        if different & ~self._ones or different & self._known():
            return False  # no packet can have that value, or what was read before says that this one has not
        self._trace.mark(self._place, self._until(different, wanted))
        return False

    def _until(self, different: int, wanted: int) -> int:
        """Return the bits to read, one after the other, up to the first that is different.

        Their order is the constant's alone, those first that it has set: most values lack the highest of them. Were
        it chosen by the packet, two packets could make flows that overlap, and a datapath refuses the second.
        """
        telling = different & wanted
        if telling:
            return wanted >> telling.bit_length() - 1 << telling.bit_length() - 1
        top = different.bit_length() - 1
        return wanted | (self._ones & ~wanted) >> top << top

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __repr__(self) -> str:
        shown = self._place.value(self._peek())
        return f"<{self._place.name} {shown}>"

    def __reduce__(self) -> Any:
        return (_plain, (self.value,))

    def _bound(self, other: object) -> int:
        wanted = self._constant(other)
        if wanted is None:
            raise TypeError(f"{self._place.name} has no order with {other!r}")
        return wanted

    def _is_below(self, bound: int) -> bool:
        """Tell whether the number is less than `bound`; read its bits from the first to the one that tells.

        Behind the last one that `bound` has set there is nothing to tell: what is equal up to there is not less.
        """
        if bound <= 0:
            return False
        number = self._peek()
        top = max((number ^ bound).bit_length(), (bound & -bound).bit_length())
        self._trace.mark(self._place, self._ones >> top - 1 << top - 1)
        return number < bound

    def __lt__(self, other: object) -> bool:
        return self._is_below(self._bound(other))

    def __le__(self, other: object) -> bool:
        return self._is_below(self._bound(other) + 1)

    def __gt__(self, other: object) -> bool:
        return not self._is_below(self._bound(other) + 1)

    def __ge__(self, other: object) -> bool:
        return not self._is_below(self._bound(other))


def _plain(value: Any) -> Any:
    return value


def _arithmetic(name: str) -> Callable[[Number, Any], Any]:
    act: Callable[[Any, Any], Any] = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        return act(self._read(), other._read() if isinstance(other, Number) else other)

    return method


def _reflected(name: str) -> Callable[[Number, Any], Any]:
    act: Callable[[Any, Any], Any] = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        return act(other, self._read())

    return method


class Number(Value):
    """A field that is a number. Arithmetic gives plain numbers, and reads it whole; ``&`` and ``>>`` read less."""

    __slots__ = ()
    __eq__ = Value.__eq__
    __hash__ = Value.__hash__

    def __int__(self) -> int:
        return self._read()

    def __index__(self) -> int:
        return self._read()

    def __and__(self, other: object) -> Any:
        """Return those bits which are set in `other`, still unread; of another field, a plain number."""
        if isinstance(other, Value):
            return self._read() & other._read()
        if not isinstance(other, int):
            return NotImplemented
        return Number(self._trace, self._place, self._ones & int(other))

    __rand__ = __and__

    def __rshift__(self, count: int) -> int:
        return int(Number(self._trace, self._place, self._ones >> count << count)) >> count

    __add__ = _arithmetic("add")
    __sub__ = _arithmetic("sub")
    __mul__ = _arithmetic("mul")
    __floordiv__ = _arithmetic("floordiv")
    __truediv__ = _arithmetic("truediv")
    __mod__ = _arithmetic("mod")
    __or__ = _arithmetic("or_")
    __xor__ = _arithmetic("xor")
    __lshift__ = _arithmetic("lshift")
    __pow__ = _arithmetic("pow")
    __radd__ = _reflected("add")
    __rsub__ = _reflected("sub")
    __rmul__ = _reflected("mul")
    __rfloordiv__ = _reflected("floordiv")
    __rtruediv__ = _reflected("truediv")
    __rmod__ = _reflected("mod")
    __ror__ = _reflected("or_")
    __rxor__ = _reflected("xor")

    def __neg__(self) -> int:
        return -self._read()

    def __invert__(self) -> int:
        return ~self._read()


class FlagsValue(Number):
    """A field of named bits: each is a property (``packet.ct.state.est``) and reads itself alone."""

    __slots__ = ()
    __eq__ = Value.__eq__
    __hash__ = Value.__hash__

    def has(self, name: str) -> bool:
        """Tell whether the bit of that name is set."""
        kind = self._place.kind
        assert isinstance(kind, Flags)
        bit = kind.names.get(name, 0)
        if not bit:
            raise AttributeError(f"{self._place.name} has no flag {name!r}; it has {', '.join(kind.names)}")
        return bool((self & bit) == bit)

    def __getattr__(self, name: str) -> bool:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.has(name)

    def __contains__(self, flags: object) -> bool:
        """``CtState.NEW in packet.ct.state``: all bits of `flags` are set."""
        if isinstance(flags, str):
            return self.has(flags)
        if not isinstance(flags, IntFlag):
            raise TypeError(f"expected a flag or its name, not {flags!r}")
        return bool((self & int(flags)) == int(flags))


class MacValue(Value):
    """An Ethernet address."""

    __slots__ = ()
    __eq__ = Value.__eq__
    __hash__ = Value.__hash__

    def __int__(self) -> int:
        return self._read()

    def __bytes__(self) -> bytes:
        return bytes(self.value)

    def __len__(self) -> int:
        return 6  # with that, and its bytes, it is taken for a `Mac` wherever one is made of bytes

    @property
    def is_multicast(self) -> bool:
        """The group bit is set, which is all that is read; true of the broadcast address too."""
        return self._bit(1 << 40)

    @property
    def is_broadcast(self) -> bool:
        """``ff:ff:ff:ff:ff:ff``."""
        return bool(self == 0xFFFFFFFFFFFF)

    @property
    def is_local(self) -> bool:
        """The address is locally administered; that bit alone is read."""
        return self._bit(2 << 40)


class Address(Value):
    """An IPv4 or IPv6 address. ``in network`` reads the prefix, or a bit that tells that it is not in there."""

    __slots__ = ()
    __eq__ = Value.__eq__
    __hash__ = Value.__hash__

    @property
    def version(self) -> int:
        """4 or 6; reads nothing."""
        return 4 if isinstance(self._place.kind, Ipv4Kind) else 6

    _version = version
    """By this and `_ip` the networks of `ipaddress` tell whether an address is in one."""

    @property
    def max_prefixlen(self) -> int:
        """The length of the address in bits; reads nothing."""
        return self._place.width

    @property
    def _ip(self) -> Number:
        return Number(self._trace, self._place)

    def __int__(self) -> int:
        return self._read()

    @property
    def packed(self) -> bytes:
        """The bytes of the address."""
        return self._read().to_bytes(self._place.width // 8, "big")

    def __getattr__(self, name: str) -> Any:
        """Whatever else addresses of `ipaddress` have (``is_private``) reads this one whole."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.value, name)


def value_class(kind: Kind[Any] | None) -> type[Value]:
    """Return the class for fields of a kind."""
    if isinstance(kind, MacKind):
        return MacValue
    if isinstance(kind, (Ipv4Kind, Ipv6Kind)):
        return Address
    return FlagsValue if isinstance(kind, Flags) else Value if kind is None else Number
