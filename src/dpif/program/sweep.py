"""Growing old: which flows were hit, which are idle or over, and how many there may be.

With many flows a look at all of them takes a while, so it is done in parts, between which packets have their turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from dpif._typing import TYPE_CHECKING
from dpif.errors import DumpInterrupted

if TYPE_CHECKING:
    from dpif.client import Datapath, TerseFlow
    from dpif.program.flow import Megaflow
    from dpif.program.keeper import Keeper

__all__ = ["Sweep"]

_PART = 64
"""Flows that are looked at without a pause."""
_CROWDED_IDLE = 0.1
"""Seconds that a flow may be idle while there are more of them than the limit."""


class Sweep:
    """One look at all flows of a keeper; ``took`` are the seconds that it cost so far."""

    def __init__(self, keeper: Keeper, datapath: Datapath) -> None:
        self.took = 0.0
        self._keeper = keeper
        self._datapath = datapath
        self._clock = keeper.site.clock
        self._now = self._clock()
        self._parts = self._look()

    def advance(self) -> bool:
        """Do a part; return whether there are more."""
        self._now = self._clock()  # for all flows of the part: to ask for each takes longer than to look at it
        try:
            return next(self._parts, self) is None
        finally:
            self.took += self._clock() - self._now

    def _look(self) -> Iterator[None]:
        for flow in (yield from self._note_hits()):
            self._keeper.remove(flow, "it is not in the datapath any more")
        yield from self._remove_those_over()
        self._keeper.tidy_up(self._now)

    def _note_hits(self) -> Generator[None, None, set[Megaflow]]:
        """Update flows and entries from the datapath's counters; return the flows that it does not have."""
        flows = self._keeper.flows
        unseen = set(self._keeper.written_flows())
        try:
            for count, shown in enumerate(self._datapath.flows.dump(terse=True), 1):
                flow = flows.get(shown.record.ufid or b"")
                if flow is not None:
                    unseen.discard(flow)
                    self._note_hit(flow, shown)
                if not count % _PART:
                    yield
        except DumpInterrupted:
            return set()
        return unseen

    def _note_hit(self, flow: Megaflow, shown: TerseFlow) -> None:
        if shown.packets > flow.packets:
            flow.hit_at = self._now
            for table, key, entry in flow.shape.touched:
                table.refresh(key, entry, self._now)
        flow.packets = shown.packets

    def _remove_those_over(self) -> Iterator[None]:
        at_most = self._keeper.options.idle if not self._keeper.is_crowded else _CROWDED_IDLE
        for count, flow in enumerate(list(self._keeper.flows), 1):
            reason = _why_over(flow, self._now, at_most, self._keeper.options.idle)
            if reason:
                self._keeper.expire(flow, reason)
            if not count % _PART:
                yield


def _why_over(flow: Megaflow, now: float, at_most: float, usual: float) -> str:
    """Return why the time of a flow is over, empty when it is not."""
    idle, hard = flow.shape.idle, flow.shape.hard
    if idle is None or at_most < usual:
        idle = at_most
    if now - flow.hit_at >= idle:
        return "idle"
    return "its time is over" if hard is not None and now - flow.born_at >= hard else ""
