"""Flows that are looked through again and again for those that some packets may match.

They are kept as a flow table keeps them: by the bits that they match, and by the values of these. Of each group the
bits count that it has in common with what is known of the packets; by the values of those bits the flows are found
that do not contradict it, without a look at any other. So a search takes as many steps as there are groups, which
are few: flows share their masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpif._typing import Generic, NamedTuple, TypeVar
from dpif.odp.tree.facts import Facts, Masks

N = TypeVar("N")
_NOTHING = Facts({})


class _Bucket(Generic[N]):
    """Members that cannot be told apart: those that are free, by their order, and whether any is taken."""

    __slots__ = ("free", "has_taken")

    def __init__(self) -> None:
        self.free: dict[int, N] = {}
        self.has_taken = False


class _Member(NamedTuple, Generic[N]):
    order: int
    facts: Facts
    item: N


class _View(Generic[N]):
    """The members of a group by the values of some bits."""

    __slots__ = ("_buckets", "_masks")

    def __init__(self, masks: Masks, free: Sequence[_Member[N]], taken: Sequence[_Member[N]]) -> None:
        self._masks = masks
        self._buckets: dict[tuple[int, ...], _Bucket[N]] = {}
        for member in (*free, *taken):
            self._buckets.setdefault(member.facts.values(masks), _Bucket()).free[member.order] = member.item
        for member in taken:
            self.take(member)

    def bucket(self, known: Facts) -> _Bucket[N] | None:
        """Return the members that do not contradict what is known."""
        return self._buckets.get(known.values(self._masks))

    def take(self, member: _Member[N]) -> None:
        """Move a member from those that are free to those that are taken."""
        bucket = self._buckets[member.facts.values(self._masks)]
        del bucket.free[member.order]
        bucket.has_taken = True


class _Group(Generic[N]):
    """Members that match the same bits. Views of them are made when they are asked for."""

    __slots__ = ("_masks", "_views", "free", "taken")

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._views: dict[Masks, _View[N]] = {}
        self.free: dict[int, _Member[N]] = {}
        self.taken: list[_Member[N]] = []

    def bucket(self, known: Facts) -> _Bucket[N] | None:
        """Return the members that do not contradict what is known."""
        theirs = dict(known.masks)
        common = tuple([(number, bits) for number, mine in self._masks if (bits := mine & theirs.get(number, 0))])
        view = self._views.get(common)
        if view is None:
            view = self._views[common] = _View(common, [*self.free.values()], self.taken)
        return view.bucket(known)

    def take(self, order: int) -> None:
        """Take a member."""
        member = self.free.pop(order)
        self.taken.append(member)
        for view in self._views.values():
            view.take(member)


class Crowd(Generic[N]):
    """Items with what is known of the packets of each; all are free at first, and stay in their order."""

    def __init__(self, items: Sequence[N], facts: Sequence[Facts]) -> None:
        self._groups: dict[Masks, _Group[N]] = {}
        self._places: dict[int, tuple[int, _Group[N]]] = {}
        """The order and the group of those that are free."""
        for order, (item, known) in enumerate(zip(items, facts, strict=True)):
            group = self._groups.setdefault(known.masks, _Group(known.masks))
            group.free[order] = _Member(order, known, item)
            self._places[id(item)] = order, group

    @property
    def has_free(self) -> bool:
        """Whether any is free."""
        return bool(self._places)

    def free(self, known: Facts = _NOTHING) -> list[N]:
        """Return the free items that packets may match of which that much is known."""
        found = {order: item for bucket in self._buckets(known) for order, item in bucket.free.items()}
        return [found[order] for order in sorted(found)]

    def has_taken(self, known: Facts) -> bool:
        """Tell whether packets of which that much is known may match one that is taken."""
        return any(bucket.has_taken for bucket in self._buckets(known))

    def take(self, item: N) -> None:
        """Take an item."""
        order, group = self._places.pop(id(item))
        group.take(order)

    def _buckets(self, known: Facts) -> Iterator[_Bucket[N]]:
        for group in self._groups.values():
            bucket = group.bucket(known)
            if bucket is not None:
                yield bucket
