"""Why a flow matches what it does: each read of a run, by line of source."""

from __future__ import annotations

from pathlib import Path

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.odp.actions import Actions
from dpif.odp.extraction import extract
from dpif.odp.model.key import FlowKey, FlowMask, format_key
from dpif.program.decide import Decider, Outcome
from dpif.program.layout import layout_of
from dpif.program.trace import Note, WouldChange, shown

if TYPE_CHECKING:
    from dpif.program.flow import Megaflow
    from dpif.program.program import Program

__all__ = ["Explanation", "explain", "of_outcome", "shown_flow"]


class Explanation(NamedTuple):
    """A flow, and the reads that made it; ``str()`` shows both. ``why_not`` says why it makes no flow, else empty."""

    match: str
    actions: str
    reads: tuple[Note, ...]
    depends: tuple[str, ...]
    why_not: str

    def __str__(self) -> str:
        lines = [f"{self.match} actions:{self.actions or 'drop'}" if not self.why_not else f"no flow: {self.why_not}"]
        lines += [f"    {_place(note)}: {note.what}" for note in self.reads]
        return "\n".join(lines)


def _place(note: Note) -> str:
    return f"{Path(note.file).name}:{note.line}" if note.file else "its decision"


def explain(program: Program, packet: bytes, in_port: int = 1, **metadata: Any) -> Explanation:
    """Return what `program` makes of a packet; `metadata` as of `extract`. Nothing is changed by it."""
    layout, number = layout_of(extract(packet, in_port, **metadata).to_bytes())
    try:
        outcome = Decider(program).decide(layout, number, packet, explain=True)
    except WouldChange as stopped:
        trace = stopped.__dict__["dpif_trace"]
        return Explanation("", "", tuple(trace.notes), (), "its packet changes a table first")
    return of_outcome(outcome, number)


def shown_flow(flow: Megaflow, actions: bytes) -> str:
    """Return a flow as one line."""
    key, mask = FlowKey.from_bytes(flow.key), FlowMask.from_bytes(flow.layout.encode(flow.mask))
    return f"{format_key(key, mask)} actions:{Actions.from_bytes(actions) if actions else 'drop'}"


def of_outcome(outcome: Outcome, number: int) -> Explanation:
    """Return the explanation of a decision that was made with notes."""
    trace = outcome.trace
    key = FlowKey.from_bytes(number.to_bytes(trace.layout.size, "big"))
    mask = FlowMask.from_bytes(trace.layout.encode(trace.mask))
    why_not = "" if outcome.cached else trace.uncached or "the decision is for each packet"
    return Explanation(
        format_key(key, mask),
        str(Actions.from_bytes(outcome.shape.actions)) if outcome.shape.actions else "",
        tuple(dict.fromkeys(trace.notes or ())),
        tuple(f"{table.name}[{shown(entry)}]" for table, entry in trace.deps),
        why_not,
    )
