"""Who gets a datapath's misses: naming a netlink port id as their receiver, and giving the place back.

Two ways. *Per CPU* (Linux 5.15): the datapath has one list of port ids, one for each CPU. *Per vport*: every
port has its own, so that a port that somebody adds later must be told too (`adopt`). Only listening writes any
of this; a look never does. What was set before is preserved: features are changed by adding to the present ones,
since a SET without them would clear them, and `restore` puts back what was there, unless somebody else took over
meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Protocol

from dpif.errors import NetlinkError, NoSuchObject
from dpif.odp.constants import DatapathFeature
from dpif.odp.messages.datapath import DatapathRecord

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.client.ports import Port


class Dispatch(Protocol):
    """One way to direct misses to a port id; made active by `choose_dispatch`."""

    name: str

    def adopt(self, port: Port | int) -> None:
        """Direct the misses of a port that was attached by somebody else."""
        ...

    def restore(self) -> None:
        """Give the place back."""
        ...


def choose_dispatch(datapath: Datapath, port_id: int) -> Dispatch:
    """Direct the misses of `datapath` to `port_id`: per CPU where the datapath can, else per vport."""
    before = datapath.read()
    try:
        return PerCpu(datapath, port_id, before)
    except NetlinkError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    return PerVport(datapath, port_id, before)


class PerCpu:
    """Misses go to the port id of the CPU that they happen on; here the same for all."""

    name = "per-cpu"

    def __init__(self, datapath: Datapath, port_id: int, before: DatapathRecord) -> None:
        self._dp = datapath
        self._before = before
        features = (before.user_features or 0) | DatapathFeature.UNALIGNED | DatapathFeature.DISPATCH_UPCALL_PER_CPU
        self._pids = (port_id,) * _cpu_count()
        datapath.write(user_features=features & ~DatapathFeature.VPORT_PIDS, per_cpu_pids=self._pids)

    def adopt(self, port: Port | int) -> None:
        """Nothing to do: the list holds for every port."""

    def restore(self) -> None:
        """Put back features and port ids, unless these are no longer ours."""
        with contextlib.suppress(NoSuchObject):
            now = self._dp.read()
            if now.per_cpu_pids and set(now.per_cpu_pids) <= set(self._pids):
                self._dp.write(user_features=self._before.user_features or 0, per_cpu_pids=self._before.per_cpu_pids)


class PerVport:
    """Each port has a port id of its own; here the same for all, those added through this handle included."""

    name = "per-vport"

    def __init__(self, datapath: Datapath, port_id: int, before: DatapathRecord) -> None:
        self._dp = datapath
        self._port_id = port_id
        self._before: dict[int, tuple[int, ...]] = {}
        features = (before.user_features or 0) | DatapathFeature.UNALIGNED
        datapath.write(user_features=features & ~DatapathFeature.DISPATCH_UPCALL_PER_CPU)
        datapath.upcall_pid = port_id
        for port in datapath.ports:
            self._before[port.number] = port.upcall_pids
            with contextlib.suppress(NoSuchObject):
                datapath.ports.set_upcall_pids(port, (port_id,))

    def adopt(self, port: Port | int) -> None:
        """Give the port our id."""
        self._dp.ports.set_upcall_pids(port, (self._port_id,))

    def restore(self) -> None:
        """Put back the port ids of the ports that still have ours."""
        self._dp.upcall_pid = 0
        with contextlib.suppress(NoSuchObject):
            for port in self._dp.ports:
                if port.upcall_pids == (self._port_id,):
                    self._dp.ports.set_upcall_pids(port, self._before.get(port.number) or (0,))


def _cpu_count() -> int:
    """Return how many CPUs the kernel may ever use: a shorter list makes it warn."""
    return max(os.sysconf("SC_NPROCESSORS_CONF"), os.cpu_count() or 1)
