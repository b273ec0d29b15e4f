"""An Ethernet learning switch written by hand: what `dpif.apps.switch` does as a program is measured by it.

A packet that no flow matches comes up. The switch notes where its source is, decides where it goes, installs the
flow that says so, and sends the packet on; the next one of its kind never leaves the datapath. Broadcasts and
packets to stations that are not known go out of every port but the one they came in through; packets to the
addresses that bridges keep for themselves (IEEE 802.1D, table 7-10) go nowhere.

The rules of this file:

* A flow is a remembered decision. `Switch._decide` makes it from two tables alone: who is where (`MacTable`) and
  which ports there are. When one of them changes, the flows concerned are decided again, and put or deleted.
* A flow exists only while its source is known at its input port: the packets of a station that moved come up.
* What the datapath has is looked at once per sweep: flows that were hit keep their stations young, idle ones go.
  Time comes from `SwitchOptions.clock`.
* Nothing here prints, and nothing opens or creates a datapath.

Each VLAN has stations of its own, and every port takes part in every VLAN; tags stay as they are. There is no
spanning tree: a loop of cables is a loop.

Misses are dispatched per vport: a port that is flooded fills a queue of its own, and takes no packet from the others.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable

from by_hand.mac_table import Learned, MacTable
from by_hand.megaflow import Identity, Megaflow, MegaflowTable, encode_outputs, identify
from dpif._typing import Self
from dpif.apps.switch import Counters, SwitchOptions
from dpif.client import Datapath, Delete, Execute, Operation, PortAdded, Put, Upcall
from dpif.client.dispatch import PER_VPORT
from dpif.errors import DecodeError, DumpInterrupted, NoSuchObject

__all__ = ["Switch"]

_RESERVED = bytes.fromhex("0180c20000")
"""The first five bytes of the addresses that bridges do not forward; the sixth is 00 to 0f."""
_SWEEP_SHARE = 0.1
"""The part of its time that a switch with many flows spends on looking at them."""


class Switch:
    """A learning switch on an open datapath, all of whose ports take part, its own (number 0) too.

    It takes over: the datapath's misses come here, and the flows that somebody left in it are removed. A context
    manager; leaving it removes its flows. `step` does the work.
    """

    def __init__(self, datapath: Datapath, options: SwitchOptions | None = None) -> None:
        self.datapath = datapath
        self._options = options or SwitchOptions()
        self._stations = MacTable(self._options.mac_age, self._options.max_macs)
        self._flows = MegaflowTable()
        self._stale: set[Megaflow] = set()
        self._unwritten: set[Megaflow] = set()
        self._upcalls_seen = 0
        self._next_sweep = self._options.clock() + self._options.sweep_interval
        with contextlib.ExitStack() as stack:
            self._watch = stack.enter_context(self.datapath.ports.watch())
            self._upcalls = stack.enter_context(self.datapath.upcalls(action=False, dispatch=PER_VPORT))
            self.datapath.flows.flush()
            self._ports = tuple(sorted(self._watch.ports))
            self._resources = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._resources:
            self._upcalls.close()  # first, so that packets of the last moment bring no new work
            self.datapath.operate([Delete(ufid=flow.ufid) for flow in self._flows])

    @property
    def counters(self) -> Counters:
        """What came up, and what there is now."""
        return Counters(
            upcalls=self._upcalls_seen, flows=len(self._flows), macs=len(self._stations), ports=len(self._ports)
        )

    # -- the loop --------------------------------------------------------------------------------------------

    def step(self) -> int:
        """Do what there is to do; return how many packets came up."""
        upcalls = self._upcalls.poll(0.0)
        self._follow_ports()  # after the upcalls were taken: a port is known before its packets are looked at
        if upcalls:
            self._switch(upcalls)
        if self._options.clock() >= self._next_sweep:
            self._sweep()
        return len(upcalls)

    def _follow_ports(self) -> None:
        """Take note of ports that came and went; every decision may depend on them."""
        events = self._watch.poll(0.0)
        if not events:
            return
        for event in events:
            if isinstance(event, PortAdded):
                with contextlib.suppress(NoSuchObject):  # gone again
                    self._upcalls.adopt(event.port)
            else:
                self._stations.forget_port(event.port.number)
        self._ports = tuple(sorted(self._watch.ports))
        self._stale.update(self._flows)
        self._carry_out()

    # -- deciding --------------------------------------------------------------------------------------------

    def _decide(self, identity: Identity) -> tuple[int, ...]:
        """Return the ports that a packet is to go out of."""
        in_port, source, destination, _ = identity
        if _is_group(source) or _is_reserved(destination):
            return ()
        port = None if _is_group(destination) else self._stations.port_of(destination)
        if port is None:
            return tuple([port for port in self._ports if port != in_port])
        return () if port == in_port else (port,)

    def _may_last(self, identity: Identity) -> bool:
        """Tell whether a decision may become a flow: its source must be known where the packet came from.

        No station has a group address; what claims to come from one is dropped for good.
        """
        if _is_group(identity.source):
            return identity.in_port in self._ports
        return self._stations.port_of(identity.source) == identity.in_port

    def _learn(self, station: bytes, port: int, now: float) -> None:
        if _is_group(station) or port not in self._ports:
            return
        learned = self._stations.learn(station, port, now)
        if learned is Learned.MOVED or learned is Learned.NEW:
            self._stale |= self._flows.of_station(station)

    # -- packets that came up --------------------------------------------------------------------------------

    def _switch(self, upcalls: list[Upcall]) -> None:
        """Learn from packets, decide on them, install their flows and send them on, all in one batch."""
        now = self._options.clock()
        sends: list[Operation] = []
        for upcall in upcalls:
            key = upcall.record.key or b""
            try:
                identity = identify(upcall.packet, key)
            except DecodeError:
                continue  # not Ethernet; nothing to switch by
            self._learn(identity.source, identity.in_port, now)
            outputs = self._decide(identity)
            if self._may_last(identity):
                self._remember(identity, key, outputs, now)
            if outputs:
                sends.append(Execute(upcall.packet, _actions(outputs), key, mru=upcall.record.mru))
        self._upcalls_seen += len(upcalls)
        self._carry_out(sends)

    def _remember(self, identity: Identity, key: bytes, outputs: tuple[int, ...], now: float) -> None:
        """Make a decision a flow, if there is room.

        One that is there already is written again, once per batch: a packet that came up all the same did so
        before the flow was installed, and then this does no harm, or finds out that somebody removed it.
        """
        flow = self._flows.get(identity)
        if flow is None:
            if len(self._flows) >= self._options.max_flows:
                return
            flow = Megaflow(identity, key, now)
            self._flows.add(flow)
        flow.outputs = outputs
        self._unwritten.add(flow)

    # -- flows -----------------------------------------------------------------------------------------------

    def _revise(self) -> list[Operation]:
        """Decide again on the flows that are stale; return what removes those that may not last."""
        stale, self._stale = self._stale, set()
        removals: list[Operation] = []
        for flow in stale:
            if flow not in self._flows:
                continue
            if not self._may_last(flow.identity):
                removals.append(self._remove(flow))
                continue
            outputs = self._decide(flow.identity)
            if outputs != flow.outputs:
                flow.outputs = outputs
                self._unwritten.add(flow)
        return removals

    def _remove(self, flow: Megaflow) -> Operation:
        self._flows.remove(flow)
        self._unwritten.discard(flow)
        return Delete(ufid=flow.ufid)

    def _carry_out(self, operations: Iterable[Operation] = ()) -> None:
        """Bring the datapath's flows in line with the decisions, then do what is asked, all in one batch.

        A flow that the datapath refuses, or that somebody removed from it, is forgotten, so that the next packet
        tries again. Other failures are of the moment: a flow to delete that is gone, a packet for a port that is.
        """
        removals = self._revise()
        unwritten, self._unwritten = self._unwritten, set()
        todo = [*removals, *map(_put, unwritten), *operations]
        results = self.datapath.operate(todo) if todo else []
        for flow, result in zip(unwritten, results[len(removals) :], strict=False):
            if not result.ok:
                self._flows.remove(flow)
            flow.installed = True

    # -- growing old -----------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Look at the flows, and then at packets again for a good deal longer than that took."""
        start = self._options.clock()
        self._look_at_flows(start)
        took = self._options.clock() - start
        self._next_sweep = start + max(self._options.sweep_interval, took / _SWEEP_SHARE)

    def _look_at_flows(self, now: float) -> None:
        """Look which flows were hit; remove the idle ones and forget the stations that went silent."""
        try:
            unseen = self._note_hits(now)
        except DumpInterrupted:
            return
        idle = [flow for flow in self._flows if now - flow.hit_at >= self._options.idle_timeout]
        # What the dump did not show is gone or was missed: a busy table can do that. Deleting makes it certain.
        removals = [self._remove(flow) for flow in unseen.union(idle)]
        for station in self._stations.expire(now):
            self._stale |= self._flows.of_station(station)
        self._carry_out(removals)

    def _note_hits(self, now: float) -> set[Megaflow]:
        """Update flows and stations from the datapath's counters; return the flows that it does not have."""
        unseen = set(self._flows)
        for shown in self.datapath.flows.dump(terse=True):
            flow = self._flows.of_ufid(shown.record.ufid or b"")
            if flow is None:
                continue  # somebody else's
            unseen.discard(flow)
            if shown.packets != flow.packets:
                flow.packets = shown.packets
                flow.hit_at = now
                self._stations.refresh(flow.identity.source, now)
        return unseen


def _is_group(station: bytes) -> bool:
    return bool(station[2] & 1)


def _is_reserved(station: bytes) -> bool:
    return station.startswith(_RESERVED, 2) and station[7] <= 0x0F


def _put(flow: Megaflow) -> Put:
    """Return what writes the flow: anew, or by a change of the one that is there.

    One request for both would not do: with it the kernel does not know a flow again that wildcards a part of the
    key which it always fills in, as the EtherType is here (ovs_flow_cmp).
    """
    create = not flow.installed
    return Put(flow.key, _actions(flow.outputs), flow.mask, ufid=flow.ufid, create=create, modify=not create)


@functools.lru_cache(maxsize=1024)
def _actions(outputs: tuple[int, ...]) -> bytes:
    return encode_outputs(outputs)
