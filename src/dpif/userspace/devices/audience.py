"""Whether the next packet of a capture may go in, or waits for those who listen (`Audience`).

A capture can be read faster than any program reacts: all packets of a connection would come up before the first of
them has its flow, which a network does to nobody. So behind a packet that missed, and was handed to somebody, the
next one waits until user space has put a flow or sent a packet. Who only looks does neither; after a second the
others go in without waits, until there is such an answer after all.
"""

from __future__ import annotations

from dpif._typing import Final
from dpif.userspace.engine.device import Device

PATIENCE: Final = 1.0
"""Seconds that the next packet waits for an answer at most."""


class Audience:
    """Who listens to the misses of a device's port, and whether they have answered."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._answers = 0  # as of the last packet that was handed up
        self._until: float | None = None  # when nobody waits any longer
        self._answers_at_all = True

    @property
    def is_there(self) -> bool:
        """Whether somebody is named to get the misses."""
        return self._device.port is not None and self._device.port.has_listener

    @property
    def wait(self) -> float:
        """Seconds that the next packet has to wait yet."""
        if self._until is None or self._has_answered():
            return 0.0
        return max(0.0, self._until - self._device.namespace.clock())

    def _has_answered(self) -> bool:
        port = self._device.port
        return port is None or port.datapath.n_answers != self._answers

    def is_waited_for(self) -> bool:
        """Tell at the beginning of a turn, when nothing waits, whether packets of it may have to."""
        if self._has_answered():
            self._answers_at_all = True
        elif self._until is not None:
            self._answers_at_all = False
        self._until = None
        return self._answers_at_all and self.is_there

    def hear(self, packet: bytes) -> bool:
        """Hand a packet to the port; tell whether the next one has to wait."""
        port = self._device.port
        if port is None:
            return False
        datapath = port.datapath
        answers, missed, taken = datapath.n_answers, datapath.n_missed, port.upcalls_taken
        self._device.received(packet)
        if datapath.n_missed == missed or port.upcalls_taken == taken:
            return False
        self._answers = answers
        self._until = self._device.namespace.clock() + PATIENCE
        return self.wait > 0.0
