"""An Ethernet learning switch, as a program: forwarding in Python, done by the datapath after the first packet.

It learns where stations are, in each VLAN by itself, from the packets that come up. Broadcasts and packets to
stations that it does not know go out of every port but the one they came in through; packets to the addresses that
bridges keep for themselves (IEEE 802.1D, table 7-10), and those that claim to come from a group, go nowhere. Every
port takes part in every VLAN; tags stay as they are. There is no spanning tree: a loop of cables is a loop.

All that keeps flows right is `dpif.program`'s: a flow hangs on its source being known at its input port and on what
is known of its destination, so the packets of a station that moved come up, and the flows to it are changed.

Nothing here prints, and nothing opens or creates a datapath.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from dpif._typing import Any, NamedTuple, Self
from dpif.client import Datapath, Port
from dpif.errors import NoSuchObject
from dpif.program import Decision, Packet, Program, drop, flood, output
from dpif.program.loop import on_signals
from dpif.program.options import Options
from dpif.program.runner import Devices, Runner

__all__ = ["Counters", "Switch", "SwitchOptions", "learning_switch", "run_switch"]

_RESERVED = 0x0180C2000000
"""01:80:c2:00:00:00; the addresses that bridges do not forward have its first 44 bits."""


@dataclass(frozen=True, slots=True)
class SwitchOptions:
    """How a switch behaves; times in seconds of `clock`.

    ``idle_timeout`` until a flow that nothing hits is removed, ``mac_age`` until a station that sends nothing is
    forgotten, ``sweep_interval`` between looks for these, or more where a look takes long; ``max_macs`` and
    ``max_flows`` bound its memory: beyond them packets are still switched, one by one.
    """

    idle_timeout: float = 10.0
    mac_age: float = 300.0
    sweep_interval: float = 1.0
    max_macs: int = 65536
    max_flows: int = 200_000
    clock: Callable[[], float] = time.monotonic


class Counters(NamedTuple):
    """What a switch did since it started, and what it has now.

    ``upcalls`` packets came up, ``switched`` were switched by flows without, ``lost`` found no room on their way
    up. Flows were ``installed``, ``changed`` when a decision changed, ``expired`` when idle, ``refused`` by the
    datapath; stations ``moved`` from port to port. ``flows``, ``macs`` and ``ports`` are there now.
    """

    upcalls: int = 0
    switched: int = 0
    lost: int = 0
    installed: int = 0
    changed: int = 0
    expired: int = 0
    refused: int = 0
    moved: int = 0
    flows: int = 0
    macs: int = 0
    ports: int = 0


def learning_switch(options: SwitchOptions) -> Program:
    """Return the program; its table ``stations`` has ports by VLAN (0 without a tag) and address."""
    program = Program("switch", clock=options.clock)
    stations = program.table("stations", idle=options.mac_age, limit=options.max_macs)

    @program.forward
    def switch(packet: Packet) -> Decision:
        ethernet = packet.eth
        if ethernet is None:  # a tunnel brought something else
            return drop()
        source, target = ethernet.src, ethernet.dst
        if source.is_multicast or target.prefix(44) == _RESERVED:
            return drop()
        vlan = 0 if packet.vlan is None else packet.vlan.vid
        stations[vlan, source] = packet.in_port
        known = not target.is_multicast
        port = stations.get((vlan, target)) if known else None
        if port is None:
            return flood()
        return drop() if port == packet.in_port else output(port)

    return program


class Switch:
    """A learning switch on an open datapath, all of whose ports take part, its own (number 0) too.

    It takes over: the datapath's misses come here, and the flows that somebody left in it are removed. The `ports`
    are attached before, as `attach` does it; when one cannot be, the datapath stays as it was. A context manager;
    leaving it closes the switch. `step` or `run` do the work; ``program`` is what runs, ``runner`` who runs it::

        with Switch(dp) as switch:
            switch.attach(["veth1", "veth2"])
            switch.run()
    """

    def __init__(self, datapath: Datapath, options: SwitchOptions | None = None, ports: Devices = ()) -> None:
        self.datapath = datapath
        options = options or SwitchOptions()
        self.program = learning_switch(options)
        self.runner = Runner(
            self.program,
            datapath,
            ports,
            Options(idle=options.idle_timeout, sweep_interval=options.sweep_interval, max_flows=options.max_flows),
        )
        self._at_start = datapath.stats()

    # -- life ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def attach(self, devices: Devices) -> list[Port]:
        """Make network devices ports of the datapath; those that are already stay as they are.

        A mapping has for each name what `Ports.add` takes besides: ``{"p1": {"type": "internal"}}``. Raises
        `NoSuchObject` for a device that does not exist, and what else `Ports.add` raises; the devices before it are
        attached by then.
        """
        return self.runner.attach(devices)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Switch packets until `until`, which is asked several times a second, says so, or `stop` is called.

        Raises `NoSuchObject` when the datapath is deleted.
        """
        self.runner.run(until)

    def step(self, timeout: float = 0.0) -> int:
        """Do what there is to do, waiting for it up to `timeout` seconds; return how many packets came up.

        Raises `NoSuchObject` when the datapath is deleted.
        """
        return self.runner.step(timeout)

    def stop(self) -> None:
        """End `run`; may be called from a signal handler and from another thread."""
        self.runner.stop()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self.runner.stopped

    def close(self, *, keep: bool = False) -> None:
        """Stop listening and remove what the switch made: its flows, and unless `keep` the ports it attached.

        Flows never stay: without the switch nobody would correct them when a station moves.
        """
        self.runner.close(keep_ports=keep)

    # -- what it tells ---------------------------------------------------------------------------------------

    @property
    def counters(self) -> Counters:
        """The counters as they are now; asks the datapath for its own."""
        now = self.datapath.stats()
        counts = self.runner.counters
        return Counters(
            upcalls=counts.upcalls,
            switched=now.hit - self._at_start.hit,
            lost=now.lost - self._at_start.lost,
            installed=counts.installed,
            changed=counts.changed,
            expired=counts.expired,
            refused=counts.refused,
            moved=self.program.tables["stations"].changes,
            flows=counts.flows,
            macs=len(self.program.tables["stations"]),
            ports=counts.ports,
        )

    def describe(self) -> str:
        """Return the counters as one line, which fits a terminal; behind + and - flows installed and expired."""
        c = self.counters
        return (
            f"came up {c.upcalls}, by flows {c.switched}, lost {c.lost} | "
            f"flows {c.flows} (+{c.installed} -{c.expired}), MACs {c.macs}, ports {c.ports}"
        )


def run_switch(
    datapath: Datapath,
    ports: Devices,
    *,
    created: bool = False,
    keep: bool = False,
    options: SwitchOptions | None = None,
    report: Callable[[str], None] = lambda _: None,
    interval: float = 1.0,
    started: Callable[[Switch], Any] = lambda _: None,
) -> Counters:
    """Run a switch on `datapath` until Ctrl-C, SIGTERM or `Switch.stop`; return its last counters.

    `ports` are attached first (see `Switch.attach`); when one cannot be, the datapath stays as it was. Every
    `interval` seconds, and at the end, `report` gets `Switch.describe`; `started` gets the switch as soon as it
    listens. A datapath that the caller `created` for this is deleted at the end, and the ports attached here are
    detached, unless `keep`; one that never came to listen keeps nothing. Raises what `Switch.attach` does, and
    `NoSuchObject` when somebody deletes the datapath meanwhile.
    """
    switch = None
    try:
        switch = Switch(datapath, options, ports)
        with on_signals(switch.stop):
            started(switch)
            while not switch.stopped:
                switch.run(until=_after(interval))
                report(switch.describe())
        return switch.counters
    finally:
        if switch is not None:
            switch.close(keep=keep)
        if created and not (keep and switch):
            with contextlib.suppress(NoSuchObject):
                datapath.destroy()


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
