"""Flows that somebody left in a datapath, until it is known of each whether the program would have made it.

A program that is started again finds the flows of its former run. Of each it decides anew: where it reads the same
bits, the flow is taken over, with other actions perhaps, and its packets notice nothing. Any other is deleted, and
its packets come up. So nothing that was established is cut off, and nothing stays that is wrong.

Recirculation ids are the same in every run (`contexts`), but known only when the function has named them again: flows
behind a recirculation wait until those before it were decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.errors import DecodeError
from dpif.odp.model.key import FlowMask
from dpif.odp.model.nest import Attributes
from dpif.program.decide import Decider, Outcome, Stranger
from dpif.program.flow import Megaflow
from dpif.program.layout import layout_of
from dpif.program.trace import WouldChange

if TYPE_CHECKING:
    from dpif.client import Flow
    from dpif.odp.messages.flow import FlowRecord

__all__ = ["Leftovers", "Verdict"]


class Verdict(NamedTuple):
    """What is to become of a flow: taken over as ``flow``, with the decision ``outcome``, or deleted for a reason."""

    record: FlowRecord
    flow: Megaflow | None = None
    outcome: Outcome | None = None
    reason: str = ""


class Leftovers:
    """The flows that a datapath had; `judge` takes one after the other, the last used first."""

    def __init__(self, flows: Iterable[Flow] = (), at_most: int = 0) -> None:
        records = sorted([flow.record for flow in flows], key=lambda record: -(record.used or 0))
        self._records = deque(records[:at_most])
        self._too_many = deque(records[at_most:])
        self._behind: list[FlowRecord] = []
        """Those behind a recirculation whose id nobody named yet, since the last one was taken over."""

    def __bool__(self) -> bool:
        return bool(self._too_many or self._records or self._behind)

    def give_up(self) -> list[FlowRecord]:
        """Return the flows of which nothing is known yet, for whoever ends before it is."""
        rest = [*self._too_many, *self._records, *self._behind]
        for flows in (self._too_many, self._records, self._behind):
            flows.clear()
        return rest

    def judge(self, decider: Decider, now: float) -> Verdict | None:
        """Say what is to become of one flow; None for one that has to wait for others."""
        if self._too_many:
            return Verdict(self._too_many.popleft(), reason="too many flows were left")
        if not self._records:
            return Verdict(self._behind.pop(), reason="what its packets went on with is gone")
        record = self._records.popleft()
        try:
            verdict = _judged(record, decider, now)
        except Stranger:
            self._behind.append(record)
            return None
        if verdict.flow is not None:
            self._records.extend(self._behind)
            self._behind.clear()
        return verdict


def _judged(record: FlowRecord, decider: Decider, now: float) -> Verdict:
    try:
        layout, number = layout_of(record.key or b"")
        outcome = decider.decide(layout, number)
    except DecodeError:
        return Verdict(record, reason="its key cannot be read")
    except WouldChange:
        return Verdict(record, reason="its packets would change a table")
    except Stranger:
        raise
    except Exception:
        return Verdict(record, reason="the function failed")
    if not record.ufid or not outcome.cached or not _same_match(record, layout.encode(outcome.trace.mask)):
        return Verdict(record, reason="the function reads other bits")
    flow = Megaflow(record.ufid, record.key or b"", number, layout, outcome.trace.mask, now)
    flow.installed = True
    flow.packets = record.stats.n_packets if record.stats else 0
    return Verdict(record, flow, outcome)


def _same_match(record: FlowRecord, mask: bytes) -> bool:
    """Tell whether a flow matches by the bits of `mask`, in whatever form a datapath tells them."""
    there, wanted = (FlowMask.from_bytes(bits) for bits in (record.mask or b"", mask))
    return _with_bits(there) == _with_bits(wanted)


def _with_bits(nest: Attributes) -> dict[int, Any]:
    """Return the attributes of a mask that have a bit set; a kernel tells those without as well."""
    found: dict[int, Any] = {}
    for number, kept in nest.kept():
        bits = _with_bits(kept) if isinstance(kept, Attributes) else nest.type_of(number).encode(kept)
        if bits if isinstance(bits, dict) else any(bits):
            found[number] = bits
    return found
