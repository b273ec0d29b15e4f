"""What is known of the packets that come out of a flow: what it matches, but for what its actions change.

`Facts` are attributes with their masks. They say whether such packets may match another flow, and which part of
its match they fulfil anyway. They err on the safe side: what is not certain is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dpif._typing import Any, NamedTuple, TypeVar
from dpif.odp.actions import (
    Action,
    Actions,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Drop,
    Hash,
    LbOutput,
    Meter,
    Output,
    Psample,
    Recirc,
    Sample,
    Set,
    SetMasked,
    Trunc,
    Userspace,
)
from dpif.odp.constants import FragType, KeyAttr
from dpif.odp.filter.fields import all_actions
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.nest import Nested

K = TypeVar("K", bound=FlowKey)
Masks = tuple[tuple[int, int], ...]
"""Attributes by number, each with bits of it."""

_HARMLESS = (Output, Recirc, Userspace, Trunc, Meter, Sample, Clone, CheckPktLen, Psample, Drop, LbOutput)
"""Actions that leave the packet and its metadata alone; those within some of them are looked at by themselves."""
_CT = frozenset(
    {
        KeyAttr.CT_STATE,
        KeyAttr.CT_ZONE,
        KeyAttr.CT_MARK,
        KeyAttr.CT_LABELS,
        KeyAttr.CT_ORIG_TUPLE_IPV4,
        KeyAttr.CT_ORIG_TUPLE_IPV6,
    }
)
_IP = frozenset({KeyAttr.IPV4, KeyAttr.IPV6})
_TRANSPORT = frozenset({KeyAttr.TCP, KeyAttr.TCP_FLAGS, KeyAttr.UDP, KeyAttr.SCTP, KeyAttr.ICMP, KeyAttr.ICMPV6})
_KEPT_BY_ALL = frozenset({KeyAttr.IN_PORT})
"""What is still known behind an action that changes headers in a way that is not followed here."""


class _Fact(NamedTuple):
    """A value and its mask, as they are kept; and as numbers, to compare them by bits, where that means something."""

    kept: Any
    mask: Any
    bits: int | None
    matched: int

    @classmethod
    def of(cls, number: int, kept: Any, mask: Any) -> _Fact:
        type_ = FlowKey.type_of(number)
        if isinstance(type_, Nested) or number == KeyAttr.MPLS:
            return cls(kept, mask, None, 1)
        return cls(kept, mask, _number(type_.encode(kept)), _number(type_.encode(mask)))


def _number(encoded: bytes) -> int:
    return int.from_bytes(encoded, "big")


class Facts:
    """What is known of packets: attributes of the key, each with a mask."""

    __slots__ = ("_facts", "_masks")

    def __init__(self, facts: Mapping[int, _Fact]) -> None:
        self._facts = facts
        self._masks: Masks | None = None

    @classmethod
    def of(cls, key: FlowKey, mask: FlowMask) -> Facts:
        """Return what a flow with that key and mask says of its packets."""
        masks = dict(mask.kept())
        zero = {number: FlowKey.type_of(number).zero(kept) for number, kept in key.kept() if number not in masks}
        return cls({number: _Fact.of(number, kept, (masks | zero)[number]) for number, kept in key.kept()})

    @property
    def masks(self) -> Masks:
        """The bits that are known of each attribute, of those that can be compared by bits."""
        if self._masks is None:
            found = [(number, fact.matched) for number, fact in self._facts.items() if fact.bits is not None]
            self._masks = tuple(sorted([(number, matched) for number, matched in found if matched]))
        return self._masks

    def values(self, masks: Masks) -> tuple[int, ...]:
        """Return the values of some bits, all of which are known."""
        return tuple([(self._facts[number].bits or 0) & bits for number, bits in masks])

    def told(self, other: Facts) -> frozenset[int]:
        """Return the attributes of which `other` says nothing but what is known."""
        mine = self._facts
        return frozenset(
            number
            for number, fact in other._facts.items()
            if number in mine and (fact.kept, fact.mask) == (mine[number].kept, mine[number].mask)
        )

    def and_also(self, other: Facts) -> Facts:
        """Return both; where `other` says something of an attribute, that counts."""
        return Facts({**self._facts, **{number: fact for number, fact in other._facts.items() if fact.matched != 0}})

    def of_nothing(self) -> frozenset[int]:
        """Return the attributes of which no bit matters."""
        return frozenset(number for number, fact in self._facts.items() if not fact.matched)

    def only(self, attributes: frozenset[int]) -> Facts:
        """Return what is known of some attributes."""
        return Facts({number: fact for number, fact in self._facts.items() if number in attributes})

    def less(self, attribute: int) -> Facts:
        """Return what is known of the others."""
        return Facts({number: fact for number, fact in self._facts.items() if number != attribute})

    def after(self, actions: Actions) -> Facts:
        """Return what is left of this when the actions are done."""
        known = self._facts
        for action in all_actions(actions):
            if not isinstance(action, _HARMLESS):
                known = self._less(known, action)
        return Facts(known)

    def _less(self, known: Mapping[int, _Fact], action: Action) -> Mapping[int, _Fact]:
        changed: Iterable[int]
        if isinstance(action, (Set, SetMasked)):
            changed = [number for number, _ in action.key.kept()]
        elif isinstance(action, Ct):
            changed = _CT | (_IP | _TRANSPORT if action.nat is not None or not self._is_whole() else frozenset())
        elif isinstance(action, CtClear):
            changed = _CT
        elif isinstance(action, Hash):
            changed = [KeyAttr.DP_HASH]
        elif isinstance(action, DecTtl):
            changed = _IP
        else:
            changed = known.keys() - _KEPT_BY_ALL
        return {number: fact for number, fact in known.items() if number not in changed}

    def _is_whole(self) -> bool:
        """Tell whether the packets are known to be no fragments, which conntrack would put together."""
        for number in _IP:
            fact = self._facts.get(number)
            if fact is not None:
                return bool(fact.mask.frag) and fact.kept.frag == FragType.NONE
        return False


def without(key: K, attributes: frozenset[int]) -> K:
    """Return a key, or a mask, without some attributes."""
    return type(key).of_kept({number: kept for number, kept in key.kept() if number not in attributes})
