"""One suite of behaviour tests for every datapath: the kernel's, ours in user space, anybody's.

Each module holds classes of tests for pytest, which ask a `Harness` for datapaths and hosts and know nothing else
of what they test. To run them, subclass them where pytest collects and give a fixture named ``harness``::

    from dpif.testing.conformance import SUITE

    @pytest.fixture
    def harness():
        with MyHarness() as harness:
            yield harness

    globals().update({f"Test{cls.__name__}": cls for cls in SUITE})

What a datapath cannot do is a named capability that its harness lacks; the tests that need it are skipped, and
nothing else is. A test that passes on one datapath and fails on another shows a bug in one of them.
"""

from __future__ import annotations

from dpif.testing.conformance.batches import Batches
from dpif.testing.conformance.columns import FlowColumns
from dpif.testing.conformance.connections import ConntrackEntries, ConntrackFlush, ConntrackTimeouts
from dpif.testing.conformance.conntrack import Conntrack, ConntrackLimits
from dpif.testing.conformance.copies import ConntrackClashes, ConntrackCopies
from dpif.testing.conformance.datapaths import Datapaths
from dpif.testing.conformance.dispatch import Handlers, PerCpuDispatch, PerVportDispatch, SomePortsDispatch
from dpif.testing.conformance.drops import ExplicitDrops
from dpif.testing.conformance.floods import Floods
from dpif.testing.conformance.flows import FlowErrors, FlowTable
from dpif.testing.conformance.fragments import Fragments
from dpif.testing.conformance.harness import Harness, Host, Wire
from dpif.testing.conformance.headers import Labels, ServiceHeaders, WithoutEthernet
from dpif.testing.conformance.looks import Looks
from dpif.testing.conformance.meters import Meters
from dpif.testing.conformance.nat import ConntrackNat
from dpif.testing.conformance.notifications import Notifications
from dpif.testing.conformance.obstacles import FlowsInTheWay
from dpif.testing.conformance.packets import Depth, Forwarding, PacketActions
from dpif.testing.conformance.port_names import PortNames
from dpif.testing.conformance.ports import PortErrors, PortLife, PortNumbering
from dpif.testing.conformance.programs import Programs
from dpif.testing.conformance.samples import PacketSamples
from dpif.testing.conformance.strangers import Strangers
from dpif.testing.conformance.tunnels import TunnelInput, TunnelOutput, TunnelPorts
from dpif.testing.conformance.upcalls import UpcallDelivery

SUITE = (
    Batches,
    Conntrack,
    ConntrackClashes,
    ConntrackCopies,
    ConntrackEntries,
    ConntrackFlush,
    ConntrackLimits,
    ConntrackNat,
    ConntrackTimeouts,
    Datapaths,
    Depth,
    ExplicitDrops,
    FlowColumns,
    FlowErrors,
    FlowTable,
    Floods,
    FlowsInTheWay,
    Forwarding,
    Fragments,
    Handlers,
    Labels,
    Looks,
    Meters,
    Notifications,
    PacketActions,
    PacketSamples,
    PerCpuDispatch,
    PerVportDispatch,
    PortErrors,
    PortLife,
    PortNames,
    PortNumbering,
    Programs,
    ServiceHeaders,
    SomePortsDispatch,
    Strangers,
    TunnelInput,
    TunnelOutput,
    TunnelPorts,
    UpcallDelivery,
    WithoutEthernet,
)

__all__ = ["SUITE", "Harness", "Host", "Wire"]
