"""The order of flows by fields of the language of filters: ``packets``, ``-packets,in_port``, ``ipv4.dst:desc``.

Ascending unless the field has ``-`` in front, or ``:desc`` behind (``:asc`` says what is so anyway). A flow that
has no such field, or leaves it open, comes last either way; where all fields are equal, flows stay as they came.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping

from dpif._typing import NamedTuple, TypeVar
from dpif.odp.filter.fields import Asked, FlowLike, Subject, scan_field
from dpif.odp.model.scanner import Scanner

F = TypeVar("F", bound=FlowLike)
Rank = tuple[tuple[bool, tuple[float, ...]], ...]
"""What flows are compared by: of each field whether it is missing, and its values."""


class _Column(NamedTuple):
    """A field that is compared; ``sign`` is -1 for a descending order."""

    asked: Asked
    sign: int

    def rank(self, subject: Subject) -> tuple[bool, tuple[float, ...]]:
        values = tuple([self.sign * value for value, _ in self.asked.read(subject)])
        return not values, values


class Order:
    """An order of flows; ``text`` is what it was parsed from."""

    __slots__ = ("_columns", "text")

    def __init__(self, text: str, columns: Iterable[_Column]) -> None:
        self.text = text
        self._columns = tuple(columns)

    def sorted(self, flows: Iterable[F], limit: int | None = None, now: float | None = None) -> list[F]:
        """Return all flows in order, or the first `limit` of them, in memory for so many.

        `now` is the time in seconds as `time.monotonic` counts.
        """
        rank = self.rank(time.monotonic() if now is None else now)
        return sorted(flows, key=rank) if limit is None else heapq.nsmallest(limit, flows, key=rank)

    def rank(self, now: float) -> Callable[[FlowLike], Rank]:
        """Return the function that tells what a flow is compared by."""

        def rank_of(flow: FlowLike) -> Rank:
            subject = Subject(flow, now)
            return tuple([column.rank(subject) for column in self._columns])

        return rank_of

    def __repr__(self) -> str:
        return f"<Order {self.text}>"


def parse_order(text: str, port_names: Mapping[str, int] | None = None) -> Order:
    """Return the order of a text; raise `ParseError`."""
    scanner = Scanner(text, port_names)
    columns = [_scan_column(scanner)]
    while scanner.take(","):
        columns.append(_scan_column(scanner))
    if not scanner.at_end:
        scanner.fail(f"expected ',' or the end, found {scanner.found()}", "for example: -packets,in_port")
    return Order(text, columns)


def _scan_column(scanner: Scanner) -> _Column:
    start = scanner.position
    descends = scanner.take("-")
    asked = scan_field(scanner)
    if asked.kind is None:
        scanner.fail("flows cannot be ordered by this: it has no value", "packets or ipv4.dst have one", start)
    if scanner.take(":"):
        word_start = scanner.position
        word = scanner.word("asc or desc")
        if word not in ("asc", "desc"):
            scanner.unknown(word, ["asc", "desc"], "direction", word_start)
        descends = descends != (word == "desc")
    return _Column(asked, -1 if descends else 1)
