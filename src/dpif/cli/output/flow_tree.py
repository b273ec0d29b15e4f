"""``dump-flows --tree``: flows below those whose packets come to them, one line each.

In front of each line stand the flow's packets and bytes and when it was used; what it matches is indented, and
lacks what the flows above it match. The tree itself is made by `dpif.odp.tree.tree`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.odp.actions import Actions
from dpif.odp.lines.fold import Hanging
from dpif.odp.model.key import format_key

if TYPE_CHECKING:
    from dpif.client.flows import Flow
    from dpif.odp.tree.tree import Branch, Node, Tree

_TITLES = ("packets", "bytes", "used", "flow")


class _Row(NamedTuple):
    """A line: its level, its text, and the counters in front of it, if it is a flow's."""

    level: int
    text: str
    counters: tuple[str, str, str] = ("", "", "")


class FlowTreeView(NamedTuple):
    """The tree of a datapath's flows; ``hidden`` counts those left out at the top."""

    datapath: str
    tree: Tree[Flow]
    port_names: Mapping[int, str] | None
    hidden: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show but titles."""
        return not (self.tree.ports or self.tree.unreached or self.hidden)

    def lines(self) -> Iterator[str]:
        """Return a line for each flow, below a line for the port that its packets come in by."""
        rows = list(self._rows())
        widths = [
            max(len(title), *[len(row.counters[at]) for row in rows], 0) for at, title in enumerate(_TITLES[:3])
        ]
        for row in [_Row(0, _TITLES[3], _TITLES[:3]), *rows]:
            counters = "  ".join([text.rjust(width) for text, width in zip(row.counters, widths, strict=True)])
            before = f"{counters}  {'  ' * row.level}"
            yield Hanging.at(len(before), f"{before}{row.text}")

    def _rows(self) -> Iterator[_Row]:
        for port, nodes in self.tree.ports.items():
            yield _Row(0, "any port" if port is None else f"in_port({self._port(port)})")
            yield from self._below(nodes, 1)
        for number, nodes in self.tree.unreached.items():
            yield _Row(0, f"recirc_id({number:#x}): not reached from any port")
            yield from self._below(nodes, 1)
        if self.hidden:
            yield _Row(0, f"... and {self.hidden} more at the top")

    def _port(self, number: int) -> str:
        return str(number) if self.port_names is None else self.port_names.get(number, str(number))

    def _below(self, nodes: list[Node[Flow]], level: int) -> Iterator[_Row]:
        for node in nodes:
            yield self._row(node, level)
            for branch in node.branches:
                yield from self._below(branch.nodes, level + 1)
                if branch.elsewhere:
                    more = "more flows" if branch.nodes else "flows"
                    yield _Row(level + 1, f"recirc_id({branch.recirc_id:#x}): {more}, shown elsewhere")
                elif not branch.nodes:
                    yield _Row(level + 1, f"recirc_id({branch.recirc_id:#x}): no flows")

    def _row(self, node: Node[Flow], level: int) -> _Row:
        key, mask = node.match
        flow = node.flow
        match = format_key(key, mask, port_names=self.port_names) if len(key) else ""
        actions = (flow.actions or Actions()).format(port_names=self.port_names)
        used = "never" if not flow.record.used else f"{max(flow.now - flow.record.used, 0) / 1000:.3f}s"
        text = f"{match or 'all'}, actions:{actions}"
        return _Row(level, text, (str(flow.packets), str(flow.bytes), used))

    def data(self) -> dict[str, object]:
        """Return the tree: the flows by port, each with its branches."""
        ports = [{"in_port": port, "flows": self._data(nodes)} for port, nodes in self.tree.ports.items()]
        unreached = [
            {"recirc_id": number, "flows": self._data(nodes)} for number, nodes in self.tree.unreached.items()
        ]
        return {"datapath": self.datapath, "ports": ports, "unreached": unreached, "hidden": self.hidden}

    def _data(self, nodes: list[Node[Flow]]) -> list[dict[str, object]]:
        from dpif.cli.output.flow_data import flow_data

        return [
            {
                **flow_data(node.flow.record, node.flow.now, verbose=False, port_names=self.port_names),
                "branches": [self._branch_data(branch) for branch in node.branches],
            }
            for node in nodes
        ]

    def _branch_data(self, branch: Branch[Flow]) -> dict[str, object]:
        return {"recirc_id": branch.recirc_id, "flows": self._data(branch.nodes), "elsewhere": branch.elsewhere}
