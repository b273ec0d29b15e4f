"""Everything that makes up a userspace datapath, put together (`UserspaceSystem`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from errno import EEXIST, EPROTONOSUPPORT
from random import Random
from types import TracebackType

from dpif._typing import Self
from dpif.conntrack.service import NetfilterService
from dpif.errors import Unavailable
from dpif.netlink.answering import Answering
from dpif.netlink.constants import NETLINK_GENERIC, NETLINK_NETFILTER
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.service import Service
from dpif.odp.kernel.rules import features_of
from dpif.userspace.devices import FACTORIES
from dpif.userspace.devices.memory import MemoryDevice
from dpif.userspace.engine.limits import Limits
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.underlay import Underlay
from dpif.userspace.loop import Loop
from dpif.userspace.service import add_families, add_subsystems
from dpif.userspace.underlays.host import HostUnderlay


class UserspaceSystem:
    """Datapaths and devices that start empty and belong to whoever made this; a context manager.

    It may be used from several threads. `clock` gives seconds that never run backwards, for the times in flow
    statistics; `random` decides for the action ``sample``. `underlay` is the network that tunnels travel on, which
    is the host's own (`HostUnderlay`) unless another is given. `limits` say how much is taken in. `kernel` names the
    Linux whose ways the datapaths have, where these differ: one of `dpif.odp.kernel.rules.KERNELS`.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        underlay: Underlay | None = None,
        limits: Limits | None = None,
        kernel: str = "newest",
    ) -> None:
        self.namespace = Namespace(
            FACTORIES,
            clock,
            random or Random(),
            underlay or HostUnderlay(),
            limits or Limits(),
            features_of(kernel),
        )
        self.service = Service(self.namespace.lock)
        add_families(self.service, self.namespace)
        self.netfilter = NetfilterService(self.namespace.lock)
        add_subsystems(self.netfilter, self.namespace)
        self.loop = Loop(self.namespace)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def transport(self, protocol: int = NETLINK_GENERIC) -> LoopbackTransport:
        """Return a new transport to the datapaths, or to their conntrack (NETLINK_NETFILTER), for this process."""
        return LoopbackTransport(self.protocol(protocol))

    def protocol(self, number: int) -> Answering:
        """Return what answers a netlink protocol; raise `Unavailable` for one that is not there."""
        if number == NETLINK_GENERIC:
            return self.service
        if number == NETLINK_NETFILTER:
            return self.netfilter
        raise Unavailable(f"a userspace datapath has no netlink protocol {number}", EPROTONOSUPPORT)

    def device(self, name: str) -> MemoryDevice:
        """Return the device in memory called `name`, made when there is none.

        A datapath's internal devices are found here as well. EEXIST when another kind of device has the name.
        """
        with self.namespace.lock:
            device = self.namespace.devices.get(name)
            if device is None:
                device = MemoryDevice(self.namespace, name)
                self.namespace.add_device(device)
            if not isinstance(device, MemoryDevice):
                raise refusal(EEXIST, f"the device {name} is not in memory")
            return device

    def run_once(self, timeout: float | None = 0.0) -> int:
        """Deal with packets from Linux devices and captures, waiting up to `timeout` seconds; return how many."""
        return self.loop.run_once(timeout)

    def start(self) -> None:
        """Deal with those packets in a thread of its own, until `stop`."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="dpif-userspace", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self.loop.run_once()

    def stop(self) -> None:
        """End what `start` began; without it nothing happens."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self.loop.wake()
            thread.join()

    def close(self) -> None:
        """End all datapaths and devices; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        self.namespace.close()
        self.loop.close()
