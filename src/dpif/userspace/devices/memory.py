"""A device whose other end is a program in this process (`MemoryDevice`): no wire, no system, no privilege."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from dpif.userspace.engine.device import Device
from dpif.userspace.engine.namespace import Namespace, Options

QUEUE_LENGTH: Final = 1000
"""Packets that wait for `MemoryDevice.recv` before more are dropped: a Linux device's default (txqueuelen)."""


class MemoryDevice(Device):
    """A device in memory; `send` and `recv` are the host's side of it.

    What the datapath sends out waits in a queue for `recv`. When ``on_packet`` is set it is called with each
    packet instead; it may call `send`.
    """

    def __init__(self, namespace: Namespace, name: str, queue_length: int = QUEUE_LENGTH) -> None:
        super().__init__(namespace, name)
        self.on_packet: Callable[[bytes], None] | None = None
        self._queue: deque[bytes] = deque()
        self._queue_length = queue_length

    def send(self, packet: bytes) -> None:
        """Put a packet into the datapath. When this returns the packet has been dealt with.

        From within ``on_packet`` it is dealt with when the packet in hand is done.
        """
        with self.namespace.lock:
            self.received(bytes(packet))

    def recv(self) -> bytes | None:
        """Return the next packet that came out of the datapath, None when there is none."""
        with self.namespace.lock:
            return self._queue.popleft() if self._queue else None

    def transmit(self, packet: bytes) -> bool:
        """Hand the packet to ``on_packet`` or the queue; False when that is full."""
        if self.on_packet is not None:
            self.on_packet(packet)
        elif len(self._queue) < self._queue_length:
            self._queue.append(packet)
        else:
            return False
        return True


def make_internal_device(namespace: Namespace, name: str, options: Options) -> MemoryDevice:
    """Make the device of an internal port."""
    device = MemoryDevice(namespace, name)
    device.is_internal = True
    return device
