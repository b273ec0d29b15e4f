"""A datapath in user space: it answers the netlink messages of the kernel's, errno for errno.

What drives a kernel datapath drives this one, without a kernel module and without root: the client sends the same
datagrams and cannot tell the difference. It is a Python program on one processor, for learning, for tests,
and for machines without Open vSwitch. It follows the newest Linux, or by `UserspaceSystem`'s ``kernel`` an older one.

**Layers**, each knowing only those below:

``engine``
    What the kernel module does, on values: it knows no messages and no sockets. A `Namespace` holds devices and
    datapaths by name, as a network namespace does. A datapath has ports and a flow table; a packet comes in
    through a port, its key is extracted as one integer, the flow table is asked mask by mask, the flow's actions
    run, or the packet goes up as an `Upcall`. Actions are compiled once, when a flow is put, to a tuple of
    functions. The clock and randomness are given from outside.
    That is the long way, which the first packet of its kind goes. What was found for it is remembered by the bytes
    that decided it (`fingerprint`), and lists of packets take these bytes all at once (`columns`, `batch`).
``devices``
    What ports are made of: in memory (the other end is a program in this process), captures, raw sockets on
    Linux devices, TAP devices, tunnels.
``underlays``
    The networks that tunnels travel on.
``service``
    The families ``ovs_datapath``, ``ovs_vport``, ``ovs_flow``, ``ovs_packet``, ``ovs_meter``,
    ``ovs_ct_limit``: records to engine calls and back; and ``psample``, which tells of samples. How netlink
    acknowledges, dumps and notifies is `dpif.netlink.service`'s business.
``system``, ``loop``, ``server``
    `UserspaceSystem` puts all of that together. In the same process, `UserspaceSystem.transport` leads to it; the
    `Server` serves it to other processes on a Unix socket.

**Time and order.** One lock guards everything. A packet is carried through to its end before the next one starts:
when `MemoryDevice.send` returns, the packet has been output, dropped, or has become an upcall in somebody's
queue. Packets of other devices are dealt with by `UserspaceSystem.run_once`, in the thread that
`UserspaceSystem.start` starts, or by the server.

**Connections** are tracked for all datapaths of a namespace together (`engine/conntrack`), with zones, marks,
labels, address translation and timeout policies. Fragments are put together before, and cut anew where the packet
leaves. There are no helpers. As in the kernel connections are listed and deleted over a netlink protocol of their
own, netfilter's, whose subsystems are in ``service`` beside the families; `UserspaceSystem.transport` and the
server lead to either protocol.

**Tunnels** (VXLAN with its group policy, Geneve with options, GRE over IPv4 and over IPv6) travel on an *underlay*,
a network that the system is given: the host's own (`HostUnderlay`, UDP sockets without privilege, raw ones for GRE),
or one in memory (`MemoryUnderlay`), whose IP packets a program in this process reads and writes, or hands to another
system. A packet leaves through a tunnel port by the key of its ``set(tunnel(…))``, and comes in with a tunnel key, as
on the kernel's datapath.

**What it does not have**: other types of tunnel (EAFNOSUPPORT), and what `docs/status.md` lists. `CAPABILITIES`
names the actions that there are. Besides the kernel's types of port there are two of our own, `VportType.DUMMY`
(captures) and `VportType.TAP`.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.userspace.devices.memory import MemoryDevice
    from dpif.userspace.engine.execute import CAPABILITIES
    from dpif.userspace.engine.limits import Limits
    from dpif.userspace.server import Server, serve
    from dpif.userspace.system import UserspaceSystem
    from dpif.userspace.underlays.host import HostUnderlay
    from dpif.userspace.underlays.memory import MemoryUnderlay

__all__ = [
    "CAPABILITIES",
    "HostUnderlay",
    "Limits",
    "MemoryDevice",
    "MemoryUnderlay",
    "Server",
    "UserspaceSystem",
    "serve",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CAPABILITIES": "engine.execute",
        "HostUnderlay": "underlays.host",
        "Limits": "engine.limits",
        "MemoryDevice": "devices.memory",
        "MemoryUnderlay": "underlays.memory",
        "Server": "server",
        "UserspaceSystem": "system",
        "serve": "server",
    },
)
