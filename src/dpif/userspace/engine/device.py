"""What a port needs of a device (`Device`); the kinds of device are in `dpif.userspace.devices`.

A device belongs to a `Namespace`, which knows it by its name, and to at most one port. It hands packets to its
port with `received` and takes packets from it in `transmit`. A device whose packets must be waited for says how
with `filenos` and `poll`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpif._typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dpif.userspace.engine.namespace import Namespace
    from dpif.userspace.engine.port import Port


TURN: Final = 0.005
"""Seconds that a device, or a client, may take of everybody's time before it is the next one's turn."""


def name_in_bytes(name: str) -> bytes:
    """Return the name of a device as the system has it, which need not be UTF-8 (`dpif.netlink.policy.String`)."""
    return name.encode("utf-8", "surrogateescape")


class Device:
    """A network device.

    ``ifindex`` is given by the namespace. ``vanishes`` says that the device was made for its port and goes with
    it; ``is_internal`` besides that it is the host's end of a datapath, as the kernel's internal devices are.
    ``options`` are what is told of it when its port is asked for.
    """

    def __init__(self, namespace: Namespace, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self.ifindex = 0
        self.port: Port | None = None
        self.vanishes = False
        self.is_internal = False
        self.options: Mapping[int, object] = {}
        self._put_off: Sequence[bytes] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def mtu(self) -> int | None:
        """Bytes of the largest IP packet that it takes, None for any; asked before a packet is fragmented."""
        return None

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Send a packet that leaves the datapath; False when the device would not take it.

        `tunnel` is the flat tunnel key that the packet was given, 0 for none: tunnels send it by that, other
        devices pass over it.
        """
        raise NotImplementedError

    def egress_tunnel(self, packet: bytes, tunnel: int) -> int:
        """Return the flat tunnel key that a packet with `tunnel` would leave with; 0 where there is no tunnel."""
        return 0

    def transmit_many(self, packets: Sequence[bytes]) -> Sequence[bytes]:
        """Send packets in their order; return those that the device took."""
        transmit = self.transmit
        return [packet for packet in packets if transmit(packet)]

    def received(self, packet: bytes, tunnel: int = 0) -> None:
        """Hand a packet to the port, with the flat tunnel key that it brought; without a port it is lost.

        Called with the namespace's lock held.
        """
        port = self.port
        if port is not None:
            port.datapath.processor.receive(port, packet, tunnel)

    def received_many(self, packets: Sequence[bytes]) -> None:
        """Hand packets to the port, in their order; as `received`, but cheaper for each."""
        port = self.port
        if port is not None:
            port.datapath.processor.receive_many(port, packets)

    def polled(self, packets: Sequence[bytes]) -> None:
        """Hand packets that `poll` has read to the port until a turn's time is over; the others wait for the next."""
        port = self.port
        if port is not None:
            self._put_off = port.datapath.processor.receive_many(port, packets, self.namespace.clock() + TURN)

    def filenos(self) -> Sequence[int]:
        """Return the descriptors that are readable when `poll` has something to do."""
        return ()

    @property
    def is_pending(self) -> bool:
        """Tell whether `poll` has something to do without any descriptor's saying so."""
        return False

    def poll(self, budget: int) -> int:
        """Hand up to `budget` packets to the port without waiting, and return how many they were."""
        return 0

    @property
    def wants_turn(self) -> bool:
        """Tell whether there is something to do, whatever the descriptors say."""
        return bool(self._put_off) or self.is_pending

    @property
    def patience(self) -> float | None:
        """Return after how many seconds it wants a turn, whatever the descriptors say: 0 for now, None for never."""
        return 0.0 if self.wants_turn else None

    def take_turn(self, budget: int) -> int:
        """Do what `poll` does; or hand over packets that were put off, which were counted when they were read."""
        if not self._put_off:
            return self.poll(budget)
        packets, self._put_off = self._put_off, ()
        self.polled(packets)
        return 0

    def release(self) -> None:
        """Give up what the device holds of the system; called once, when the namespace forgets it."""

    def close(self) -> None:
        """Take the device away; a port that has it goes too, and those who listen are told."""
        self.namespace.remove_device(self)
