"""A diagnosis of a host and its datapaths: what is there, what is wrong with it, what to do.

`diagnose` looks at an open datapath, `diagnose_host` at what is under all of them. Both only read: no request of
theirs changes anything, and none directs upcalls. Each `Finding` says what was found, what it means, and what to
do; findings that all is well are among them, since "checked, and fine" is an answer too.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator

from dpif.apps.doctor.bounds import examine_bounds
from dpif.apps.doctor.devices import examine_devices, stray_tunnels
from dpif.apps.doctor.findings import Finding, Level, worst
from dpif.apps.doctor.host import examine_host
from dpif.apps.doctor.listeners import Sockets, examine_listeners
from dpif.apps.doctor.traffic import examine_traffic
from dpif.apps.doctor.zones import examine_zones
from dpif.client import Datapath
from dpif.client.dispatch import cpu_count

__all__ = ["Finding", "Level", "diagnose", "diagnose_host", "diagnose_tunnels", "examine_bounds", "worst"]


def diagnose(datapath: Datapath) -> Iterator[Finding]:
    """Yield the findings about a datapath; raise as its reading methods do.

    Of the processes that listen, and of devices, only those of a kernel's datapath can be seen.
    """
    record, ports = datapath.read(), list(datapath.ports)
    in_kernel = datapath.type == "system"
    cpus, sockets = (cpu_count(), Sockets.read()) if in_kernel else (1, None)
    yield from examine_listeners(record, ports, cpus, sockets, in_kernel=in_kernel)
    yield from examine_traffic(record, ports, str(datapath))
    if in_kernel:
        yield from examine_devices(ports)
        yield from examine_zones(datapath)


def diagnose_host(*, needs_kernel: bool = True) -> Iterator[Finding]:
    """Yield the findings about this host: its kernel, this process's rights, its table of connections.

    Without `needs_kernel` datapaths in user space are all that is asked about: to them the kernel's module, its
    connections, and rights are nothing.
    """
    return examine_host(needs_kernel=needs_kernel)


def diagnose_tunnels(attached: Collection[str]) -> Iterator[Finding]:
    """Yield the tunnels' devices of this namespace that no datapath has; `attached` are the names of all ports."""
    return stray_tunnels(attached, [name for _, name in socket.if_nameindex()])
