"""Checks of a program while it runs: that it is a function, and that its masks tell all that it read.

A sample of decisions is made twice; a function that takes the time, a random number or a variable into account
comes to two of them. With `Options.check` each new mask is tried out, too: another packet that it matches must have
the same decision and the same mask. What is found is told once, and counted.
"""

from __future__ import annotations

import contextlib
from random import Random

from dpif._typing import TYPE_CHECKING
from dpif.program.decide import Decider, Outcome
from dpif.program.options import Counts, Options
from dpif.program.trace import WouldChange

if TYPE_CHECKING:
    from dpif.program.layout import Layout

__all__ = ["Checker"]

_SAMPLE = 64
"""One decision in so many is made twice."""
_IMPURE = (
    "the function does not depend on the packet and its tables alone: run twice, it came to two decisions. "
    "Keep what it takes from elsewhere (the time, random numbers, variables) in a table, or return consume()."
)
_NARROW = (
    "a mask is too wide: two packets that it matches have two decisions. "
    "The function reads something of the packet past the library; take fields by their names."
)


class Checker:
    """Checks decisions of one program."""

    def __init__(self, decider: Decider, options: Options, counts: Counts) -> None:
        self._decider = decider
        self._options = options
        self._counts = counts
        self._told: set[str] = set()
        self._random = Random(0)

    def check(self, outcome: Outcome, layout: Layout, number: int) -> None:
        """Check a decision, if it is one of the sample or all are to be checked."""
        if not outcome.cached or not (self._options.check or self._counts.upcalls % _SAMPLE == 0):
            return
        if not self._is_same(outcome, layout, number):
            self._tell(_IMPURE)
        elif self._options.check and not self._is_same(outcome, layout, self._alike(outcome, layout, number)):
            self._tell(_NARROW)

    def _is_same(self, outcome: Outcome, layout: Layout, number: int) -> bool:
        with contextlib.suppress(WouldChange):
            again = self._decider.decide(layout, number)
            return again.trace.mask == outcome.trace.mask and again.shape.actions == outcome.shape.actions
        return False

    def _alike(self, outcome: Outcome, layout: Layout, number: int) -> int:
        """Return the key of another packet that agrees on what was read."""
        free = layout.fields & ~outcome.trace.mask
        return number & ~free | self._random.getrandbits(8 * layout.size) & free

    def _tell(self, what: str) -> None:
        self._counts.impure += 1
        if what not in self._told:
            self._told.add(what)
            self._options.report(what)
