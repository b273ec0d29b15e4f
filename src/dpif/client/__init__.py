"""The client: datapaths, their ports, flows and upcalls, over any transport.

A `Datapath` is a handle on one datapath. Everything it can be asked is one blocking call, since the answer to a
netlink request is there when the request was sent::

    with dpif.open("system@dp0") as dp:
        for port in dp.ports: ...
        dp.flows.add("in_port(1),eth(),eth_type(0x0806),arp()", "2")
        dp.execute(packet, "2", FlowKey(in_port=1))

**Ports** are numbered attachments of network devices; port 0 is the datapath's own. `Ports.watch` reports their
coming and going. **Flows** are a cache: each has a key, a mask that says which bits of it count, and actions.
Flows may not overlap. A flow is found again by the key that it was installed with, or by its UFID. **Upcalls**
are the packets that no flow matches (and those that a ``userspace`` action sends): who listens to them decides,
installs a flow, and sends the packet on with `execute`. **Samples** are copies of packets that ``psample`` actions
take; whoever listens (`Datapath.samples`) hears them, and nothing else changes.

Beside these a datapath has `Meters` (rate limits that flows name by number) and, shared by all datapaths of a network
namespace, `CtLimits` and the connections themselves (`Datapath.conntrack`, of `dpif.conntrack`).

What truly waits (`Upcalls`, `Samples`, `PortWatch`) is an iterator, an async iterator and has a ``fileno()``. Many
changes go in one `operate`, each with its own result.

**A look never writes.** Opening a datapath and reading it sends GET requests only. The first thing that writes
is what says so: ``create``, ``add``, ``put``, ``delete``, ``upcalls(miss=True)``.

**Who holds whom.** The handle (`datapath`) makes its parts (`ports`, `flows`, `upcalls`, …) when they are asked
for, and each part keeps the handle whose requests it sends. So the files name each other, the parts the handle for
types alone: a part is of no use by itself, and an interface in between would have one user.

This package knows messages (`dpif.odp`) and exchanges (`dpif.netlink`); which transport carries them is decided
in `dpif._open`.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.client.ct_limits import CtLimits
    from dpif.client.datapath import Datapath, queue_to_priority
    from dpif.client.features import Features
    from dpif.client.flows import Flow, Flows, TerseFlow
    from dpif.client.meters import Meter, MeterFeatures, Meters
    from dpif.client.operations import Delete, Execute, Get, Operation, Put, Result, Results
    from dpif.client.port import Port
    from dpif.client.ports import Ports, find_port, is_internal_device
    from dpif.client.samples import Samples
    from dpif.client.stats import Stats
    from dpif.client.upcalls import Upcall, UpcallHandlers, Upcalls
    from dpif.client.watch import PortAdded, PortChanged, PortEvent, PortRemoved, PortWatch

__all__ = [
    "CtLimits",
    "Datapath",
    "Delete",
    "Execute",
    "Features",
    "Flow",
    "Flows",
    "Get",
    "Meter",
    "MeterFeatures",
    "Meters",
    "Operation",
    "Port",
    "PortAdded",
    "PortChanged",
    "PortEvent",
    "PortRemoved",
    "PortWatch",
    "Ports",
    "Put",
    "Result",
    "Results",
    "Samples",
    "Stats",
    "TerseFlow",
    "Upcall",
    "UpcallHandlers",
    "Upcalls",
    "find_port",
    "is_internal_device",
    "queue_to_priority",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CtLimits": "ct_limits",
        **dict.fromkeys(("Datapath", "queue_to_priority"), "datapath"),
        "Samples": "samples",
        "Stats": "stats",
        "Features": "features",
        **dict.fromkeys(("Flow", "Flows", "TerseFlow"), "flows"),
        **dict.fromkeys(("Meter", "MeterFeatures", "Meters"), "meters"),
        **dict.fromkeys(("Delete", "Execute", "Get", "Operation", "Put", "Result", "Results"), "operations"),
        "Port": "port",
        **dict.fromkeys(("Ports", "find_port", "is_internal_device"), "ports"),
        **dict.fromkeys(("Upcall", "UpcallHandlers", "Upcalls"), "upcalls"),
        **dict.fromkeys(("PortAdded", "PortChanged", "PortEvent", "PortRemoved", "PortWatch"), "watch"),
    },
)
