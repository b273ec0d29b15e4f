"""Flows as they are shown: their lines, their counters, and the names that stand in them."""

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, NamedTuple, Self
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.client.flows import Flow


class FlowLine(NamedTuple):
    """A flow as it is listed."""

    record: FlowRecord
    verbose: bool
    port_names: Mapping[int, str] | None

    @classmethod
    def of(cls, flow: "Flow", context: "Context", port_names: Mapping[int, str] | None) -> Self:
        """Return what is listed of `flow` when `context` says how."""
        return cls(flow.record, bool(context.options.more), port_names)

    def lines(self) -> Iterator[str]:
        """Return its line."""
        from dpif.odp.lines.text import format_flow_line, milliseconds  # an empty list has none

        yield format_flow_line(self.record, milliseconds(), verbose=self.verbose, port_names=self.port_names)

    def data(self) -> dict[str, object]:
        """Return its parts, and its text."""
        from dpif.cli.output.flow_data import flow_data
        from dpif.odp.lines.text import milliseconds

        return flow_data(self.record, milliseconds(), verbose=self.verbose, port_names=self.port_names)


class CounterLine(NamedTuple):
    """A flow's counters as ``-s`` shows them."""

    record: FlowRecord

    def lines(self) -> Iterator[str]:
        """Return their line."""
        from dpif.odp.lines.text import format_counters, milliseconds

        yield format_counters(self.record, milliseconds())

    def data(self) -> dict[str, object]:
        """Return them."""
        from dpif.cli.output.flow_data import counter_data
        from dpif.odp.lines.text import milliseconds

        return counter_data(self.record, milliseconds())


def port_names(context: "Context", datapath: "Datapath") -> Mapping[int, str] | None:
    """Return the names of ports where they are to be shown."""
    return datapath.ports.names() if context.wants_names else None
