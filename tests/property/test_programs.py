"""Random programs over random packets and tables: what a datapath does is what the program would decide.

The oracles are numbered as in the design: O1 a decision holds for every packet that agrees on its mask; O2 after each
change the datapath does with a packet what the program decides now, or lets it come up; O3 no two flows that overlap
do different things; O4 a function comes to the same with a packet that notes its use as with a plain one; O5 a bit
that is matched matters, unless a datapath insists on it; O6 a second look without a change changes nothing; O7
packets that go on behind a recirculation are decided by what tables have by then, whatever connection tracking says
of them; O8 traffic keeps an entry alive, and never makes or moves one.
"""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dpif.odp.constants import CtState
from dpif.odp.extraction import extract
from dpif.odp.kernel.match import from_match
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.program import Program, ct, drop, recirculate
from dpif.program.decide import Decider, Outcome
from dpif.program.flow import Megaflow
from dpif.program.layout import Layout, layout_of
from dpif.program.testing import Playground
from dpif.program.trace import WouldChange
from dpif.testing.programs import PORTS, PlainPacket, Tree, frames, make_program, run, trees

ADDRESSES = st.sampled_from(["10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "10.0.1.0/24", "192.168.0.0/16"])
changes = st.one_of(
    st.tuples(st.just("packet"), frames, st.sampled_from(PORTS)),
    st.tuples(st.just("put"), frames, st.sampled_from((1, 2, 3))),
    st.tuples(st.just("delete"), frames, st.just(0)),
    st.tuples(st.just("route"), ADDRESSES, st.sampled_from((1, 2, 3))),
    st.tuples(st.just("unroute"), ADDRESSES, st.just(0)),
    st.tuples(st.just("sleep"), st.sampled_from((1, 12)), st.just(0)),
)


def decide(decider: Decider, key: FlowKey) -> Outcome | None:
    """What the program decides on a packet now; None where the packet would change a table."""
    layout, number = layout_of(key.to_bytes())
    try:
        return decider.decide(layout, number)
    except WouldChange:
        return None


def settled(decider: Decider, layout: Layout, number: int, frame: bytes) -> Outcome:
    """What the program decides once it has learned all that it will from a packet."""
    for _ in range(4):
        decider.decide(layout, number, frame, live=True)
        with contextlib.suppress(WouldChange):
            return decider.decide(layout, number)
    raise AssertionError("the program learns for ever")


@settings(deadline=None, max_examples=300)
@given(trees, frames, st.integers(0, 1 << 32))
def test_a_decision_holds_for_all_packets_that_agree_on_its_mask(tree: Tree, frame: bytes, seed: int) -> None:
    program, _, _ = make_program(tree)
    for number, name in enumerate(PORTS, 1):
        program.ports[number] = name
        program.port_numbers[name] = number
    decider = Decider(program)
    layout, number = layout_of(extract(frame, 1).to_bytes())
    outcome = settled(decider, layout, number, frame)
    random = Random(seed)
    free = layout.fields & ~outcome.trace.mask
    for _ in range(8):
        other = number & ~free | random.getrandbits(8 * layout.size) & free
        again = decider.decide(layout, other)
        assert again.trace.mask == outcome.trace.mask
        assert again.shape == outcome.shape


@settings(deadline=None, max_examples=300)
@given(trees, frames)
def test_a_function_comes_to_the_same_with_plain_values(tree: Tree, frame: bytes) -> None:
    program, table, routes = make_program(tree)
    for number, name in enumerate(PORTS, 1):
        program.ports[number] = name
        program.port_numbers[name] = number
    routes["10.0.0.0/24"] = 2
    key = extract(frame, 1)
    layout, number = layout_of(key.to_bytes())
    decider = Decider(program)
    outcome = settled(decider, layout, number, frame)
    plain = run(tree, PlainPacket(key), _Unwrapping(table), _Unwrapping(routes))
    program.site.trace = outcome.trace  # the steps ask for the packet's port
    assert outcome_outputs(outcome) == [
        action.value for action in plain.actions(decider, ()) if hasattr(action, "port")
    ]
    program.site.trace = None


def has_parity(tree: Tree) -> bool:
    """Whether a function counts with a value, where bits are read that need not matter."""
    return tree.kind == "parity" or any(map(has_parity, tree.then))


@settings(deadline=None, max_examples=300)
@given(trees.filter(lambda tree: not has_parity(tree)), frames)
def test_each_bit_that_is_matched_matters(tree: Tree, frame: bytes) -> None:
    program, table, routes = make_program(tree)
    ways: list[list[tuple[bool, int]]] = []

    @program.forward
    def forward(packet: Any) -> Any:
        way: list[tuple[bool, int]] = []
        ways.append(way)
        return run(tree, packet, table, routes, lambda answer: way.append((answer, packet.trace.mask)))

    for number, name in enumerate(PORTS, 1):
        program.ports[number] = name
        program.port_numbers[name] = number
    routes.update({"10.0.0.0/24": 2, "10.0.0.0/31": 1})
    decider = Decider(program)
    layout, number = layout_of(extract(frame, 1).to_bytes())
    outcome = settled(decider, layout, number, frame)
    path = (outcome.shape, ways[-1])
    forced = layout.always
    for place in layout.places.values():
        forced |= place.needs
    matched_bits = outcome.trace.mask & layout.fields & ~forced
    while matched_bits:
        bit = matched_bits & -matched_bits
        matched_bits ^= bit
        try:
            other = decider.decide(layout, number ^ bit)
        except WouldChange:
            continue
        assert (other.shape, ways[-1]) != path, f"bit {bit:#x} of {layout.shown(outcome.trace.mask)}"


def outcome_outputs(outcome: Outcome) -> list[int]:
    from dpif.odp.actions import Actions, Output

    return [action.value for action in Actions.from_bytes(outcome.shape.actions) if isinstance(action, Output)]


class _Unwrapping:
    """A table that is asked with the addresses of a `PlainPacket`."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, key: Any) -> Any:
        return self._table.get(getattr(key, "value", key))

    def lookup(self, key: Any) -> Any:
        return self._table.lookup(getattr(key, "value", key))

    def __contains__(self, key: Any) -> bool:
        return getattr(key, "value", key) in self._table

    def __setitem__(self, key: Any, value: Any) -> None:
        assert self._table.get(getattr(key, "value", key)) == value  # the first run learned it

    def __len__(self) -> int:
        return len(self._table)


@settings(deadline=None, max_examples=120)
@given(trees, st.lists(changes, min_size=3, max_size=14), st.lists(frames, min_size=4, max_size=8))
def test_after_each_change_the_datapath_does_what_the_program_decides(
    tree: Tree, sequence: list[Any], probes: list[bytes]
) -> None:
    program, table, routes = make_program(tree)
    keys = [extract(probe, port) for probe in probes for port in (1, 2)]
    with Playground(program, PORTS) as net:
        for change in sequence:
            apply(change, table, routes, net)
            net.settle()
            compare(net, keys)
        before = net.flows()
        net.program.site.mark_stale(list(net.runner.keeper.flows))
        net.settle()
        assert net.flows() == before
        assert not net.counters.impure
        assert not net.reports


def apply(change: tuple[str, Any, Any], table: Any, routes: Any, net: Playground) -> None:
    """Make a change."""
    kind, what, argument = change
    if kind == "packet":
        net.send(argument, what)
    elif kind == "put":
        table[entry(what)] = argument
    elif kind == "delete":
        table.discard(entry(what))
    elif kind == "route":
        routes[what] = argument
    elif kind == "unroute":
        routes.discard(what)
    else:
        net.sleep(what)


def entry(frame: bytes) -> Any:
    """What a program may look up for this packet: one of its addresses."""
    key = extract(frame, 1)
    return key.eth.src if key.eth else None


def compare(net: Playground, keys: list[FlowKey]) -> None:
    """Hold every flow that matches a packet against what the program decides on the packet now."""
    installed = {flow.record.ufid: flow.actions for flow in net.datapath.flows}
    assert set(installed) == {flow.ufid for flow in net.runner.keeper.flows}
    flows = [(*matched(flow), flow) for flow in net.runner.keeper.flows]
    for key in keys:
        flat, _ = from_match(key, None)
        matching = [flow for value, mask, flow in flows if not (flat ^ value) & mask]
        if not matching:
            continue
        outcome = decide(net.runner.decider, key)
        assert outcome is not None, f"{key} would change a table, and a flow hides it"
        assert len(matching) == 1, "flows overlap"
        actions = installed[matching[0].ufid]
        assert actions is not None
        assert actions.to_bytes() == outcome.shape.actions, str(key)


def matched(flow: Megaflow) -> tuple[int, int]:
    """Key and mask of a flow as the kernel has them."""
    mask = FlowMask.from_bytes(flow.layout.encode(flow.mask))
    return from_match(FlowKey.from_bytes(flow.key), mask)


states = st.sampled_from((CtState.NEW, CtState.ESTABLISHED, CtState.INVALID, CtState.ESTABLISHED | CtState.REPLY_DIR))


@settings(deadline=None, max_examples=120)
@given(trees, st.lists(st.tuples(frames, st.sampled_from(PORTS), changes), min_size=2, max_size=8), states)
def test_packets_that_wait_behind_a_recirculation_are_decided_by_what_is_there_then(
    tree: Tree, sequence: list[Any], state: CtState
) -> None:
    program, table, routes = make_program(tree)

    def after(packet: Any) -> Any:
        return run(tree, packet, table, routes) if not packet.ct.state.est else drop()

    program.forward(lambda packet: ct(then=after) if packet.ipv4 is not None else recirculate(after))
    with Playground(program, PORTS) as net:
        for frame, port, change in sequence:
            net.devices[port].send(frame)
            net.runner.step()  # it has come up once, and waits to come up again
            apply(change, table, routes, net)
            net.settle()
            ids = {flow.recirc_id for flow in net.runner.keeper.flows if flow.recirc_id}
            keys = [
                extract(each, in_port, recirc_id=number, ct_state=int(state | CtState.TRACKED))
                for each, _, _ in sequence
                for in_port in (1, 2)
                for number in ids
            ]
            compare(net, keys)
        assert not net.counters.strangers
        assert not net.reports


steps = st.lists(
    st.tuples(st.sampled_from(("put", "delete", "expire", "refresh")), st.integers(0, 3), st.integers(0, 2)),
    max_size=30,
)


@given(steps)
def test_traffic_makes_no_entry_and_moves_none(sequence: list[tuple[str, int, int]]) -> None:
    now = 0.0
    program = Program(clock=lambda: now)
    table = program.table("table", idle=5)
    seen: list[tuple[int, Any]] = []
    for kind, key, value in sequence:
        now += value
        before = table.items()
        if kind == "put":
            table[key] = value
            seen.append((key, table.look(key)))
        elif kind == "delete":
            table.discard(key)
        elif kind == "expire":
            table.expire(now)
        elif seen:
            which, found = seen[key % len(seen)]
            expected = used(table)
            if table.look(which) is found:
                expected[which] = now
            table.refresh(which, found, now)
            assert table.items() == before
            assert used(table) == expected


def used(table: Any) -> dict[int, float]:
    """When each entry was last of use."""
    return {key: table.look(key).used for key in table}
