"""Testing a program: packets in, packets out, the flows between, and time under the test's hands.

::

    from dpif.program.testing import Playground

    def test_the_switch_learns():
        with Playground(switch.program, ["h1", "h2", "h3"]) as net:
            assert set(net.send("h1", frame)) == {"h2", "h3"}
            assert set(net.send("h2", reply)) == {"h1"}
            assert net.masks() == {"recirc_id(0),in_port(0xffffffff),eth(src=ff:…,dst=ff:…)"}
            net.sleep(300)                       # no second passes
            assert len(switch.macs) == 0

The datapath is one in user space, private to the test; what the kernel's does with the same flows is the same.
A program belongs to one playground at a time. Its tables are afterwards as they were before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dpif._typing import Self
from dpif._userspace import Userspace
from dpif.client import Flow
from dpif.odp.model.key import format_key
from dpif.program.options import Counters, Options
from dpif.program.program import Program
from dpif.program.runner import Runner

__all__ = ["Playground"]

_TURNS = 1000
"""A program that is not done after so many turns never will be."""


class Playground:
    """A program at work on a datapath of its own, with a device in memory for each of `ports`. A context manager."""

    def __init__(self, program: Program, ports: Iterable[str], options: Options | None = None) -> None:
        self.program = program
        self.now = 1000.0
        self._clock = program.site.clock
        program.site.clock = lambda: self.now
        self._before = {name: dict(table.items()) for name, table in program.tables.items()}
        self._userspace = Userspace()
        self.datapath = self._userspace.open("br0", create=True)
        self.devices = {name: self._userspace.device(name) for name in ports}
        self.reports: list[str] = []
        options = options or Options(report=self.reports.append)
        self.runner = Runner(program, self.datapath, list(self.devices), options)
        self.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, and its datapath."""
        self.runner.close()
        self.datapath.close()
        self._userspace.close()
        for number in self.program.ports:
            self.program.ports.discard(number)
        for name in self.program.port_numbers:
            self.program.port_numbers.discard(name)
        for name, table in self.program.tables.items():
            table.clear()
            table.update(self._before.get(name, {}))
        self.program.site.clock = self._clock

    # -- packets -----------------------------------------------------------------------------------------------

    def send(self, port: str, *packets: bytes) -> dict[str, list[bytes]]:
        """Send packets into a port, and let the program do what it does; return what came out, by port."""
        self.devices[port].send_many(packets)
        self.settle()
        return self.received()

    def received(self) -> dict[str, list[bytes]]:
        """Return what came out since somebody asked, by port; ports without a packet are left out."""
        arrived = {name: device.recv_many() for name, device in self.devices.items()}
        return {name: packets for name, packets in arrived.items() if packets}

    def settle(self) -> None:
        """Let the program work until there is nothing more to do."""
        for _ in range(_TURNS):
            if not self.runner.step(0.0) and self.runner.patience > 0:
                return
        raise AssertionError(f"the program was not done after {_TURNS} turns")

    def sleep(self, seconds: float) -> None:
        """Let time pass, a second at a time at most, without waiting."""
        self.sleep_until(self.now + seconds)

    def sleep_until(self, end: float) -> None:
        """Let time pass until ``now`` is `end`; nothing happens when it is later already."""
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            self.settle()

    # -- ports -------------------------------------------------------------------------------------------------

    def add_port(self, name: str) -> int:
        """Attach one more device; return its number."""
        self.devices[name] = self._userspace.device(name)
        port = self.datapath.ports.add(name)
        self.settle()
        return port.number

    def remove_port(self, name: str) -> None:
        """Detach a device."""
        self.datapath.ports.delete(name)
        del self.devices[name]
        self.settle()

    # -- what there is -----------------------------------------------------------------------------------------

    def flows(self) -> dict[str, str]:
        """Return the flows as texts: from matches to actions, with the names of ports."""
        names: Mapping[int, str] = {number: name for name, number in self.program.port_numbers.items()}
        return {self._match(flow, names): self._actions(flow, names) for flow in self.datapath.flows}

    def _match(self, flow: Flow, names: Mapping[int, str]) -> str:
        assert flow.key is not None
        return format_key(flow.key, flow.mask, port_names=names)

    def _actions(self, flow: Flow, names: Mapping[int, str]) -> str:
        return "drop" if not flow.actions else flow.actions.format(port_names=names)

    def masks(self) -> set[str]:
        """Return the masks of all flows as texts."""
        return {str(flow.mask) for flow in self.datapath.flows}

    @property
    def counters(self) -> Counters:
        """What the program did."""
        return self.runner.counters
