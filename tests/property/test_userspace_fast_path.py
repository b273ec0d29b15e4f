"""Three ways through a datapath agree: every packet looked up, what is known remembered, lists handed over whole.

The same packets through the same flows give the same outputs in the same order, the same upcalls and counters.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dpif.odp.actions import parse_actions
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import bits
from dpif.testing import odd_packets
from dpif.userspace.devices import FACTORIES
from dpif.userspace.devices.memory import MemoryDevice
from dpif.userspace.engine.columns import fingerprints
from dpif.userspace.engine.datapath import Datapath, DatapathFlow
from dpif.userspace.engine.fingerprint import fingerprint
from dpif.userspace.engine.namespace import Namespace, PortRequest
from dpif.userspace.engine.upcall import Upcall
from dpif.userspace.underlays.memory import MemoryUnderlay

PORTS = (1, 2, 3)
FIELDS = (
    "phy.in_port",
    "eth.src",
    "eth.dst",
    "eth.type",
    "eth.vlan.tci",
    "ip.proto",
    "ip.tos",
    "ip.ttl",
    "ip.frag",
    "ipv4.addr.src",
    "ipv4.addr.dst",
    "ipv4.arp.sha",
    "ipv6.addr.dst",
    "ipv6.label",
    "ipv6.exthdrs",
    "ipv6.nd.target",
    "tp.src",
    "tp.dst",
    "tp.flags",
)
ACTIONS = (
    "",
    "2",
    "3,1",
    "2,2,3",
    "trunc(20),2",
    "push_vlan(vid=5,pcp=0),2",
    "set(eth(src=02:00:00:00:00:09)),3",
    "userspace(pid=5,userdata(01)),2",
    "recirc(7)",
    "sample(sample=50%,actions(2)),3",
)


@cache
def some_packets() -> list[bytes]:
    """Odd packets, and usual ones with something behind them, as long as NumPy's way takes them."""
    random = Random(11)
    odd = random.sample(odd_packets.packets(random), 200)
    return [*odd, *(packet + bytes(40) for packet in odd if fingerprint(packet + bytes(40)) is not None)]


@st.composite
def varied(draw: st.DrawFn) -> bytes:
    """A packet with a few bytes changed, maybe cut."""
    packet = bytearray(draw(st.sampled_from(some_packets())))
    for place, value in draw(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=2)):
        if place < len(packet):
            packet[place] = value
    return bytes(packet[: draw(st.integers(0, 80))] if draw(st.integers(0, 9)) == 0 else packet)


packet_lists = st.lists(varied(), min_size=1, max_size=12).flatmap(
    lambda different: st.lists(st.sampled_from(different), min_size=1, max_size=40)
)


class FlowPlan(NamedTuple):
    """A flow for packets like `packet` from port `in_port`."""

    packet: bytes
    in_port: int
    fields: list[str]
    actions: str


plans = st.builds(
    FlowPlan,
    varied(),
    st.sampled_from(PORTS),
    st.lists(st.sampled_from(FIELDS), max_size=4, unique=True),
    st.sampled_from(ACTIONS),
)


class Step(NamedTuple):
    """Packets from a port, and behind them a flow that gets other actions, or goes when there are none."""

    in_port: int
    packets: list[bytes]
    flow: int
    actions: str | None


steps = st.builds(
    Step,
    st.sampled_from(PORTS),
    packet_lists,
    st.integers(0, 20),
    st.none() | st.sampled_from(ACTIONS),
)


class World:
    """A datapath with three ports, and all that comes of it."""

    def __init__(self, *, cached: bool) -> None:
        self.upcalls: list[tuple[Any, ...]] = []
        self._now = 0.0
        self._namespace = Namespace(FACTORIES, lambda: self._now, Random(1), MemoryUnderlay())
        self._namespace.upcall_sink = self._take
        self._dp = Datapath(self._namespace)
        self._namespace.add_datapath(self._dp, "dp0", 9)
        self._hosts = {}
        for number in PORTS:
            host = self._hosts[number] = MemoryDevice(self._namespace, f"h{number}", 10_000)
            self._namespace.add_device(host)
            self._namespace.add_port(self._dp, PortRequest(host.name, 1, (9,), number))
        if not cached:
            self._dp.change(0, masks_cache_size=0)
        self._flows: list[DatapathFlow] = []

    def _take(self, upcall: Upcall) -> bool:
        self.upcalls.append(upcall[1:])
        return True

    def plan(self, plan: FlowPlan) -> None:
        """Put the flow, unless it overlaps another: of two that match, nobody promises which one is found."""
        try:
            key = extract_flat(plan.packet, self._dp.ports[plan.in_port].metadata)
        except RuleBroken:
            return
        mask = bits("recirc_id", *plan.fields)
        if not any((key ^ flow.key) & mask & flow.mask == 0 for flow in self._flows):
            program = self._dp.compile(parse_actions(plan.actions))
            flow = self._dp.put_flow(key, mask, None, program, exclusive=True)
            self._flows.append(flow)

    def walk(self, step: Step, *, whole: bool) -> None:
        self._now += 1
        host = self._hosts[step.in_port]
        if whole:
            host.send_many(step.packets)
        else:
            for packet in step.packets:
                host.send(packet)
        if not self._flows:
            return
        flow = self._flows[step.flow % len(self._flows)]
        if step.actions is not None:
            flow.program = self._dp.compile(parse_actions(step.actions))
        elif flow.in_table:
            self._dp.table.remove(flow)

    def outcome(self) -> object:
        ports = [
            (p.received_packets, p.received_bytes, p.sent_packets, p.sent_bytes, p.rx_errors)
            for p in map(self._dp.ports.__getitem__, PORTS)
        ]
        flows = [(flow.packets, flow.bytes, flow.tcp_flags, flow.used) for flow in self._flows]
        dp = self._dp
        outputs = [host.recv_many() for host in self._hosts.values()]
        return ports, flows, (dp.n_hit, dp.n_missed, dp.n_lost), self.upcalls, outputs


@given(st.lists(plans, max_size=8), st.lists(steps, min_size=1, max_size=4))
def test_three_ways_agree(flows: list[FlowPlan], walk: list[Step]) -> None:
    outcomes = []
    for cached, whole in ((False, False), (True, False), (True, True)):
        world = World(cached=cached)
        for plan in flows:
            world.plan(plan)
        for step in (*walk, *walk):
            world.walk(step, whole=whole)
        outcomes.append(world.outcome())
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


@given(st.lists(varied(), min_size=1, max_size=20), st.integers(1, 20))
def test_fingerprints_of_many_are_those_of_each(packets: list[bytes], times: int) -> None:
    many = packets * times
    assert list(fingerprints(many)) == [fingerprint(packet) for packet in many]
    long = [packet.ljust(60, b"\0") for packet in many]
    assert list(fingerprints(long)) == [fingerprint(packet) for packet in long]
