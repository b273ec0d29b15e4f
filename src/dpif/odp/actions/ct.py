"""The connection tracking action, ``ct(commit,zone=5,…,nat(…))``."""

import re

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.errors import DecodeError, EncodeError, brief
from dpif.odp.actions.base import Action, NestAction
from dpif.odp.actions.nat import Nat, NatType
from dpif.odp.constants import ActionAttr, CtAttr
from dpif.odp.model.arguments import scan_unmasked
from dpif.odp.model.attrs import AttrType, Empty, Scalar, Style
from dpif.odp.model.kinds import LABELS, U32X, Kind, Plain, UInt
from dpif.odp.model.nest import Attr
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import scan_value_and_mask

if TYPE_CHECKING:
    from dpif.odp.model.source import Source
else:
    Source = Any

_U16 = UInt(16, radix=10)
_WORD = re.compile(r"[^,) \t\r\n]++")


class Masked(NamedTuple):
    """A value, and the bits of it that are to be set."""

    value: int
    mask: int


class MaskedType(AttrType[Masked]):
    """A value and its mask, one after the other; kept as the two raw values."""

    def __init__(self, kind: Kind[int], size: int, *, always_mask: bool) -> None:
        self.kind = kind
        self._scalar = Scalar(kind, "=")
        self._size = size
        self.always_mask = always_mask

    def decode(self, data: bytes) -> tuple[Any, Any]:
        """Cut in two."""
        if len(data) != 2 * self._size:
            raise DecodeError(f"expected {2 * self._size} bytes, found {len(data)}")
        return self._scalar.decode(data[: self._size]), self._scalar.decode(data[self._size :])

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Take both."""
        middle = start + self._size
        return f"({self._scalar.read_in(source, start, middle)}, {self._scalar.read_in(source, middle, end)})"

    def encode(self, kept: tuple[Any, Any]) -> bytes:
        """Join."""
        return self._scalar.encode(kept[0]) + self._scalar.encode(kept[1])

    def keep(self, value: object) -> tuple[Any, Any]:
        """Accept a number, which is set whole, or a number and a mask."""
        if isinstance(value, tuple) and len(value) == 2:
            return self.kind.raw(value[0]), self.kind.raw(value[1])
        return self.kind.raw(value), self.kind.full

    def natural(self, kept: tuple[Any, Any]) -> Masked:
        """Return both as numbers."""
        return Masked(self.kind.value(kept[0]), self.kind.value(kept[1]))

    def full(self, kept: tuple[Any, Any]) -> None:
        """The mask is part of the value."""
        return

    def plain(self, kept: tuple[Any, Any], mask: None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """A dict of both."""
        return {"value": self.kind.plain(kept[0]), "mask": self.kind.plain_mask(kept[1])}, None

    def show(self, kept: tuple[Any, Any], mask: None, style: Style) -> str:
        """Return ``value/mask``."""
        shown = self.kind.show(kept[0])
        if self.kind.is_full(kept[1]) and not self.always_mask:
            return shown
        return f"{shown}/{self.kind.show_mask(kept[1])}"

    def scan(self, scanner: Scanner) -> tuple[tuple[Any, Any], None]:
        """Take ``value`` or ``value/mask``."""
        return scan_value_and_mask(self.kind, scanner), None


class NameType(AttrType[str]):
    """A name of 1 to `longest` bytes, with a NUL behind it."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def decode(self, data: bytes) -> str:
        """Return what stands before the NUL."""
        text, nul, _ = data.partition(b"\0")
        if not nul or not 0 < len(text) <= self.longest:
            raise DecodeError(f"expected a name of 1 to {self.longest} bytes and a NUL, found {data!r}")
        return text.decode("utf-8", "surrogateescape")

    def encode(self, kept: str) -> bytes:
        """Put a NUL behind the name."""
        return kept.encode("utf-8", "surrogateescape") + b"\0"

    def keep(self, value: object) -> str:
        """Accept text that can stand in the text form."""
        if not isinstance(value, str) or not _WORD.fullmatch(value) or "\0" in value:
            raise EncodeError(f"expected a name, not {brief(value)}")
        try:
            size = len(value.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            raise EncodeError(f"{brief(value)} has no form in bytes") from None
        if size > self.longest:
            raise EncodeError(f"{brief(value)} is longer than {self.longest} bytes")
        return value

    def full(self, kept: str) -> None:
        """A name has no mask."""
        return

    def plain(self, kept: str, mask: None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """The name."""
        return kept, None

    def show(self, kept: str, mask: None, style: Style) -> str:
        """Return the name."""
        return kept

    def scan(self, scanner: Scanner) -> tuple[str, None]:
        """Take what stands before the next separator."""
        start = scanner.position
        name = scanner.require(_WORD, "a name")
        try:
            return self.keep(name), None
        except EncodeError as error:
            scanner.fail(error.reason, position=start)


class Ct(NestAction, number=ActionAttr.CT, word="ct"):
    """Track the packet's connection; see ``enum ovs_ct_attr``.

    ``mark`` and ``labels`` are set, whole or under a mask, when a connection is committed. ``eventmask`` chooses
    the events that are reported; Open vSwitch's text form does not tell it.
    """

    __slots__ = ()

    UNTOLD = ("eventmask",)

    commit = Attr(CtAttr.COMMIT, Empty())
    force_commit = Attr(CtAttr.FORCE_COMMIT, Empty())
    zone = Attr(CtAttr.ZONE, Scalar(_U16, "="))
    mark = Attr(CtAttr.MARK, MaskedType(UInt(32, "x", radix=16), 4, always_mask=True))
    labels = Attr(CtAttr.LABELS, MaskedType(LABELS, 16, always_mask=False), "label")
    helper = Attr(CtAttr.HELPER, NameType(15))
    eventmask = Attr(CtAttr.EVENTMASK, Scalar(U32X, "="))
    timeout = Attr(CtAttr.TIMEOUT, NameType(31))
    nat = Attr(CtAttr.NAT, NatType())

    def show(self, style: Style) -> str:
        """Return ``ct``, with its arguments in parentheses where it has any."""
        arguments = self.show_arguments(style)
        return f"ct({','.join(arguments)})" if arguments else "ct"

    def show_arguments(self, style: Style) -> list[str]:
        """Leave out zone 0, which is the same as none."""
        told = self.replace(zone=self.zone or None, nat=None)
        arguments = super(Ct, told).show_arguments(style)
        return arguments if self.nat is None else [*arguments, self.nat.show()]

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the arguments, where there are any."""
        return super().scan(scanner) if scanner.looking_at("(") else cls()

    @classmethod
    def scan_arguments(cls, scanner: Scanner) -> dict[int, Any]:
        """Leave out what changes nothing: zone 0, and a mark or labels whose mask is empty."""
        start = scanner.position
        kept = super().scan_arguments(scanner)
        if CtAttr.COMMIT in kept and CtAttr.FORCE_COMMIT in kept:
            scanner.fail("ct takes commit or force_commit, not both", position=start)
        without_effect = {
            CtAttr.ZONE: kept.get(CtAttr.ZONE) == 0,
            CtAttr.MARK: CtAttr.MARK in kept and kept[CtAttr.MARK][1] == 0,
            CtAttr.LABELS: CtAttr.LABELS in kept and kept[CtAttr.LABELS][1] == LABELS.zero,
        }
        return {number: value for number, value in kept.items() if not without_effect.get(CtAttr(number))}

    @classmethod
    def scan_one(cls, scanner: Scanner) -> tuple[int, Any]:
        """Take one argument; ``nat`` may go without parentheses."""
        attr = cls.scan_name(scanner)
        if attr.number == CtAttr.NAT:
            return int(attr.number), Nat.scan(scanner)
        return int(attr.number), scan_unmasked(attr, scanner)
