"""A device made of capture files (`PcapDevice`): packets come in from one and go out to another.

The packets of the first come in one after the other as fast as the datapath takes them, whatever their times. They
begin when somebody listens to what misses, or at once when that is asked for; `audience.py` says when they pause.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from errno import EINVAL, EIO
from itertools import islice

from dpif._typing import Final
from dpif.errors import DpifError
from dpif.odp.constants import DummyAttr
from dpif.packet import capture
from dpif.userspace.devices.audience import Audience
from dpif.userspace.engine.device import TURN, Device
from dpif.userspace.engine.namespace import Namespace, Options
from dpif.userspace.engine.refusal import refusal

_LOOK: Final = 0.005
"""Seconds between looks whether there is an answer, where nothing says so: a request of another thread."""


class PcapDevice(Device):
    """A device that plays the capture `rx_pcap` into the datapath and writes what comes out to `tx_pcap`.

    Either may be None: nothing comes in, what goes out is thrown away. A file that cannot be opened, or is no
    capture, is an `OSError`, as is a FIFO, which would be waited for; a capture that breaks off ends the playing, and
    ``broken`` says why. With `play` it begins at once, else when somebody listens.
    """

    def __init__(
        self,
        namespace: Namespace,
        name: str,
        rx_pcap: str | None = None,
        tx_pcap: str | None = None,
        *,
        play: bool = False,
    ) -> None:
        super().__init__(namespace, name)
        self._is_playing = play
        self._audience = Audience(self)
        self.broken: DpifError | None = None
        self._packets: Iterator[capture.CapturedPacket] = (
            iter(()) if rx_pcap is None else capture.read(rx_pcap, regular=True)
        )
        self._next = self._read()
        if self.broken is not None:
            raise _refusal_of(self.broken)
        self._writer = None if tx_pcap is None else _open_writer(tx_pcap)

    @property
    def is_pending(self) -> bool:
        """Tell whether there are packets left to play to a port, and nothing to wait for."""
        if self._next is None or self.port is None:
            return False
        return (self._is_playing or self._audience.is_there) and not self._audience.wait

    @property
    def patience(self) -> float | None:
        """Return how long the next packet waits at most for whoever got the last one."""
        if self.wants_turn:
            return 0.0
        return min(self._audience.wait, _LOOK) or None

    def poll(self, budget: int) -> int:
        """Play up to `budget` packets, up to one that somebody has to answer."""
        self._is_playing = True
        if self._audience.is_waited_for():
            return self._play_to_audience(budget)
        packets = list(islice(self._rest(), budget))
        self.polled(packets)
        return len(packets)

    def _play_to_audience(self, budget: int) -> int:
        count = 0
        until = self.namespace.clock() + TURN
        for packet in islice(self._rest(), budget):
            count += 1
            if self._audience.hear(packet) or self.namespace.clock() >= until:
                break
        return count

    def _rest(self) -> Iterator[bytes]:
        while self._next is not None:
            packet, self._next = self._next, self._read()
            yield packet

    def _read(self) -> bytes | None:
        try:
            packet = next(self._packets, None)
        except DpifError as error:
            self.broken = error
            return None
        except MemoryError:
            self.broken = DpifError("there is no memory for the next packet")
            return None
        return None if packet is None else packet.data

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Write the packet down; False when there is no room for it."""
        if self._writer is not None:
            try:
                self._writer.write(packet)
            except OSError:
                return False
        return True

    def release(self) -> None:
        """Close the files."""
        self._packets = iter(())
        self._next = None
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()


def _open_writer(path: str) -> capture.Writer:
    try:
        return capture.Writer(path, flush=True, regular=True)
    except DpifError as error:
        raise _refusal_of(error) from None


def _refusal_of(error: DpifError) -> OSError:
    code = error.errno if isinstance(error, OSError) else EINVAL
    return refusal(code or EIO, str(error))


def make_pcap_device(namespace: Namespace, name: str, options: Options) -> PcapDevice:
    """Make the device of a port of type ``dummy``."""
    device = PcapDevice(
        namespace,
        name,
        options.get(DummyAttr.RX_PCAP),
        options.get(DummyAttr.TX_PCAP),
        play=DummyAttr.PLAY in options,
    )
    device.options = options
    return device
