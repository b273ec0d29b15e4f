"""Testing a program: packets in, packets out, the flows between, and time under the test's hands.

::

    from dpif.program.testing import Playground

    def test_the_switch_learns():
        with Playground(switch.program, ["h1", "h2", "h3"]) as net:
            assert set(net.send("h1", frame)) == {"h2", "h3"}
            assert set(net.send("h2", reply)) == {"h1"}
            assert net.masks() == {"eth(src,dst)"}
            net.sleep(300)                       # no second passes
            assert len(switch.macs) == 0

The datapath is one in user space, private to the test; what the kernel's does with the same flows is the same. Its
clock is the program's, so that `Playground.sleep` lets connections end and meters fill, too. Before a packet is sent
or flows are shown, what the test changed in tables has come to its flows.
A program belongs to one playground at a time. Its tables are afterwards as they were before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from random import Random

from dpif._typing import Self
from dpif._userspace import Userspace
from dpif.client import Flow
from dpif.odp.model.key import format_key
from dpif.program.options import Counters, Options
from dpif.program.program import Program
from dpif.program.runner import Runner
from dpif.program.width import width_of

__all__ = ["Playground"]

_TURNS = 1000
"""A program that is not done after so many turns never will be."""
_RECIRCULATION = re.compile(r"\b(recirc|recirc_id)\((0x[0-9a-f]++|[0-9]++)\)")


class Playground:
    """A program at work on a datapath of its own, with a device in memory for each of `ports`. A context manager."""

    def __init__(self, program: Program, ports: Iterable[str], options: Options | None = None) -> None:
        self.program = program
        self.now = 1000.0
        self._clock = program.site.clock
        program.site.clock = lambda: self.now
        self._before = {name: dict(table.items()) for name, table in program.tables.items()}
        self._userspace = Userspace(lambda: self.now, Random(0))
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
        self.settle()
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
        """Return the flows as texts: from matches to actions, with the names of ports.

        A recirculation id is shown as the function that goes on, ``recirc_id(tracked)``, with its arguments, and that
        of packets which come from a port not at all.
        """
        self.settle()
        names: Mapping[int, str] = {number: name for name, number in self.program.port_numbers.items()}
        return {self._match(flow, names): self._actions(flow, names) for flow in self.datapath.flows}

    def _match(self, flow: Flow, names: Mapping[int, str]) -> str:
        assert flow.key is not None
        text = format_key(flow.key, flow.mask, port_names=names)
        return _RECIRCULATION.sub(self._continuation, text.removeprefix("recirc_id(0),"))

    def _actions(self, flow: Flow, names: Mapping[int, str]) -> str:
        text = flow.actions.format(port_names=names) if flow.actions else "drop"
        return _RECIRCULATION.sub(self._continuation, text)

    def _continuation(self, found: re.Match[str]) -> str:
        context = self.runner.decider.contexts.get(int(found[2], 0))
        return found[0] if context is None else f"{found[1]}({context})"

    def masks(self) -> set[str]:
        """Return the masks of all flows in short, ``eth(dst),ipv4(dst/24)``; see `dpif.program.width`."""
        self.settle()
        return {width_of(flow.layout, flow.mask) for flow in self.runner.keeper.flows}

    @property
    def counters(self) -> Counters:
        """What the program did."""
        return self.runner.counters
