"""``show``: a datapath's counters, its caches and its ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dpif.cli.caches import cache_data, cache_lines
from dpif.cli.devices import counter
from dpif.cli.tunnels import configuration

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.client.port import Port
    from dpif.odp.messages.datapath import DatapathRecord


def show(context: Context) -> None:
    """Show the datapaths named, or all."""

    def read(datapath: Datapath) -> Overview:
        return Overview.read(datapath, with_counters=context.options.statistics)

    context.print_all("datapaths", context.each_datapath(context.words, read))


class Overview(NamedTuple):
    """What is shown of a datapath."""

    name: str
    record: DatapathRecord
    ports: list[PortView]

    @classmethod
    def read(cls, datapath: Datapath, *, with_counters: bool) -> Overview:
        """Ask a datapath; `with_counters` asks for those of its ports too."""
        record = datapath.read()
        ports = [PortView(port, _Counters.of(datapath, port) if with_counters else None) for port in datapath.ports]
        return cls(str(datapath), record, ports)

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl show`` prints it (show_dpif)."""
        yield f"{self.name}:"
        yield from self._counter_lines()
        yield from cache_lines(self.record)
        for port in self.ports:
            yield from port.lines()

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
            "caches": cache_data(self.record),
            "ports": [port.data() for port in self.ports],
        }


class PortView(NamedTuple):
    """What is shown of a port; ``counters`` are None where they were not asked for."""

    port: Port
    counters: _Counters | None

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


class _Counters(NamedTuple):
    """Counters of a port; None is a value that is not known."""

    port: Port
    rx_overruns: int | None = None
    rx_frame: int | None = None
    tx_aborted: int | None = None
    tx_carrier: int | None = None
    collisions: int | None = None

    @classmethod
    def of(cls, datapath: Datapath, port: Port) -> _Counters:
        """Add to what the datapath counts what the device does, where that is one of this host."""
        if datapath.type != "system":
            return cls(port)
        names = ("rx_over_errors", "rx_frame_errors", "tx_aborted_errors", "tx_carrier_errors", "collisions")
        return cls(port, *[counter(port.name, name) for name in names])

    def lines(self) -> Iterator[str]:
        """Return them as ``ovs-dpctl`` prints them, with those of upcalls where the datapath tells."""
        stats = self.port.stats
        if stats is not None:
            overruns, frame = _shown(self.rx_overruns), _shown(self.rx_frame)
            aborted, carrier = _shown(self.tx_aborted), _shown(self.tx_carrier)
            errors = f"errors:{stats.rx_errors} dropped:{stats.rx_dropped}"
            yield f"    RX packets:{stats.rx_packets} {errors} overruns:{overruns} frame:{frame}"
            errors = f"errors:{stats.tx_errors} dropped:{stats.tx_dropped}"
            yield f"    TX packets:{stats.tx_packets} {errors} aborted:{aborted} carrier:{carrier}"
            yield f"    collisions:{_shown(self.collisions)}"
            yield f"    RX bytes:{_size(stats.rx_bytes)}  TX bytes:{_size(stats.tx_bytes)}"
        upcalls = self.port.upcall_stats
        if upcalls is not None:
            yield f"    UPCALL packets:{upcalls.success} errors:{upcalls.fail}"

    def data(self) -> dict[str, object]:
        """Return packets and bytes; what is not known is None."""
        stats, upcalls = self.port.stats, self.port.upcall_stats
        counts = {} if stats is None else stats._asdict()
        own = {"rx_overruns": self.rx_overruns, "rx_frame": self.rx_frame, "tx_aborted": self.tx_aborted}
        own |= {"tx_carrier": self.tx_carrier, "collisions": self.collisions}
        return {**counts, **own, "upcalls": upcalls and upcalls._asdict()}


def _shown(value: int | None) -> str:
    return "?" if value is None else str(value)


def _size(count: int) -> str:
    """Return a number of bytes, with a rounded one from a KiB upwards."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count} ({count / unit:.1f} {name})"
    return str(count)
