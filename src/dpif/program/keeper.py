"""The flows of a program, kept in line with what it decides: new ones and stale ones; `sweep` looks at idle ones.

When a table changes, the flows that hang on what changed are decided again, from the key of the packet that they were
made for. A flow whose mask stays the same is kept or given other actions; any other is deleted, and its next packet
makes a new one. That is done in slices, so that packets do not wait; busy flows come first.

The `Keeper` only notes what is to be written; the runner writes it, what is stale before what is new.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from dpif._typing import TYPE_CHECKING
from dpif.client import Delete, Operation, Put
from dpif.program.decide import Decider, Outcome, Stranger
from dpif.program.flow import Megaflow, MegaflowTable, identify
from dpif.program.leftovers import Leftovers
from dpif.program.options import Counts, Deleted, Options
from dpif.program.sweep import Sweep
from dpif.program.trace import WouldChange

if TYPE_CHECKING:
    from dpif.client import Datapath

__all__ = ["Keeper"]

_SLICE = 0.005
"""Seconds of deciding again between two batches of packets."""
_MANY = 2000
"""Of more stale flows than this the others are deleted: to have their packets come up is cheaper than to decide."""
_PART = 64
_REMOVALS_AT_ONCE = 1000
_DELETED_KEPT = 1000
_SHARE_AT_LEAST = 1000
"""Flows that a port may have in any case."""


class Keeper:
    """The flows of one program on one datapath. ``deleted`` are those that were taken back last, with the reasons."""

    def __init__(
        self, decider: Decider, options: Options, counts: Counts, report: Callable[[Exception], None]
    ) -> None:
        self.flows = MegaflowTable()
        self.deleted: deque[Deleted] = deque(maxlen=_DELETED_KEPT)
        self._decider = decider
        self.site = decider.program.site
        self.options = options
        self._counts = counts
        self._report = report
        self._limit = options.max_flows
        self._unwritten: dict[bytes, Megaflow] = {}
        self._removals: list[Operation] = []
        self._waiting: deque[Megaflow] = deque()
        self._too_many: deque[Megaflow] = deque()
        self._left = Leftovers()
        self._sweep: Sweep | None = None
        self.swept: float | None = None
        """Seconds that a look at all flows took which has just ended; whoever takes note of it sets it to None."""

    @property
    def has_work(self) -> bool:
        """Whether something is to be written or decided again."""
        return bool(self._has_to_revise or self._removals or self._unwritten or self.site.stale)

    @property
    def _has_to_revise(self) -> bool:
        return bool(self._waiting or self._too_many or self._left or self._sweep)

    def replace(self, decider: Decider) -> None:
        """Go on with another program: all flows are to be decided again."""
        self._decider = decider
        self.site = decider.program.site
        self.site.stale.update(self.flows)

    # -- new flows ---------------------------------------------------------------------------------------------

    def remember(self, outcome: Outcome, key: bytes, number: int) -> Megaflow | None:
        """Make a decision a flow, if there is room; return it if it is new.

        One that is there already is written again, once per batch: a packet that came up all the same did so before
        the flow was installed, and then this does no harm, or finds out that somebody removed it.
        """
        trace = outcome.trace
        ufid = identify(trace.layout, number, trace.mask)
        flow = self.flows.get(ufid)
        new = None
        if flow is None:
            flow = Megaflow(ufid, key, number, trace.layout, trace.mask, self.site.now())
            if not self._has_room(flow):
                self._counts.uncached += 1
                return None
            self.flows.add(flow)
            self._counts.installed += 1
            new = flow
        self.flows.reshape(flow, outcome.shape)
        self._unwritten[ufid] = flow
        return new

    def _has_room(self, flow: Megaflow) -> bool:
        """Tell whether there is room for a flow; a port may have half of what others leave."""
        free = self._limit - len(self.flows)
        if free <= 0 or self.flows.of_port.get(flow.port, 0) > max(free, _SHARE_AT_LEAST):
            return False
        masks = self.flows.masks
        return len(masks) < 2 * self.options.max_masks or flow.layout.encode(flow.mask) in masks

    # -- what is to be written ---------------------------------------------------------------------------------

    def changes(self) -> tuple[list[Operation], list[Megaflow]]:
        """Return what removes flows, and the flows that are to be put behind that; `written` takes the results.

        Of very many removals these are the first: packets wait for those that there are.
        """
        removals, self._removals = self._removals[:_REMOVALS_AT_ONCE], self._removals[_REMOVALS_AT_ONCE:]
        unwritten, self._unwritten = self._unwritten, {}
        return removals, [flow for flow in unwritten.values() if flow in self.flows]

    @staticmethod
    def put(flow: Megaflow) -> Put:
        """Return what writes a flow: anew, or by a change of the one that is there; never the one for the other."""
        create = not flow.installed
        mask = flow.layout.encode(flow.mask)
        return Put(flow.key, flow.shape.actions, mask, ufid=flow.ufid, create=create, modify=not create)

    def written(self, flow: Megaflow, ok: bool) -> None:
        """Note what became of a flow; one that was refused is forgotten, so that its next packet tries again."""
        if not ok:
            self._counts.refused += not flow.installed
            self.flows.remove(flow)
        flow.installed = True

    def remove(self, flow: Megaflow, reason: str) -> None:
        """Take a flow back with the next batch."""
        deleted = Deleted(flow, flow.shape.actions, reason)
        if self.flows.remove(flow):
            self._counts.deleted += 1
            self.deleted.append(deleted)
            if self.options.on_delete:
                self.options.on_delete(deleted)
            self._unwritten.pop(flow.ufid, None)
            self._removals.append(Delete(ufid=flow.ufid))

    def remove_all(self, reason: str) -> None:
        """Take all flows back, those too that were there before, with the next batch."""
        for flow in list(self.flows):
            self.remove(flow, reason)
        self._removals += map(Delete.of, self._left.give_up())

    def remove_port(self, number: int) -> None:
        """Take the flows back whose packets came in through a port that is gone."""
        for flow in [flow for flow in self.flows if flow.port == number]:
            self.remove(flow, "its input port is gone")

    # -- deciding again ----------------------------------------------------------------------------------------

    def revise(self) -> None:
        """Decide again on flows that are stale, as long as a slice lasts; remove those that may not stay."""
        with self.site.lock:
            stale, self.site.stale = self.site.stale, set()
        if stale:
            self._put_in_order(stale)
        end = time.monotonic() + _SLICE
        if self._sweep:  # a part at each turn: tables that change all the time must not keep flows from growing old
            with self.site.lock:
                self._go_on_sweeping(self._sweep)
        while self._has_to_revise and time.monotonic() < end:
            with self.site.lock:  # what changes while it is decided is a change after it
                if self._waiting:
                    self._decide_again(self._waiting.popleft())
                elif self._too_many:
                    self._remove_a_part()
                elif self._left:
                    self._take_over_or_delete()
                elif self._sweep:
                    self._go_on_sweeping(self._sweep)

    def _decide_again(self, flow: Megaflow) -> None:
        if flow in self.flows and (reason := self._reason_to_remove(flow)):
            self.remove(flow, reason)

    def _remove_a_part(self) -> None:
        """Take some flows back without a look at the clock, which takes longer than one of them."""
        for _ in range(min(_PART, len(self._too_many))):
            self.remove(self._too_many.popleft(), "too many were to be decided again")

    def _put_in_order(self, stale: set[Megaflow]) -> None:
        """Let what is to be decided again wait, busy flows first; of too many, delete those that are not."""
        stale.update(self._waiting)
        stale.update(self._too_many)
        ordered = sorted(stale, key=lambda flow: -flow.hit_at)
        self._waiting = deque(ordered[:_MANY])
        self._too_many = deque(ordered[_MANY:])

    def _reason_to_remove(self, flow: Megaflow) -> str:
        """Decide again on a flow; return why it may not stay, empty when it may, with other actions perhaps."""
        self._counts.revalidated += 1
        try:
            outcome = self._decider.decide(flow.layout, flow.number)
        except WouldChange:
            return "its packets would change a table"
        except Stranger:
            return "what its packets went on with is gone"
        except Exception as error:
            self._report(error)
            return "the function failed"
        if not outcome.cached:
            return outcome.trace.uncached or "the decision is for each packet"
        if outcome.trace.mask != flow.mask:
            return "the function reads other bits"
        if outcome.shape.actions != flow.shape.actions:
            self._counts.changed += flow.ufid not in self._unwritten
            self._unwritten[flow.ufid] = flow
        self.flows.reshape(flow, outcome.shape)
        return ""

    # -- what was there before ---------------------------------------------------------------------------------

    def adopt(self, datapath: Datapath) -> None:
        """Look at the flows that somebody left in the datapath, in slices: take them over or delete them."""
        self._left = Leftovers(datapath.flows, _MANY)

    def _take_over_or_delete(self) -> None:
        verdict = self._left.judge(self._decider, self.site.clock())
        if verdict is None:
            return
        record, flow, outcome, _ = verdict
        if flow is None or outcome is None:
            self._removals.append(Delete.of(record))
        elif self.flows.get(flow.ufid) is None:
            self.flows.add(flow)
            self.flows.reshape(flow, outcome.shape)
            if outcome.shape.actions != record.actions:
                self._unwritten[flow.ufid] = flow

    # -- growing old (`sweep`) ---------------------------------------------------------------------------------

    def begin_sweep(self, datapath: Datapath) -> None:
        """Begin to look which flows were hit and which are over; `revise` goes on with it."""
        self._sweep = Sweep(self, datapath)

    def _go_on_sweeping(self, sweep: Sweep) -> None:
        if not sweep.advance():
            self._sweep, self.swept = None, sweep.took
            self._adapt(sweep.took)

    @property
    def is_crowded(self) -> bool:
        """Whether there are more flows than the limit."""
        return len(self.flows) > self._limit

    def written_flows(self) -> Iterator[Megaflow]:
        """Iterate over the flows that the datapath has, as far as is known."""
        return (flow for flow in self.flows if flow.installed and flow.ufid not in self._unwritten)

    def expire(self, flow: Megaflow, reason: str) -> None:
        """Take a flow back whose time is over."""
        self.remove(flow, reason)
        self._counts.expired += 1

    def tidy_up(self, now: float) -> None:
        """Forget what is old in tables, and the ids that no flow has; match coarsely where there are many masks."""
        program = self._decider.program
        for table in program.tables.values():
            table.expire(now)
        self._decider.contexts.collect(self.flows.contexts, now)
        self._decider.coarse = len(self.flows.masks) >= self.options.max_masks

    def _adapt(self, took: float) -> None:
        """Bound the flows by what a look at them costs, as ovs-vswitchd does: 1.3 s is too long, 1 s is enough."""
        if took > 2.0:
            self._limit = max(1000, int(self._limit / took))
        elif took > 1.3:
            self._limit = max(1000, self._limit * 3 // 4)
        elif took < 1.0 and len(self.flows) >= self._limit * 3 // 4:
            self._limit = min(self.options.max_flows, self._limit + 1000)
