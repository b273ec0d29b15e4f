"""How a program is run, and what it counts while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from dpif._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dpif.program.decide import Outcome
    from dpif.program.flow import Megaflow

__all__ = ["Counters", "Counts", "Deleted", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a program is run; times in seconds.

    ``idle`` until a flow that nothing hits is removed, where its decision says nothing else; ``sweep_interval``
    between looks, or more where a look takes long; ``max_flows`` and ``max_masks`` bound the table. ``check`` tries
    each new mask on other packets that it matches; ``explain`` keeps notes of what was read, for ``on_flow``, which
    is called with each new flow, as ``on_delete`` is with each that is taken back. ``report`` is called with what
    went wrong, as a text. With ``workers`` so many processes are forked, which share the packets; see
    `dpif.program.workers`.
    """

    idle: float = 10.0
    sweep_interval: float = 1.0
    max_flows: int = 200_000
    max_masks: int = 64
    check: bool = False
    explain: bool = False
    report: Callable[[str], None] = lambda text: None
    on_flow: Callable[[Megaflow, Outcome], None] | None = None
    on_delete: Callable[[Deleted], None] | None = None
    workers: int = 0


class Counters(NamedTuple):
    """What a program did since it was started, and what it has now.

    Packets came up (``upcalls``); runs ``failed``; ``strangers`` had a recirculation id that nobody gave. Flows were
    ``installed``, ``revalidated`` (decided again), of these ``changed``, ``deleted``, of these ``expired`` when their
    time was over, ``refused`` by the datapath.
    ``uncached`` decisions were for one packet alone, or there was no room; ``impure`` ones came to something else
    when they were made twice. ``flows``, ``masks`` and ``ports`` are there now.
    """

    upcalls: int = 0
    failed: int = 0
    strangers: int = 0
    uncached: int = 0
    impure: int = 0
    installed: int = 0
    revalidated: int = 0
    changed: int = 0
    deleted: int = 0
    expired: int = 0
    refused: int = 0
    flows: int = 0
    masks: int = 0
    ports: int = 0

    def with_workers(self, workers: Iterable[Counters]) -> Counters:
        """Return these and those of workers together; masks and ports are the same for all."""
        rows = [self, *workers]
        sums = Counters(*map(sum, zip(*rows, strict=True)))
        return sums._replace(masks=max(row.masks for row in rows), ports=self.ports)


@dataclass(slots=True)
class Counts:
    """The counters that only grow."""

    upcalls: int = 0
    failed: int = 0
    strangers: int = 0
    uncached: int = 0
    impure: int = 0
    installed: int = 0
    revalidated: int = 0
    changed: int = 0
    deleted: int = 0
    expired: int = 0
    refused: int = 0

    def with_state(self, *, flows: int, masks: int, ports: int) -> Counters:
        """Return all counters."""
        return Counters(**asdict(self), flows=flows, masks=masks, ports=ports)


class Deleted(NamedTuple):
    """A flow that was taken back, the actions that it had, and why."""

    flow: Megaflow
    actions: bytes
    reason: str
