"""Flows at random, right and mostly wrong, for comparing those who judge them.

Keys are the given ones with attributes taken out, put in from other keys, or with changed bytes; masks are exact
masks treated the same way. Lists of actions are drawn from a pool that has each action with good and bad values.
All is drawn from a `random.Random`, so that a seed repeats a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from dpif._typing import Any
from dpif.errors import DecodeError
from dpif.odp.actions import Action, Actions, Clone, DecTtl, Sample
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layers import CtTuple4, CtTuple6
from dpif.testing.rule_cases import ACTIONS, RuleCase

_NESTS = frozenset({KeyAttr.ENCAP, KeyAttr.TUNNEL, KeyAttr.NSH})
_BYTES = (0, 0, 1, 2, 6, 17, 58, 132, 255)
_DEPTH = 3


class OddFlows:
    """Draws matches made of `keys`, and the actions of `cases`."""

    def __init__(self, random: Random, keys: Sequence[FlowKey], cases: Sequence[RuleCase] = ACTIONS) -> None:
        self._random = random
        self._keys = keys
        self._pool: dict[int, list[Any]] = {
            KeyAttr.CT_ORIG_TUPLE_IPV4: [CtTuple4(src="10.0.0.1", proto=6)],
            KeyAttr.CT_ORIG_TUPLE_IPV6: [CtTuple6(src="::1", proto=6)],
        }
        for key in keys:
            self._collect(key)
        self._outside = [action for case in cases for action in case.actions]
        self._inside = [action for action in self._outside if "check_pkt_len" not in str(action)]

    def _collect(self, key: FlowKey) -> None:
        for number, kept in key.kept():
            self._pool.setdefault(number, []).append(kept)
            if number == KeyAttr.ENCAP:
                self._collect(kept)

    def key(self) -> FlowKey:
        """Return one of the keys, as it is."""
        return self._random.choice(self._keys)

    def match(self) -> tuple[FlowKey, FlowMask | None]:
        """Return a key and a mask, or no mask."""
        key = self._mutate(self.key())
        if self._random.random() < 0.2:
            return key, None
        return key, self.mask(key)

    def mask(self, key: FlowKey) -> FlowMask:
        """Return the exact mask of `key` with attributes and bits left out, and now and then others put in."""
        kept: dict[int, Any] = {}
        for number, full in key.full_mask().kept():
            if self._random.random() < 0.3:
                continue
            if number == KeyAttr.ENCAP:
                full = self.mask(key.get_kept(number))
            elif number not in _NESTS and self._random.random() < 0.1:
                full = self._change(number, full)
            kept[number] = full
        mask = FlowKey.of_kept(kept)
        return FlowMask.of_kept(dict((self._mutate(mask) if self._random.random() < 0.4 else mask).kept()))

    def _mutate(self, key: FlowKey) -> FlowKey:
        kept = dict(key.kept())
        for _ in range(self._random.choice((0, 0, 1, 1, 2))):
            choice = self._random.random()
            if choice < 0.35 and kept:
                del kept[self._random.choice(list(kept))]
            elif choice < 0.6 or not kept:
                number = self._random.choice(list(self._pool))
                kept[number] = self._random.choice(self._pool[number])
            else:
                number = self._random.choice(list(kept))
                kept[number] = self._change(number, kept[number])
        return FlowKey.of_kept(kept)

    def _change(self, number: int, kept: Any) -> Any:
        """Return a value with one byte changed, or a nest with one attribute less."""
        if number == KeyAttr.ENCAP:
            return self._mutate(kept)
        if number in _NESTS:
            inner = dict(kept.kept())
            inner.pop(self._random.choice(list(inner) or [0]), None)
            return kept.of_kept(inner)
        kind = FlowKey.type_of(number)
        data = bytearray(kind.encode(kept))
        if data:
            data[self._random.randrange(len(data))] = self._random.choice(_BYTES)
        try:
            return kind.decode(bytes(data))
        except DecodeError:
            return kept

    def actions(self, depth: int = 0) -> Actions:
        """Return one to three actions, some of them inside others.

        check_pkt_len is never inside another action: a refused ``set`` in ``clone(check_pkt_len(...))`` panics
        Linux 6.1.
        """
        count = self._random.choice((1, 1, 1, 2, 2, 3))
        return Actions([self._action(depth) for _ in range(count)])

    def _action(self, depth: int) -> Action:
        if depth == _DEPTH or self._random.random() > 0.15:
            return self._random.choice(self._inside if depth else self._outside)
        actions = self.actions(depth + 1)
        return self._random.choice((Clone, DecTtl, _sample))(actions)


def _sample(actions: Actions) -> Sample:
    return Sample(probability=1, actions=actions)
