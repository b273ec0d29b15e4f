"""Flows that are looked through again and again for those that some packets may match.

They are kept by the attribute that tells most of them apart: by the bits of it that they match, and by the values of
these, as a flow table does it. So packets of which that attribute is known are compared with few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpif._typing import Generic, NamedTuple, TypeVar
from dpif.odp.tree.facts import Facts

N = TypeVar("N")


class _Member(NamedTuple, Generic[N]):
    facts: Facts
    item: N


class _Bucket(Generic[N]):
    """Members that cannot be told apart: those that are free, by their order, and those that are taken."""

    __slots__ = ("free", "taken")

    def __init__(self) -> None:
        self.free: dict[int, _Member[N]] = {}
        self.taken: list[_Member[N]] = []


class Crowd(Generic[N]):
    """Items with what is known of the packets of each; all are free at first, and stay in their order."""

    def __init__(self, items: Sequence[N], facts: Sequence[Facts]) -> None:
        self._attribute = _telling(facts)
        self._groups: dict[int, dict[int, _Bucket[N]]] = {}
        """By the bits that matter, and by their values."""
        self._places: dict[int, tuple[int, _Bucket[N]]] = {}
        for order, (item, known) in enumerate(zip(items, facts, strict=True)):
            bits, matched = known.bits_of(self._attribute)
            bucket = self._groups.setdefault(matched, {}).setdefault(bits & matched, _Bucket())
            bucket.free[order] = _Member(known, item)
            self._places[id(item)] = order, bucket
        self._count = len(items)

    @property
    def has_free(self) -> bool:
        """Whether any is free."""
        return self._count > 0

    def free(self, known: Facts | None = None) -> list[N]:
        """Return the free items; those alone that packets may match of which that much is known."""
        found = {
            order: member.item
            for bucket in self._buckets(known)
            for order, member in bucket.free.items()
            if known is None or not known.contradict(member.facts)
        }
        return [found[order] for order in sorted(found)]

    def has_taken(self, known: Facts) -> bool:
        """Tell whether packets of which that much is known may match one that is taken."""
        return any(not known.contradict(member.facts) for bucket in self._buckets(known) for member in bucket.taken)

    def take(self, item: N) -> None:
        """Take an item."""
        order, bucket = self._places.pop(id(item))
        bucket.taken.append(bucket.free.pop(order))
        self._count -= 1

    def _buckets(self, known: Facts | None) -> Iterator[_Bucket[N]]:
        """Yield the buckets in which something may be that does not contradict what is known."""
        bits, sure = (0, 0) if known is None else known.bits_of(self._attribute)
        for matched, group in self._groups.items():
            if sure & matched != matched:
                yield from group.values()
            elif bits & matched in group:
                yield group[bits & matched]


def _telling(facts: Sequence[Facts]) -> int:
    """Return the attribute of which there are most values."""
    values: dict[int, set[tuple[int, int]]] = {}
    for known in facts:
        for number in known.attributes():
            bits, matched = known.bits_of(number)
            values.setdefault(number, set()).add((matched, bits & matched))
    return max(values, key=lambda number: len(values[number]), default=0)
