"""Flows as they are shown: their lines, their counters, and the names that stand in them."""

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, NamedTuple, Self
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.cli.reading import AnyDatapath
    from dpif.client.flows import Flow


class FlowLine(NamedTuple):
    """A flow as it is listed."""

    flow: "Flow"
    verbose: bool
    port_names: Mapping[int, str] | None

    @classmethod
    def of(cls, flow: "Flow", context: "Context", port_names: Mapping[int, str] | None) -> Self:
        """Return what is listed of `flow` when `context` says how."""
        return cls(flow, bool(context.options.more), port_names)

    def lines(self) -> Iterator[str]:
        """Return its line."""
        yield self.flow.format(verbose=self.verbose, port_names=self.port_names)

    def data(self) -> dict[str, object]:
        """Return its parts, and its text."""
        from dpif.cli.output.flow_data import flow_data

        return flow_data(self.flow.record, self.flow.now, verbose=self.verbose, port_names=self.port_names)


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


def port_names(context: "Context", datapath: "AnyDatapath") -> Mapping[int, str] | None:
    """Return the names of ports where they are to be shown; of a saved dump those without a number always are."""
    if context.wants_names:
        return datapath.ports.names()
    return datapath.unnumbered
