"""An engine without messages: a datapath with ports in memory, a clock that goes as it is told, upcalls in a list."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from dpif.odp.actions import Actions, parse_actions
from dpif.odp.kernel.check import check_actions
from dpif.odp.kernel.match import from_match
from dpif.odp.model.key import parse_match
from dpif.userspace.devices import FACTORIES
from dpif.userspace.devices.memory import MemoryDevice
from dpif.userspace.engine.datapath import Datapath, DatapathFlow
from dpif.userspace.engine.limits import Limits
from dpif.userspace.engine.namespace import Namespace, PortRequest
from dpif.userspace.engine.upcall import Upcall
from dpif.userspace.underlays.memory import MemoryUnderlay

PORT_ID = 77
NETDEV = 1
ANY_RECIRC_ID = "any recirc_id,"


class Engine:
    """A datapath ``dp`` with ports 1 to 3, whose hosts are ``hosts[1]`` to ``hosts[3]``."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 (it cannot be changed)
        self.now, self.tick = 1000.0, 0.0
        self.upcalls: list[Upcall] = []
        self.takes_upcalls = True
        self.underlay = MemoryUnderlay("192.0.2.1", "2001:db8::1")
        self.namespace = Namespace(FACTORIES, self._clock, Random(1), self.underlay, limits)
        self.namespace.upcall_sink = self._take_upcall
        self.dp = self.add_datapath("dp0")
        self.hosts = {number: self.add_host(f"h{number}") for number in (1, 2, 3)}

    def _clock(self) -> float:
        """Tell the time, which goes on by a tick with each look, where a test says so."""
        self.now += self.tick
        return self.now

    def _take_upcall(self, upcall: Upcall) -> bool:
        if self.takes_upcalls:
            self.upcalls.append(upcall)
        return self.takes_upcalls

    def add_datapath(self, name: str) -> Datapath:
        dp = Datapath(self.namespace)
        self.namespace.add_datapath(dp, name, PORT_ID)
        return dp

    def device(self, name: str) -> MemoryDevice:
        device = MemoryDevice(self.namespace, name)
        self.namespace.add_device(device)
        return device

    def add_host(self, name: str, dp: Datapath | None = None) -> MemoryDevice:
        device = self.device(name)
        self.namespace.add_port(dp or self.dp, PortRequest(name, NETDEV, (PORT_ID,)))
        return device

    def flow(
        self, match: str, actions: str | Actions, *, ufid: bytes | None = None, exclusive: bool = True
    ) -> DatapathFlow:
        """Put a flow; one that names no ``recirc_id`` is for packets that were not recirculated."""
        if "recirc_id" not in match:
            match = f"recirc_id(0),{match}"
        value, mask = from_match(*parse_match(match.removeprefix(ANY_RECIRC_ID)))
        parsed = parse_actions(actions) if isinstance(actions, str) else actions
        check_actions(parsed, value & mask)
        return self.dp.put_flow(value, mask, ufid, self.dp.compile(parsed), exclusive=exclusive)

    def out(self, number: int) -> list[bytes]:
        """Return what came out of port `number` since the last time."""
        packets = []
        while (packet := self.hosts[number].recv()) is not None:
            packets.append(packet)
        return packets


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.namespace.close()
