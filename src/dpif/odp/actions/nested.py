"""The actions that hold other actions: sample, clone, check_pkt_len, dec_ttl; and psample."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from dpif._typing import TYPE_CHECKING, Any, Self
from dpif.errors import EncodeError, brief
from dpif.netlink.attributes import attribute
from dpif.netlink.constants import NLA_F_NESTED
from dpif.odp.actions.base import Action, ActionList, NestAction
from dpif.odp.actions.hexadecimal import scan_hex, show_hex
from dpif.odp.constants import (
    OVS_PSAMPLE_COOKIE_MAX_SIZE,
    ActionAttr,
    CheckPktLenAttr,
    DecTtlAttr,
    PsampleAttr,
    SampleAttr,
)
from dpif.odp.model.attrs import Opaque, Scalar, Style
from dpif.odp.model.kinds import U16, U32, Kind, Plain, Raw
from dpif.odp.model.nest import Attr
from dpif.odp.model.scanner import Scanner

if TYPE_CHECKING:
    from dpif.odp.model.source import Source

_PERCENTAGE = re.compile(r"[0-9]++(?:\.[0-9]*+)?|\.[0-9]++")
_ALWAYS = 0xFFFFFFFF
_DECIMALS = 8
"""So many decimals of a percentage tell every probability."""


class _Probability(Kind[int]):
    """A probability from 0 to 2**32 - 1, shown in per cent."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("I", 4, _ALWAYS, "a percentage such as 9.7%")

    def value(self, raw: Raw) -> int:
        """Return `raw` itself."""
        return int(raw)

    def raw(self, value: object) -> Raw:
        """Accept what a u32 holds."""
        return U32.raw(value)

    def show(self, raw: Raw) -> str:
        """Format with one decimal."""
        return _percentage(raw, 1)

    def show_exactly(self, raw: Raw) -> str:
        """Format with as few decimals as tell the probability, at least one."""
        shown = (_percentage(raw, decimals) for decimals in range(1, _DECIMALS + 1))
        return next(text for text in shown if probability(float(text[:-1])) == raw)

    def plain(self, raw: Raw) -> Plain:
        """A number, which its text rounds."""
        return int(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take a decimal number and a per cent sign."""
        start = scanner.position
        percentage = float(scanner.require(_PERCENTAGE, self.what))
        if percentage > 100:
            scanner.fail(f"{percentage}% is more than 100%", position=start)
        scanner.expect("%")
        return probability(percentage)


def _percentage(raw: Raw, decimals: int) -> str:
    return f"{100.0 * raw / _ALWAYS:.{decimals}f}%"


def probability(percentage: float) -> int:
    """Return the probability of `percentage` (0 to 100) as the datapath counts it, 0 to 2**32 - 1."""
    return min(max(math.floor(_ALWAYS * (percentage / 100.0) + 0.5), 0), _ALWAYS)


class _ProbabilityType(Scalar[int]):
    """A probability as an argument; Open vSwitch rounds it."""

    def __init__(self) -> None:
        self._probability = _Probability()
        super().__init__(self._probability, "=")

    def show(self, kept: Raw, mask: Any, style: Style) -> str:
        """Return a percentage with one decimal, or when the style is exact with more."""
        return self._probability.show_exactly(kept) if style.exact else self._probability.show(kept)


class Sample(NestAction, number=ActionAttr.SAMPLE, word="sample"):
    """Do ``actions`` with ``probability`` (out of 2**32 - 1); what they change is undone behind them."""

    __slots__ = ()

    REQUIRED = ("probability", "actions")

    probability = Attr(SampleAttr.PROBABILITY, _ProbabilityType(), "sample")
    actions = Attr(SampleAttr.ACTIONS, ActionList())

    @classmethod
    def percent(cls, percentage: float, actions: Iterable[Action]) -> Self:
        """Return the action with a probability in per cent."""
        if not 0 <= percentage <= 100:
            raise EncodeError(f"expected a percentage from 0 to 100, not {brief(percentage)}", "Sample.probability")
        return cls(probability=probability(percentage), actions=actions)


class Clone(Action, number=ActionAttr.CLONE, word="clone"):
    """Do ``actions`` on a copy of the packet."""

    __slots__ = ("actions",)

    def __init__(self, actions: Iterable[Action] | Action) -> None:
        self.actions = _LIST.keep(actions)

    def payload(self) -> bytes:
        """Encode the actions."""
        return self.actions.to_bytes()

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode the actions."""
        return cls(_LIST.decode(data))

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Read every action where it stands."""
        return source.make(cls, actions=_LIST.read_in(source, start, end))

    def plain(self) -> Plain:
        """A list of the actions."""
        return self.actions.plain()

    def show(self, style: Style) -> str:
        """Return ``clone(actions)``."""
        return f"clone({self.actions.show(style)})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the actions in parentheses."""
        scanner.expect("(")
        actions, _ = _LIST.scan(scanner)
        scanner.expect(")")
        return cls(actions)


_LIST = ActionList()


class CheckPktLen(NestAction, number=ActionAttr.CHECK_PKT_LEN, word="check_pkt_len"):
    """Do ``greater`` with packets longer than ``size`` bytes, and ``less_equal`` with the others."""

    __slots__ = ()

    REQUIRED = ("size", "greater", "less_equal")

    size = Attr(CheckPktLenAttr.PKT_LEN, Scalar(U16, "="))
    greater = Attr(CheckPktLenAttr.ACTIONS_IF_GREATER, ActionList(), "gt")
    less_equal = Attr(CheckPktLenAttr.ACTIONS_IF_LESS_EQUAL, ActionList(), "le")


class DecTtl(NestAction, number=ActionAttr.DEC_TTL, word="dec_ttl"):
    """Take one off the TTL, or do ``actions`` with a packet whose TTL is 1 or less."""

    __slots__ = ()

    REQUIRED = ("actions",)

    actions = Attr(DecTtlAttr.ACTION, ActionList(), "le_1")

    def __init__(self, actions: Iterable[Action] | Action) -> None:
        super().__init__(actions=actions)


class _Cookie(Opaque):
    """Up to 16 bytes, as one hexadecimal number."""

    longest = OVS_PSAMPLE_COOKIE_MAX_SIZE

    def show(self, kept: bytes, mask: Any, style: Style) -> str:
        """Return the bytes behind ``0x``; Open vSwitch shows them without leading zeros."""
        return show_hex(kept, style)

    def scan(self, scanner: Scanner) -> tuple[bytes, bytes]:
        """Take hexadecimal digits, behind ``0x`` or whole bytes of them without."""
        value = scan_hex(scanner, self.longest)
        return value, self.full(value)


class Psample(NestAction, number=ActionAttr.PSAMPLE, word="psample"):
    """Send a copy to the psample group ``group`` with ``cookie`` (up to 16 bytes); kernels from 6.11 on."""

    __slots__ = ()

    REQUIRED = ("group",)

    group = Attr(PsampleAttr.GROUP, Scalar(U32, "="))
    cookie = Attr(PsampleAttr.COOKIE, _Cookie())

    def to_bytes(self) -> bytes:
        """Return the action as an attribute; unlike older ones it must say that it is a nest."""
        return attribute(self.number | NLA_F_NESTED, self.payload())
