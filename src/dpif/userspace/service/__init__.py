"""The families of Open vSwitch on top of the engine: requests in, engine calls, replies and notifications out.

`add_families` puts them all on a `dpif.netlink.service.Service`, and wires what the engine says on its own
account (packets that go up, ports that go away) to the peers that are to hear of it. One module for each family;
`base.py` has what they share. `add_subsystems` does the same for netfilter's protocol, over which connections and
timeout policies are reached: `ctnetlink.py` and `cttimeout.py`.
"""

from __future__ import annotations

from dpif.conntrack.constants import Subsystem
from dpif.conntrack.service import NetfilterService
from dpif.netlink.service import Service
from dpif.odp.constants import ActionAttr
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.service import ctnetlink, cttimeout
from dpif.userspace.service.base import Family
from dpif.userspace.service.ct_limit import CtLimitFamily
from dpif.userspace.service.datapath import DatapathFamily
from dpif.userspace.service.flow import FlowFamily
from dpif.userspace.service.meter import MeterFamily
from dpif.userspace.service.packet import PacketFamily
from dpif.userspace.service.psample import add_psample
from dpif.userspace.service.vport import VportFamily

FAMILIES: tuple[type[Family], ...] = (
    DatapathFamily,
    VportFamily,
    FlowFamily,
    PacketFamily,
    MeterFamily,
    CtLimitFamily,
)


def add_families(service: Service, namespace: Namespace) -> None:
    """Let `service` answer for the datapaths in `namespace`; the two must have one lock."""
    for family in FAMILIES:
        family(service, namespace).register()
    if namespace.rules.newest_action >= ActionAttr.PSAMPLE:
        add_psample(service, namespace)


def add_subsystems(service: NetfilterService, namespace: Namespace) -> None:
    """Let `service` answer for the connections in `namespace`; the two must have one lock."""
    service.add_subsystem(Subsystem.CTNETLINK, ctnetlink.commands(namespace.tracker))
    service.add_subsystem(Subsystem.CTNETLINK_TIMEOUT, cttimeout.commands(namespace))
