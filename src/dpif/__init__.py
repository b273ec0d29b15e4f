"""dpif: the Open vSwitch datapath interface for Python.

The Open vSwitch kernel datapath forwards packets by a cache of *flows*: a key extracted from the packet is looked
up under masks, and the flow that matches says which actions to apply. A packet that no flow matches goes up to
user space (an *upcall*); whoever listens there decides, installs a flow, and sends the packet back. This library
is that user space side::

    import dpif

    with dpif.open("system@dp0") as dp:            # the Linux kernel's, over Generic Netlink
        for flow in dp.flows:
            print(flow.key, flow.packets, flow.actions)

    with dpif.Userspace() as us:                   # a datapath in this process, speaking the same messages
        dp = us.open("br0", create=True)
        port = dp.ports.add(us.device("h1").name)
        dp.flows.add(f"in_port({port.number}),eth(),eth_type(0x0806),arp()", "drop")

Where things are: `dpif.client` (datapaths, ports, flows, upcalls), `dpif.odp` (keys, masks, actions as values,
text and bytes), `dpif.saved` (dumps that were saved), `dpif.userspace` (the datapath in user space), `dpif.netlink`
(the protocol underneath), `dpif.packet` (headers and captures), `dpif.apps` (a learning switch), `dpif.lab` (a real
kernel to try it all on). Each package's docstring teaches its part. Importing `dpif` itself is cheap: names load on
first use.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING
from dpif._version import __version__
from dpif.errors import (
    AlreadyExists,
    DecodeError,
    DpifError,
    DumpInterrupted,
    EncodeError,
    NetlinkError,
    NoSuchObject,
    ParseError,
    PermissionDenied,
    Unavailable,
)

if TYPE_CHECKING:
    from dpif._open import datapaths, open, samples
    from dpif._userspace import Userspace
    from dpif.client import (
        Datapath,
        Delete,
        Execute,
        Flow,
        Get,
        Port,
        PortAdded,
        PortChanged,
        PortRemoved,
        Put,
        Result,
        Stats,
        TerseFlow,
        Upcall,
    )
    from dpif.client.flows import parse_flow
    from dpif.odp.actions import Actions, parse_actions
    from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key, parse_match
    from dpif.odp.model.ufid import Ufid
    from dpif.saved import SavedDatapath, load

__all__ = [
    "Actions",
    "AlreadyExists",
    "Datapath",
    "DecodeError",
    "Delete",
    "DpifError",
    "DumpInterrupted",
    "EncodeError",
    "Execute",
    "Flow",
    "FlowKey",
    "FlowMask",
    "Get",
    "NetlinkError",
    "NoSuchObject",
    "ParseError",
    "PermissionDenied",
    "Port",
    "PortAdded",
    "PortChanged",
    "PortRemoved",
    "Put",
    "Result",
    "SavedDatapath",
    "Stats",
    "TerseFlow",
    "Ufid",
    "Unavailable",
    "Upcall",
    "Userspace",
    "__version__",
    "datapaths",
    "format_key",
    "load",
    "open",
    "parse_actions",
    "parse_flow",
    "parse_key",
    "parse_match",
    "samples",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Datapath": "client.datapath",
        "Stats": "client.stats",
        **dict.fromkeys(("Delete", "Execute", "Get", "Put", "Result"), "client.operations"),
        "Port": "client.port",
        **dict.fromkeys(("PortAdded", "PortChanged", "PortRemoved"), "client.watch"),
        **dict.fromkeys(("Flow", "TerseFlow", "parse_flow"), "client.flows"),
        "Upcall": "client.upcalls",
        **dict.fromkeys(("Actions", "parse_actions"), "odp.actions"),
        **dict.fromkeys(("FlowKey", "FlowMask", "format_key", "parse_key", "parse_match"), "odp.model.key"),
        "Ufid": "odp.model.ufid",
        **dict.fromkeys(("datapaths", "open", "samples"), "_open"),
        **dict.fromkeys(("SavedDatapath", "load"), "saved"),
        "Userspace": "_userspace",
    },
)
