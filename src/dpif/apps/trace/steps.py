"""The tree of steps that a trace is: lookups, the flows taken, what their actions did.

`text.py` shows it to people, `data.py` to programs.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import Literal, NamedTuple
from dpif.apps.trace.packet import Packet
from dpif.apps.trace.table import Near, Rule
from dpif.client.flows import Flow
from dpif.odp.model.tunnel import Tunnel

Kind = Literal["change", "output", "recirc", "upcall", "sample", "drop", "branch", "note"]
"""What an action did: changed the packet, sent it, had it looked up again, handed it to user space, sampled it,
dropped it, chose between lists of actions; or something that is only told."""


class Branch(NamedTuple):
    """Actions within an action, and when they are carried out."""

    when: str
    effects: list[Effect]


class Effect(NamedTuple):
    """What an action did.

    ``packet`` is the packet behind it, and as it leaves; ``changed`` are the bits that differ from ``before``;
    ``tunnel`` is what it is sent with where its ``port`` may be a tunnel's.
    """

    action: str
    kind: Kind
    packet: Packet
    before: Packet | None = None
    changed: int = 0
    note: str = ""
    port: int | None = None
    tunnel: Tunnel | None = None
    next: Lookup | None = None
    branches: tuple[Branch, ...] = ()


class Step(NamedTuple):
    """A flow that the packet takes.

    ``learned`` are the bits that had to be so, ``rivals`` other flows that match as well.
    """

    number: int
    rule: Rule
    packet: Packet
    learned: int
    rivals: list[Rule]
    effects: list[Effect]

    @property
    def flow(self) -> Flow:
        """The flow."""
        return self.rule.flow

    def walk(self) -> Iterator[Effect]:
        """Iterate over all effects, those within others too."""
        yield from _walk(self.effects)


def _walk(effects: list[Effect]) -> Iterator[Effect]:
    for effect in effects:
        yield effect
        for branch in effect.branches:
            yield from _walk(branch.effects)


class Miss(NamedTuple):
    """No flow is taken: those that come nearest."""

    packet: Packet
    nearest: list[Near]
    is_certain: bool
    waits: bool
    """Whether there is any flow of that recirculation id."""


class Lookup:
    """The packet is looked up: the flows that it may take, the busiest first, and what happens if it takes none.

    ``before`` is the packet as it was at the lookups before, ``after_ct`` whether ``ct(…)`` lies between the last of
    them and this one. ``stopped`` says why there is no lookup, where there is none.
    """

    __slots__ = ("after_ct", "before", "miss", "packet", "recirc_id", "steps", "stopped")

    def __init__(
        self, recirc_id: int, packet: Packet, before: tuple[Packet, ...] = (), *, after_ct: bool = False
    ) -> None:
        self.recirc_id = recirc_id
        self.packet = packet
        self.before = before
        self.after_ct = after_ct
        self.steps: list[Step] = []
        self.miss: Miss | None = None
        self.stopped = ""

    @property
    def is_loop(self) -> bool:
        """Whether the packet was looked up before with all that is known of it the same."""
        return any(
            (packet.value, packet.known, packet.connections)
            == (self.packet.value, self.packet.known, self.packet.connections)
            for packet in self.before
        )

    def walk(self) -> Iterator[Lookup]:
        """Iterate over it and the lookups that follow, as they are shown."""
        todo = [self]
        while todo:
            lookup = todo.pop()
            yield lookup
            following = [effect.next for step in lookup.steps for effect in step.walk() if effect.next is not None]
            todo += reversed(following)
