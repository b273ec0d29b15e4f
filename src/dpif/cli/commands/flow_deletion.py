"""``del-flows filter=``: delete the flows that a filter picks, those that ``dump-flows`` would list, and count them.

The table is read to its end first, so that nothing is deleted from under a dump.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.flow_listing import read_filter
from dpif.cli.errors import UsageError
from dpif.client.operations import Delete
from dpif.errors import DumpInterrupted, NoSuchObject

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.odp.filter.language import Filter


class Deletion(NamedTuple):
    """How many flows there were, how many of them were deleted, and how many could not be."""

    datapath: str
    flows: int
    deleted: int
    failed: int

    def lines(self) -> Iterator[str]:
        """Return what became of the flows, in one line."""
        yield f"deleted {self.deleted} of {self.flows} flows of {self.datapath}"

    def data(self) -> dict[str, object]:
        """Return the numbers."""
        return self._asdict()


def delete_chosen(context: Context, datapath: Datapath, filter_text: str) -> None:
    """Delete the flows that a filter picks, and print how many; one that somebody else deletes meanwhile is gone."""
    if not filter_text:
        raise UsageError(f"filter= is empty; all flows are deleted by: dpif del-flows {datapath}")
    chosen = read_filter(filter_text, datapath)
    with context.failing("Failed to dump flows from datapath"):
        count, deletions = _deletions(context, datapath, chosen)
    with context.failing("deleting flows"):
        errors = [result.error for result in datapath.operate(deletions) if result.error is not None]
    failures = [error for error in errors if not isinstance(error, NoSuchObject)]
    context.print(Deletion(str(datapath), count, len(deletions) - len(errors), len(failures)))
    if failures:
        context.report(f"{len(failures)} flows could not be deleted; the first", failures[0])


def _deletions(context: Context, datapath: Datapath, chosen: Filter) -> tuple[int, list[Delete]]:
    """Return how many flows there are, and what deletes those that are chosen."""
    count = 0
    deletions: list[Delete] = []
    try:
        for flow in datapath.flows:
            count += 1
            if chosen.matches(flow):
                deletions.append(Delete.of(flow.record))
    except DumpInterrupted:
        context.note("the flow table changed while it was read: flows may be missing")
    return count, deletions
