"""``show``: a datapath's counters, its caches and its ports, which are a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dpif._typing import TYPE_CHECKING
from dpif.cli.commands.caches import cache_data, cache_lines
from dpif.cli.output.port_view import PortView
from dpif.cli.reading import opened

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.cli.output.port_counters import PortCounters
    from dpif.cli.output.table import Screen
    from dpif.cli.reading import AnyDatapath
    from dpif.client.port import Port
    from dpif.odp.messages.datapath import DatapathRecord


def show(context: Context) -> None:
    """Show the datapaths named, or all."""

    screen = context.screen

    def read(datapath: AnyDatapath) -> Overview:
        return Overview.read(datapath, screen, with_counters=context.options.statistics)

    context.print_all("datapaths", context.each_opened(context.words, partial(opened, context), read))


class Overview:
    """What is shown of a datapath; ``screen`` is there for a table of its ports."""

    def __init__(
        self, name: str, record: DatapathRecord, ports: list[PortView], screen: Screen | None = None
    ) -> None:
        self.name = name
        self.record = record
        self.ports = ports
        self.screen = screen

    @classmethod
    def read(cls, datapath: AnyDatapath, screen: Screen | None = None, *, with_counters: bool) -> Overview:
        """Ask a datapath; `with_counters` asks for those of its ports too."""
        record = datapath.read()
        ports = [PortView(port, _counters(datapath, port) if with_counters else None) for port in datapath.ports]
        return cls(str(datapath), record, ports, screen)

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl show`` prints it (show_dpif)."""
        yield f"{self.name}:"
        yield from self._counter_lines()
        yield from cache_lines(self.record)
        yield from self._port_lines()

    def _port_lines(self) -> Iterator[str]:
        if self.screen is None:
            for port in self.ports:
                yield from port.lines()
        else:
            from dpif.cli.output.port_table import port_lines

            yield from port_lines(self.screen, self.ports)

    def _counter_lines(self) -> Iterator[str]:
        stats, mega = self.record.stats, self.record.megaflow_stats
        if stats is None:
            return
        yield f"  lookups: hit:{stats.n_hit} missed:{stats.n_missed} lost:{stats.n_lost}"
        yield f"  flows: {stats.n_flows}"
        if mega is None:
            return
        packets = stats.n_hit + stats.n_missed
        per_packet = mega.n_mask_hit / packets if packets else 0.0
        yield f"  masks: hit:{mega.n_mask_hit} total:{mega.n_masks} hit/pkt:{per_packet:.2f}"
        if mega.n_cache_hit:  # old kernels leave it at zero
            rate = mega.n_cache_hit / packets * 100 if packets else 0.0
            yield f"  cache: hit:{mega.n_cache_hit} hit-rate:{rate:.2f}%"

    def data(self) -> dict[str, object]:
        """Return all of it; what the datapath does not tell is None."""
        stats, mega = self.record.stats, self.record.megaflow_stats
        return {
            "name": self.name,
            "lookups": stats and {"hit": stats.n_hit, "missed": stats.n_missed, "lost": stats.n_lost},
            "flows": stats and stats.n_flows,
            "masks": mega and {"hit": mega.n_mask_hit, "total": mega.n_masks, "cache_hit": mega.n_cache_hit},
            "features": _features(self.record.user_features),
            "caches": cache_data(self.record),
            "ports": [port.data() for port in self.ports],
        }


def _features(bits: int | None) -> list[str] | None:
    if bits is None:
        return None
    from dpif.cli.datapath_features import feature_words

    return feature_words(bits)


def _counters(datapath: AnyDatapath, port: Port) -> PortCounters:
    from dpif.cli.output.port_counters import PortCounters

    return PortCounters.of(datapath, port)
