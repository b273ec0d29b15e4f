"""What becomes of the packets that come up: each is decided on, its decision made a flow, and the packet sent on.

A packet that makes the function fail is dropped, and those like it for a moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable

from dpif._typing import TYPE_CHECKING
from dpif.client import Execute, Operation, Upcall
from dpif.errors import DecodeError
from dpif.program.checks import Checker
from dpif.program.decide import Decider, Outcome, Stranger
from dpif.program.flow import NOTHING
from dpif.program.keeper import Keeper
from dpif.program.layout import layout_of
from dpif.program.options import Counts, Options
from dpif.program.trace import WouldChange

if TYPE_CHECKING:
    from dpif.program.layout import Layout

__all__ = ["Intake"]

_ERROR_SECONDS = 1.0
"""How long packets like one that made the function fail are dropped without asking it again."""


class Intake:
    """Takes the packets of one program; `report` is told of what its function raises."""

    def __init__(
        self, decider: Decider, keeper: Keeper, options: Options, counts: Counts, report: Callable[[Exception], None]
    ) -> None:
        self._decider = decider
        self._keeper = keeper
        self._options = options
        self._counts = counts
        self._report = report
        self._site = decider.program.site
        self._checker = Checker(decider, options, counts)

    def take(self, upcalls: Iterable[Upcall], ports: Container[int]) -> list[Operation]:
        """Decide on packets, and have the keeper make flows of that; return what sends them on."""
        site = self._site
        site.batch_began = site.clock()
        try:
            return [send for upcall in upcalls if (send := self._take(upcall, ports)) is not None]
        finally:
            site.batch_began = None

    def _take(self, upcall: Upcall, ports: Container[int]) -> Operation | None:
        self._counts.upcalls += 1
        key = upcall.record.key or b""
        new = None
        try:
            layout, number = layout_of(key)
            if layout.places["in_port"].number(number) not in ports:
                return None  # its port is gone, and what it would teach is over
            with self._site.lock:  # a change between the decision and its flow would be missed
                outcome = self._decide(layout, number, upcall.packet)
                if outcome.cached:
                    new = self._keeper.remember(outcome, key, number)
                else:
                    self._counts.uncached += 1
        except DecodeError:
            return None
        except Stranger:
            self._counts.strangers += 1
            return None
        if new is not None and self._options.on_flow:
            self._options.on_flow(new, outcome)
        actions = outcome.shape.actions
        return Execute(upcall.packet, actions, key, mru=upcall.record.mru) if actions else None

    def _decide(self, layout: Layout, number: int, data: bytes) -> Outcome:
        try:
            outcome = self._decider.decide(layout, number, data, live=True, explain=self._options.explain)
            if outcome.trace.changed and outcome.cached:
                outcome = self._decide_once_more(outcome, layout, number)
        except Stranger:
            raise
        except Exception as error:
            return self._failed(error)
        self._checker.check(outcome, layout, number)
        return outcome

    def _decide_once_more(self, first: Outcome, layout: Layout, number: int) -> Outcome:
        """Decide anew for the flow, as the function changed what it had read; its packet goes by the first one."""
        with contextlib.suppress(WouldChange):
            again = self._decider.decide(layout, number, explain=self._options.explain)
            if again.shape.actions == first.shape.actions:
                return again
        first.cached = False  # the next packet comes up, and makes the flow
        return first

    def _failed(self, error: Exception) -> Outcome:
        """Drop what made the function fail, for a moment: the mask of the failed run says what is like it."""
        self._counts.failed += 1
        self._report(error)
        trace = error.__dict__["dpif_trace"]
        shape = NOTHING._replace(deps=tuple(trace.deps), hard=_ERROR_SECONDS)
        return Outcome(trace, shape, cached=not trace.uncached)
