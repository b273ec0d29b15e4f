"""Flows as a tree of recirculations: which flows the packets of a flow come to next.

A packet enters with recirculation id 0. An action ``recirc(0x5)``, wherever it stands among the actions, has it
looked up again, among the flows of ``recirc_id(0x5)``. `grow` puts those below the flow.

Each flow stands in the tree once: where several lead to the same ones, these stand below the first, and the
branches of the others say that there are flows ``elsewhere``. So a loop of recirculations ends too. A flow is put
below another only if a packet may come from there to here: what the upper one matches, and its actions leave alone,
must not contradict what the lower one matches. What both match alike is not told again: ``match`` lacks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

from dpif._typing import Generic, NamedTuple, TypeVar
from dpif.odp.actions import Actions, Recirc
from dpif.odp.constants import KeyAttr
from dpif.odp.filter.fields import FlowLike, all_actions
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.tree.crowd import Crowd
from dpif.odp.tree.facts import Facts, without

F = TypeVar("F", bound=FlowLike)

MAX_DEPTH = 64
"""Deeper chains go on at the end of the tree; the kernel drops a packet behind 30 recirculations in a row."""
_PLACE = frozenset({KeyAttr.IN_PORT})
_ENTRANCE = frozenset({KeyAttr.RECIRC_ID})


class Node(Generic[F]):
    """A flow in the tree.

    ``match`` is its key and mask, without what the flows above it match already. ``branches`` has an entry for each
    recirculation id of its actions; these are ``targets``.
    """

    __slots__ = ("branches", "facts", "flow", "match", "targets")

    def __init__(self, flow: F) -> None:
        key = flow.key or FlowKey()
        mask = FlowMask.exact(key) if flow.mask is None else flow.mask
        self.flow = flow
        self.match = key, mask
        self.facts = Facts.of(key, mask)
        self.targets = targets(flow.actions)
        self.branches: list[Branch[F]] = []

    @property
    def recirc_id(self) -> int:
        """The recirculation id that it matches."""
        return self.match[0].recirc_id or 0

    @property
    def in_port(self) -> int | None:
        """The port that it matches, None for any."""
        key, mask = self.match
        return key.in_port if mask.in_port else None

    def leads_to(self) -> list[int]:
        """Return the other recirculation ids that its actions lead to."""
        return [number for number in self.targets if number != self.recirc_id]

    def walk(self) -> Iterator[Node[F]]:
        """Iterate over it and the nodes below it, as they are printed."""
        yield self
        for branch in self.branches:
            for node in branch.nodes:
                yield from node.walk()


class Branch(NamedTuple, Generic[F]):
    """Where a recirculation leads: the flows, and whether there are others that stand elsewhere in the tree.

    With neither no flow waits for such packets: they go to user space.
    """

    recirc_id: int
    nodes: list[Node[F]]
    elsewhere: bool


class Tree(NamedTuple, Generic[F]):
    """All flows: those of packets that enter, by port (None for any), and those that no flow leads to, by id."""

    ports: dict[int | None, list[Node[F]]]
    unreached: dict[int, list[Node[F]]]

    def walk(self) -> Iterator[Node[F]]:
        """Iterate over all nodes as they are printed."""
        for nodes in (*self.ports.values(), *self.unreached.values()):
            for node in nodes:
                yield from node.walk()

    def first(self, limit: int | None) -> tuple[Tree[F], int]:
        """Return the tree of the first `limit` flows at the top, and how many there are left out."""
        ports: dict[int | None, list[Node[F]]] = {}
        count = sum(map(len, self.ports.values()))
        room = count if limit is None else limit
        for port, nodes in self.ports.items():
            if room:
                ports[port] = nodes[:room]
                room -= len(ports[port])
        return self._replace(ports=ports), count - sum(map(len, ports.values()))

    def pruned(self, wanted: Callable[[F], bool]) -> Tree[F]:
        """Cut what has nothing to do with flows that are wanted; what stands above and below one stays."""
        return Tree(
            {port: left for port, nodes in self.ports.items() if (left := _pruned(nodes, wanted))},
            {number: left for number, nodes in self.unreached.items() if (left := _pruned(nodes, wanted))},
        )


def grow(flows: Iterable[F]) -> Tree[F]:
    """Return the tree of flows; at each place they are in the order in which they come."""
    return _Gardener(flows).tree()


def targets(actions: Actions | None) -> list[int]:
    """Return the recirculation ids that actions lead to, each once."""
    found = [action.value for action in all_actions(actions or ()) if isinstance(action, Recirc)]
    return list(dict.fromkeys(found))


class _Gardener(Generic[F]):
    """Knows which flows have no place yet, and how many of those lead to each id from another one."""

    def __init__(self, flows: Iterable[F]) -> None:
        by_id: dict[int, list[Node[F]]] = {}
        self._leading: dict[int, int] = {}
        self._starts: list[int] = []
        """A heap of ids that nothing leads to any more; all flows of some have their places by now."""
        for node in map(Node, flows):
            by_id.setdefault(node.recirc_id, []).append(node)
            for number in node.leads_to():
                self._leading[number] = self._leading.get(number, 0) + 1
        self._crowds = {number: Crowd(nodes, [node.facts for node in nodes]) for number, nodes in by_id.items()}

    def tree(self) -> Tree[F]:
        ports: dict[int | None, list[Node[F]]] = {}
        for node in self._take(0, self._crowds[0].free()) if 0 in self._crowds else ():
            ports.setdefault(node.in_port, []).append(node)
        by_number = sorted(ports.items(), key=lambda item: (item[0] is None, item[0]))
        for port, nodes in by_number:
            self._place(nodes, Facts({}) if port is None else nodes[0].facts.only(_PLACE))
        return Tree(dict(by_number), self._unreached())

    def _unreached(self) -> dict[int, list[Node[F]]]:
        """Place what is left: first what none of the others leads to, then loops, each from its lowest id."""
        found: dict[int, list[Node[F]]] = {}
        self._starts = [number for number in sorted(self._crowds) if not self._leading.get(number)]
        for lowest in sorted(self._crowds):
            while self._crowds[lowest].has_free:
                start = heappop(self._starts) if self._starts else lowest
                if self._crowds[start].has_free:
                    found[start] = self._take(start, self._crowds[start].free())
                    self._place(found[start], Facts({}))
        return found

    def _take(self, recirc_id: int, nodes: list[Node[F]]) -> list[Node[F]]:
        for node in nodes:
            self._crowds[recirc_id].take(node)
            for number in node.leads_to():
                self._leading[number] -= 1
                if not self._leading[number] and number in self._crowds:
                    heappush(self._starts, number)
        return nodes

    def _place(self, nodes: list[Node[F]], known: Facts, depth: int = 1) -> None:
        """Say what is new of each node, and put below it what its packets come to."""
        for node in nodes:
            actions = node.flow.actions or Actions()
            after = known.and_also(node.facts).after(actions).less(KeyAttr.RECIRC_ID)
            key, mask = node.match
            told = known.told(node.facts) | node.facts.of_nothing() | (frozenset() if node.recirc_id else _ENTRANCE)
            node.match = without(key, told), without(mask, told)
            if depth < MAX_DEPTH:
                node.branches = [self._branch(number, after) for number in node.targets]
            for branch in node.branches:
                self._place(branch.nodes, after, depth + 1)

    def _branch(self, recirc_id: int, known: Facts) -> Branch[F]:
        crowd = self._crowds.get(recirc_id)
        if crowd is None:
            return Branch(recirc_id, [], elsewhere=False)
        elsewhere = crowd.has_taken(known)
        nodes = self._take(recirc_id, crowd.free(known))
        return Branch(recirc_id, nodes, elsewhere)


def _pruned(nodes: Iterable[Node[F]], wanted: Callable[[F], bool]) -> list[Node[F]]:
    """Return the nodes that are wanted, as they are, and those above such, with no more than leads there."""
    left = []
    for node in nodes:
        if not wanted(node.flow):
            branches = [branch._replace(nodes=_pruned(branch.nodes, wanted)) for branch in node.branches]
            node.branches = [branch for branch in branches if branch.nodes]
            if not node.branches:
                continue
        left.append(node)
    return left
