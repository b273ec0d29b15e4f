"""A device whose other end is a program in this process (`MemoryDevice`): no wire, no system, no privilege."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from dpif._typing import Final
from dpif.userspace.engine.device import Device
from dpif.userspace.engine.namespace import Namespace, Options

QUEUE_LENGTH: Final = 1000
"""Packets that wait for `MemoryDevice.recv` before more are dropped: a Linux device's default (txqueuelen)."""


class MemoryDevice(Device):
    """A device in memory; `send` and `recv` are the host's side of it, each for many packets too.

    What the datapath sends out waits in a queue of ``queue_length`` for `recv`. When ``on_packet`` is set it is
    called with each packet instead; it may call `send`.
    """

    def __init__(self, namespace: Namespace, name: str, queue_length: int = QUEUE_LENGTH) -> None:
        super().__init__(namespace, name)
        self.on_packet: Callable[[bytes], None] | None = None
        self._queue: deque[bytes] = deque()
        self.queue_length = queue_length

    def send(self, packet: bytes) -> None:
        """Put a packet into the datapath. When this returns the packet has been dealt with.

        From within ``on_packet`` it is dealt with when the packet in hand is done.
        """
        with self.namespace.lock:
            self.received(bytes(packet))

    def send_many(self, packets: Iterable[bytes]) -> None:
        """Put packets into the datapath, in their order; cheaper for each than `send`.

        What they bring about, such as packets that ``on_packet`` sends, is dealt with behind the last of them.
        """
        with self.namespace.lock:
            self.received_many(list(packets))

    def recv(self) -> bytes | None:
        """Return the next packet that came out of the datapath, None when there is none."""
        with self.namespace.lock:
            return self._queue.popleft() if self._queue else None

    def recv_many(self) -> list[bytes]:
        """Return all packets that came out of the datapath and wait, the first one first."""
        with self.namespace.lock:
            packets = list(self._queue)
            self._queue.clear()
            return packets

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Hand the packet to ``on_packet`` or the queue; False when that is full."""
        if self.on_packet is not None:
            self.on_packet(packet)
        elif len(self._queue) < self.queue_length:
            self._queue.append(packet)
        else:
            return False
        return True

    def transmit_many(self, packets: Sequence[bytes]) -> Sequence[bytes]:
        """Hand the packets to ``on_packet`` or the queue, as far as there is room."""
        if self.on_packet is not None:
            return super().transmit_many(packets)
        taken = packets[: max(self.queue_length - len(self._queue), 0)]
        self._queue.extend(taken)
        return taken


def make_internal_device(namespace: Namespace, name: str, options: Options) -> MemoryDevice:
    """Make the device of an internal port."""
    device = MemoryDevice(namespace, name)
    device.is_internal = True
    return device
