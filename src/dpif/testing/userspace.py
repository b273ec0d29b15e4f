"""The datapath in user space as a `Harness` of the conformance suite: devices in memory for hosts."""

from __future__ import annotations

from itertools import count

from dpif._typing import Self
from dpif._userspace import Userspace
from dpif.client import Datapath
from dpif.odp.kernel.rules import KERNELS
from dpif.testing.conformance.harness import HERE, capabilities_of
from dpif.testing.waiting import PATIENCE
from dpif.userspace.devices.memory import MemoryDevice
from dpif.userspace.engine.limits import Limits
from dpif.userspace.underlays.memory import MemoryUnderlay


class MemoryHost:
    """A host at the far end of a device in memory."""

    def __init__(self, device: MemoryDevice) -> None:
        self._device = device
        self.name = device.name

    def send(self, frame: bytes) -> None:
        """Send a frame towards the datapath."""
        self._device.send(frame)

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next frame from the datapath, which is there at once or not at all."""
        return self._device.recv()

    def remove(self) -> None:
        """Delete the device."""
        self._device.close()


class MemoryWire:
    """An underlay in memory."""

    def __init__(self, underlay: MemoryUnderlay) -> None:
        self._underlay = underlay
        self.send = underlay.send

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next packet from a tunnel, which is there at once or not at all."""
        return self._underlay.recv()


class UserspaceHarness:
    """Makes datapaths and hosts in one userspace datapath of its own, with the ways of a `kernel` and `limits`."""

    def __init__(self, kernel: str = "newest", limits: Limits | None = None) -> None:
        own = {"userspace", "ct_zones", "timeouts_are_counted"}
        self.capabilities = capabilities_of(KERNELS[kernel]) | own
        self._underlay = MemoryUnderlay(HERE)
        self._system = Userspace(underlay=self._underlay, kernel=kernel, limits=limits)
        self._numbers = count(1)
        self._handles: list[Datapath] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.close()
        self._system.close()

    def open(self, name: str, *, create: bool = False, features: int = 0, ifindex: int | None = None) -> Datapath:
        """Open or make a datapath."""
        dp = self._system.open(name, create=create, features=features, ifindex=ifindex)
        self._handles.append(dp)
        return dp

    def datapaths(self) -> list[str]:
        """Return the names of the datapaths."""
        return self._system.datapaths()

    def host(self, name: str | None = None) -> MemoryHost:
        """Make a device in memory."""
        return MemoryHost(self._system.device(name or f"cm{next(self._numbers)}"))

    def wire(self) -> MemoryWire:
        """Return the underlay."""
        return MemoryWire(self._underlay)
