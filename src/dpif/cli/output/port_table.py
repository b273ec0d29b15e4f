"""The table of ports that ``show`` has on a terminal: a row for each, with counters one for each way of packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpif._typing import TYPE_CHECKING
from dpif.cli.output.table import Column, Row, Screen, Table
from dpif.cli.output.tunnels import configuration

if TYPE_CHECKING:
    from dpif.cli.output.port_counters import PortCounters
    from dpif.cli.output.port_view import PortView

_PORT = (Column("port", is_number=True), Column("name"), Column("type"))
_COUNTERS = (
    Column("", begins_group=True),
    Column("packets", is_number=True),
    Column("bytes", is_number=True),
    Column("errors", is_number=True),
    Column("drops", is_number=True),
)
_NONE = ("",) * len(_COUNTERS)
_NO_PORT = ("",) * len(_PORT)


def port_lines(screen: Screen, ports: Sequence[PortView]) -> Iterator[str]:
    """Return the table, with counters where any were asked for."""
    if any(port.counters is not None for port in ports):
        table, rows = _table(screen, _PORT + _COUNTERS), [_counted(port) for port in ports]
    else:
        table, rows = _table(screen, _PORT), [Row(_cells(port), _settings(port)) for port in ports]
    return table.lines(rows)


def _table(screen: Screen, columns: Sequence[Column]) -> Table:
    return Table(screen, columns, more="configuration", indent="  ")


def _cells(view: PortView) -> tuple[str, ...]:
    return str(view.port.number), view.port.name, view.port.type


def _settings(view: PortView) -> list[str]:
    return [f"{name}={value}" for name, value in configuration(view.port).items()]


def _counted(view: PortView) -> Row:
    """Return the row of a port: what it is, and a line for what is counted each way."""
    rows = [] if view.counters is None else list(_counter_rows(view.counters))
    first, *others = rows or [Row(_NONE)]
    more = [Row((*_NO_PORT, *row.cells), row.words) for row in others]
    return Row((*_cells(view), *first.cells), first.words, more, _settings(view))


def _counter_rows(counters: PortCounters) -> Iterator[Row]:
    """Yield what is counted each way; the rarer counters of the device where there is something in them."""
    stats, upcalls = counters.port.stats, counters.port.upcall_stats
    if stats is not None:
        received = _texts("rx", stats.rx_packets, stats.rx_bytes, stats.rx_errors, stats.rx_dropped)
        yield Row(received, _rare(counters, "rx_overruns", "rx_frame"))
        sent = _texts("tx", stats.tx_packets, stats.tx_bytes, stats.tx_errors, stats.tx_dropped)
        yield Row(sent, _rare(counters, "tx_aborted", "tx_carrier", "collisions"))
    if upcalls is not None:
        yield Row(_texts("upcalls", upcalls.success, "", upcalls.fail, ""))


def _texts(*values: object) -> tuple[str, ...]:
    return tuple(map(str, values))


def _rare(counters: PortCounters, *names: str) -> list[str]:
    found = {name.removeprefix("rx_").removeprefix("tx_"): getattr(counters, name) for name in names}
    return [f"{name}={value}" for name, value in found.items() if value]
