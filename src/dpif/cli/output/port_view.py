"""What ``show`` tells of a port: its line, its counters below it, and the data of both."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING
from dpif.cli.output.tunnels import configuration

if TYPE_CHECKING:
    from dpif.cli.output.port_counters import PortCounters
    from dpif.client.port import Port


class PortView:
    """What is shown of a port; ``counters`` are None where they were not asked for."""

    def __init__(self, port: Port, counters: PortCounters | None) -> None:
        self.port = port
        self.counters = counters

    def lines(self) -> Iterator[str]:
        """Return the port's line, and four or five with its counters."""
        yield f"  port {self.port.number}: {self.port.name}{self._kind()}"
        if self.counters is not None:
            yield from self.counters.lines()

    def data(self) -> dict[str, object]:
        """Return the port, and its counters where they were asked for."""
        port = self.port
        return {
            "number": port.number,
            "name": port.name,
            "type": port.type,
            "options": dict(port.options or {}),
            "ifindex": port.ifindex,
            "statistics": self.counters and self.counters.data(),
        }

    def _kind(self) -> str:
        type_ = self.port.type
        if type_ == "system":
            return ""
        settings = ", ".join(f"{key}={value}" for key, value in configuration(self.port).items())
        return f" ({type_}: {settings})" if settings else f" ({type_})"
