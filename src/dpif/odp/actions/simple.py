"""The actions whose payload is one number, or nothing at all."""

from __future__ import annotations

import struct

from dpif._typing import TYPE_CHECKING, ClassVar
from dpif.errors import DecodeError, EncodeError, brief
from dpif.odp.actions.base import Action
from dpif.odp.constants.actions import ActionAttr, XlateError
from dpif.odp.model.attrs import Style
from dpif.odp.model.kinds import Plain, sharp

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source

_U32 = struct.Struct("=I")


class Number(Action):
    """An action whose payload is one u32 in host order, ``value``; its text is ``word(number)``."""

    __slots__ = ("value",)

    radix: ClassVar[int] = 0
    """How a text's number is read (`Scanner.integer`)."""

    def __init__(self, value: int) -> None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            raise EncodeError(f"{brief(value)} is not a number of 32 bits", type(self).__name__)
        self.value = int(value)

    def payload(self) -> bytes:
        """Pack the number."""
        return _U32.pack(self.value)

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Unpack the number."""
        if len(data) != _U32.size:
            raise DecodeError(f"expected 4 bytes, found {len(data)}")
        return cls(_U32.unpack(data)[0])

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Take the number."""
        return source.make(cls, value=source.take("=", "I", start))

    def plain(self) -> Plain:
        """The number."""
        return self.value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value})"

    def show(self, style: Style) -> str:
        """Return ``word(number)``."""
        return f"{self.word}({self.value})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the number in parentheses."""
        scanner.expect("(")
        value = scanner.integer(0xFFFFFFFF, base=cls.radix)
        scanner.expect(")")
        return cls(value)


class Output(Number, number=ActionAttr.OUTPUT):
    """Send the packet out of port ``value``."""

    __slots__ = ()

    @property
    def port(self) -> int:
        """The port's number."""
        return self.value

    def show(self, style: Style) -> str:
        """Return the number, or the port's name where it is known."""
        return style.port(self.value)

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take a bare number, or the name of a known port."""
        return cls(scanner.port())


class Recirc(Number, number=ActionAttr.RECIRC, word="recirc"):
    """Look the packet up again with recirculation id ``value``."""

    __slots__ = ()

    radix = 10

    def __repr__(self) -> str:
        return f"Recirc({self.value:#x})"

    def show(self, style: Style) -> str:
        """The id is hexadecimal."""
        return f"recirc({sharp(self.value)})"


class Trunc(Number, number=ActionAttr.TRUNC, word="trunc"):
    """Cut the packet to ``value`` bytes on its next output; the kernel asks for at least 14."""

    __slots__ = ()


class Meter(Number, number=ActionAttr.METER, word="meter"):
    """Pass the packet through meter ``value``, which may drop it."""

    __slots__ = ()


class Drop(Number, number=ActionAttr.DROP, word="drop"):
    """Drop the packet for the reason ``value``, 0 for none in particular; kernels from 6.7 on know it.

    To the kernel, the reason is any number. ovs-vswitchd gives those of `XlateError`; a text may have their names,
    ``drop(stack_too_deep)``. Open vSwitch shows ``drop`` whatever the reason; here it is told where there is one,
    ``drop(4)``. By itself ``drop`` is read as no actions at all, which every kernel knows; among others it is the
    action.
    """

    __slots__ = ()

    def __init__(self, value: int = 0) -> None:
        super().__init__(value)

    @property
    def reason(self) -> XlateError | None:
        """What the number means if ovs-vswitchd gave it; None where it has no such number."""
        try:
            return XlateError(self.value)
        except ValueError:
            return None

    def show(self, style: Style) -> str:
        """Return ``drop``, and the reason if there is one or the style is exact."""
        return super().show(style) if self.value or style.exact else self.word

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the reason in parentheses, where there is one: a number, or the name of a `XlateError`."""
        if not scanner.take("("):
            return cls()
        reason = scanner.integer(0xFFFFFFFF, "a number or a reason") if scanner.at_digit() else _scan_reason(scanner)
        scanner.expect(")")
        return cls(reason)


def _scan_reason(scanner: Scanner) -> int:
    start = scanner.position
    word = scanner.word("a number or a reason")
    names = {reason.name.lower(): int(reason) for reason in XlateError}
    if word not in names:
        scanner.unknown(word, names, "reason", start)
    return names[word]


class LbOutput(Number, number=ActionAttr.LB_OUTPUT, word="lb_output"):
    """Send the packet out of a port of the bond ``value``; for userspace datapaths."""

    __slots__ = ()

    radix = 10


class TunnelPop(Number, number=ActionAttr.TUNNEL_POP, word="tnl_pop"):
    """Take the outer headers off and let the packet come in by the tunnel port ``value``; userspace datapaths."""

    __slots__ = ()

    @property
    def port(self) -> int:
        """The port's number."""
        return self.value

    def show(self, style: Style) -> str:
        """The port's name is shown where it is known."""
        return f"tnl_pop({style.port(self.value)})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take a number, or the name of a known port, in parentheses."""
        scanner.expect("(")
        port = scanner.port()
        scanner.expect(")")
        return cls(port)


class Bare(Action):
    """An action without a payload; its text is its word, and ``()`` where ``parentheses`` is true."""

    __slots__ = ()

    parentheses: ClassVar[bool] = False

    def payload(self) -> bytes:
        """Nothing to say."""
        return b""

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Nothing to read."""
        if data:
            raise DecodeError(f"expected no payload, found {len(data)} bytes")
        return cls()

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """One does for all of them."""
        return source.name(cls())

    def plain(self) -> Plain:
        """There is nothing to say but that it is there."""
        return True

    def show(self, style: Style) -> str:
        """Return the word."""
        return f"{self.word}()" if self.parentheses else self.word

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the parentheses that may be there; without them, too, it is plain what is meant."""
        if cls.parentheses and scanner.looking_at("("):
            scanner.expect("()")
        return cls()


class PopVlan(Bare, number=ActionAttr.POP_VLAN, word="pop_vlan"):
    """Take the outermost VLAN tag off."""

    __slots__ = ()


class PopEth(Bare, number=ActionAttr.POP_ETH, word="pop_eth"):
    """Take the Ethernet header off."""

    __slots__ = ()


class PopNsh(Bare, number=ActionAttr.POP_NSH, word="pop_nsh"):
    """Take the network service header off."""

    __slots__ = ()

    parentheses = True


class CtClear(Bare, number=ActionAttr.CT_CLEAR, word="ct_clear"):
    """Forget what connection tracking found about the packet."""

    __slots__ = ()
