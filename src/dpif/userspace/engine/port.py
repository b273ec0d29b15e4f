"""A port of a datapath: a device, a number, who hears of its packets, and what passed (``struct vport``)."""

from __future__ import annotations

from collections.abc import Sequence

from dpif._typing import TYPE_CHECKING
from dpif.odp.constants import DatapathFeature
from dpif.odp.kernel.swkey import MAC_PROTO_ETHERNET, build

if TYPE_CHECKING:
    from dpif.userspace.engine.datapath import Datapath, DatapathFlow
    from dpif.userspace.engine.device import Device


class Port:
    """A port.

    ``upcall_port_ids`` are the netlink port ids that its packets go up to, ``metadata`` the part of a packet's key
    that coming in here decides. The counters ``received`` and ``sent`` are from the datapath's side, whatever kind
    of device this is; ``upcalls_taken`` and ``upcalls_failed`` count the packets of this port that went up, and those
    that nobody took. ``recent`` remembers what the datapath found for packets that came in here: flow and flat
    key, by their fingerprint.
    """

    __slots__ = (
        "datapath",
        "device",
        "metadata",
        "number",
        "received_bytes",
        "received_packets",
        "recent",
        "rx_errors",
        "sent_bytes",
        "sent_packets",
        "tx_dropped",
        "type",
        "upcall_port_ids",
        "upcalls_failed",
        "upcalls_taken",
    )

    def __init__(
        self,
        datapath: Datapath,
        number: int,
        type: int,
        device: Device,
        upcall_port_ids: tuple[int, ...],
    ) -> None:
        self.datapath = datapath
        self.number = number
        self.type = type
        self.device = device
        self.upcall_port_ids = upcall_port_ids
        self.metadata = build({"phy.in_port": number, "mac_proto": MAC_PROTO_ETHERNET})
        self.recent: dict[bytes | None, tuple[DatapathFlow, int]] = {}
        self.received_packets = self.received_bytes = 0
        self.sent_packets = self.sent_bytes = 0
        self.rx_errors = self.tx_dropped = 0
        self.upcalls_taken = self.upcalls_failed = 0

    @property
    def name(self) -> str:
        """The name of its device."""
        return self.device.name

    @property
    def has_listener(self) -> bool:
        """Whether somebody is named to get its misses, be they there or not."""
        if self.datapath.features & DatapathFeature.DISPATCH_UPCALL_PER_CPU:
            return bool(self.datapath.per_cpu_port_id)
        return any(self.upcall_port_ids)

    def count_upcall(self, taken: bool) -> None:
        """Count a packet that was to go up (ovs_vport_update_upcall_stats, from Linux 6.2 on)."""
        if taken:
            self.upcalls_taken += 1
        else:
            self.upcalls_failed += 1

    def send(self, packet: bytes, tunnel: int = 0) -> None:
        """Send a packet out of this port; `tunnel` is that of `Frame.tunnel`."""
        if self.device.transmit(packet, tunnel):
            self.sent_packets += 1
            self.sent_bytes += len(packet)
        else:
            self.tx_dropped += 1

    def send_many(self, packets: Sequence[bytes]) -> None:
        """Send packets out of this port, in their order."""
        taken = self.device.transmit_many(packets)
        self.tx_dropped += len(packets) - len(taken)
        self.sent_packets += len(taken)
        self.sent_bytes += sum(map(len, taken))
