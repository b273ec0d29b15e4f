"""What ``show -s`` adds of a port: the datapath's counters and those of the device."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.devices import counter

if TYPE_CHECKING:
    from dpif.cli.reading import AnyDatapath
    from dpif.client.port import Port


class PortCounters(NamedTuple):
    """Counters of a port; None is a value that is not known."""

    port: Port
    rx_overruns: int | None = None
    rx_frame: int | None = None
    tx_aborted: int | None = None
    tx_carrier: int | None = None
    collisions: int | None = None

    @classmethod
    def of(cls, datapath: AnyDatapath, port: Port) -> PortCounters:
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
