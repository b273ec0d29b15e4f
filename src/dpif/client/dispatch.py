"""Who gets a datapath's misses: naming netlink port ids as their receivers, and giving the place back.

Two ways. *Per CPU* (Linux 5.15): the datapath has one list of port ids, one for each CPU; handler ``i`` of ``n`` gets
those of the CPUs ``i``, ``i + n``, … *Per vport*: every port has port ids of its own, so that a port that somebody
adds later must be told too (`adopt`). A handler then has 16 sockets, of which port ``p`` uses number ``p & 15``, so
that the flood of one port fills a queue that most others do not share. A port takes turns between several handlers,
as far as the datapath takes several ids; ports are spread over the handlers all the same.

Some ports alone may be listened to as well, in the second way; the datapath's features then stay as they are.

Only listening writes any of this; a look never does. What was set before is preserved: features are changed by
adding to the present ones, since a SET without them would clear them, and `restore` puts back what was there, unless
somebody else took over meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from dpif._typing import TYPE_CHECKING, Final, Protocol
from dpif.client.channels import Channels
from dpif.errors import EncodeError, NetlinkError, NoSuchObject, brief, netlink_error
from dpif.odp.constants import DatapathFeature
from dpif.odp.messages.datapath import DatapathRecord

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.client.port import Port

SOCKETS: Final = 16
"""How many sockets a handler has per vport; a power of two."""
PER_CPU: Final = "per-cpu"
PER_VPORT: Final = "per-vport"
_ANY_PID: Final = 0xFFFFFFFF


class Dispatch(Protocol):
    """One way to direct misses to handlers; made active by `choose_dispatch`."""

    name: str

    def pids_for(self, number: int | None) -> tuple[int, ...]:
        """Return the upcall port ids that a port of this number must have (None: not known yet)."""
        ...

    def pid_of(self, number: int) -> int:
        """Return the port id to name in a ``userspace`` action of a flow from this port."""
        ...

    def adopt(self, port: Port | int) -> None:
        """Direct the misses of a port that was attached by somebody else."""
        ...

    def restore(self) -> None:
        """Give the place back."""
        ...


def choose_dispatch(
    datapath: Datapath,
    handlers: Sequence[Channels],
    wanted: str | None = None,
    ports: Collection[int] | None = None,
) -> Dispatch:
    """Direct the misses of `datapath` to `handlers`: as is wanted, else per CPU where it can, else per vport.

    Those of `ports` (numbers) alone go per vport.
    """
    if wanted not in (None, PER_CPU, PER_VPORT):
        raise EncodeError(f"unknown dispatch {brief(wanted)}; one of: {PER_CPU}, {PER_VPORT}")
    before = datapath.read()
    if ports is not None:
        if wanted == PER_CPU:
            raise EncodeError("misses of some ports alone are dispatched per vport, not per CPU")
        return SomePorts(datapath, handlers, before, ports)
    if wanted != PER_VPORT:
        try:
            return PerCpu(datapath, handlers, before)
        except NetlinkError as error:
            if error.errno != errno.EOPNOTSUPP or wanted == PER_CPU:
                raise
    return PerVport(datapath, handlers, before)


class PerCpu:
    """Misses go to the port id of the CPU that they happen on."""

    name = PER_CPU

    def __init__(self, datapath: Datapath, handlers: Sequence[Channels], before: DatapathRecord) -> None:
        self._dp = datapath
        self._before = before
        features = (before.user_features or 0) | DatapathFeature.UNALIGNED | DatapathFeature.DISPATCH_UPCALL_PER_CPU
        self._pids = tuple(handlers[cpu % len(handlers)].port_id for cpu in range(max(cpu_count(), len(handlers))))
        datapath.write(user_features=features & ~DatapathFeature.VPORT_PIDS, per_cpu_pids=self._pids)

    def pids_for(self, number: int | None) -> tuple[int, ...]:
        """Return no id: the datapath's list holds for every port."""
        return (0,)

    def pid_of(self, number: int) -> int:
        """Return an id that is none: the kernel wants one there and goes by the CPU."""
        return _ANY_PID

    def adopt(self, port: Port | int) -> None:
        """Nothing to do."""

    def restore(self) -> None:
        """Put back features and port ids, unless these are no longer ours."""
        with contextlib.suppress(NoSuchObject):
            now = self._dp.read()
            if now.per_cpu_pids and set(now.per_cpu_pids) <= set(self._pids):
                self._dp.write(user_features=self._before.user_features or 0, per_cpu_pids=self._before.per_cpu_pids)


class PerVport:
    """Each port has port ids of its own; those added through this handle get theirs at once."""

    name = PER_VPORT

    def __init__(self, datapath: Datapath, handlers: Sequence[Channels], before: DatapathRecord) -> None:
        self._dp = datapath
        self._features_before = before
        self._pids_before: dict[int, tuple[int, ...]] = {}
        for handler in handlers:
            handler.widen(SOCKETS)
        self._ids = [handler.port_ids for handler in handlers]
        features = (before.user_features or 0) | DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS
        self._features = features & ~DatapathFeature.DISPATCH_UPCALL_PER_CPU
        datapath.write(user_features=self._features)  # from here on ports tell all their ids
        ports = list(datapath.ports)
        self._width = self._find_width(ports)
        for port in ports:
            self._pids_before[port.number] = port.upcall_pids
            with contextlib.suppress(NoSuchObject):
                self.adopt(port)

    def _find_width(self, ports: Sequence[Port]) -> int:
        """Return how many ids a port may have: no more than the datapath counts CPUs, which it does not tell."""
        width = min(len(self._ids), cpu_count())
        if width > 1:
            try:
                self._dp.ports.set_upcall_pids(ports[0], (ports[0].upcall_pids or (0,)) * width)
            except NetlinkError as error:
                if error.errno != errno.EINVAL:
                    raise
                return 1
        return width

    def pids_for(self, number: int | None) -> tuple[int, ...]:
        """Return one id of each handler that has a turn at this port."""
        number = number or 0
        handlers = range(number, number + self._width)
        return tuple(self._ids[handler % len(self._ids)][number % SOCKETS] for handler in handlers)

    def pid_of(self, number: int) -> int:
        """Return the first of the port's ids."""
        return self.pids_for(number)[0]

    def adopt(self, port: Port | int) -> None:
        """Give the port our ids."""
        number = port if isinstance(port, int) else port.number
        self._dp.ports.set_upcall_pids(number, self.pids_for(number))

    def restore(self) -> None:
        """Put back the ids of the ports that still have ours, and the features."""
        with contextlib.suppress(NoSuchObject):
            for port in self._dp.ports:
                if port.upcall_pids == self.pids_for(port.number):
                    self._dp.ports.set_upcall_pids(port, self._pids_before.get(port.number) or (0,))
            if self._dp.user_features == self._features:
                before = self._features_before
                self._dp.write(user_features=before.user_features or 0, per_cpu_pids=before.per_cpu_pids)


class SomePorts:
    """Some ports have port ids of one handler, as with `PerVport`; the others, and the features, stay as they are."""

    name = PER_VPORT

    def __init__(
        self, datapath: Datapath, handlers: Sequence[Channels], before: DatapathRecord, ports: Collection[int]
    ) -> None:
        if (before.user_features or 0) & DatapathFeature.DISPATCH_UPCALL_PER_CPU:
            raise netlink_error(
                errno.EBUSY,
                f"listening to some ports of {datapath.name}",
                "its misses are dispatched per CPU, to whoever listens to all ports",
            )
        self._dp = datapath
        self._beneath = datapath.dispatch
        (handler,) = handlers
        handler.widen(SOCKETS)
        self._ids = handler.port_ids
        self._pids_before: dict[int, tuple[int, ...]] = {}
        try:
            for number in ports:
                self.adopt(number)
        except BaseException:
            self.restore()
            raise

    def pids_for(self, number: int | None) -> tuple[int, ...]:
        """Return our id for a port that is listened to; one that is added later has what it would have without us."""
        if number in self._pids_before:
            return (self.pid_of(number),)
        return self._beneath.pids_for(number) if self._beneath else (0,)

    def pid_of(self, number: int) -> int:
        """Return the id of the port's socket."""
        return self._ids[number % SOCKETS]

    def adopt(self, port: Port | int) -> None:
        """Listen to one more port."""
        found = self._dp.ports.get(port if isinstance(port, int) else port.number)
        self._dp.ports.set_upcall_pids(found, (self.pid_of(found.number),))
        self._pids_before.setdefault(found.number, found.upcall_pids)

    def restore(self) -> None:
        """Put back the ids of the ports that still have ours."""
        for number, before in self._pids_before.items():
            with contextlib.suppress(NoSuchObject):
                if self._dp.ports.get(number).upcall_pids == self.pids_for(number):
                    self._dp.ports.set_upcall_pids(number, before or (0,))


def cpu_count() -> int:
    """Return how many CPUs the kernel may ever use: with a list of port ids that is shorter it complains."""
    with contextlib.suppress(OSError, ValueError):
        possible = Path("/sys/devices/system/cpu/possible").read_text()
        return int(possible.strip().replace(",", "-").rpartition("-")[2]) + 1
    return os.cpu_count() or 1


def available_cpus() -> int:
    """Return how many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def recommended_handlers(active: int, total: int) -> int:
    """Return how many handlers suit `active` CPUs to run on, of `total` that packets come in on.

    Where they are fewer, the next prime above: a number that shares no factor with the queues of a network card
    spreads them evenly (dpif_netlink_calculate_n_handlers).
    """
    if active >= total or total <= 2:
        return max(active, 1)
    return min(next(n for n in range(active + 1, 2 * active + 3) if _is_prime(n)), total)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
