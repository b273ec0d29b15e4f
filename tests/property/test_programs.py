"""Random programs over random packets and tables: what a datapath does is what the program would decide.

The oracles are numbered as in the design: O1 a decision holds for every packet that agrees on its mask; O2 after each
change the datapath does with a packet what the program decides now, or lets it come up; O3 no two flows that overlap
do different things; O4 a function comes to the same with a packet that notes its use as with a plain one; O6 a second
look without a change changes nothing.
"""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dpif.odp.extraction import extract
from dpif.odp.kernel.match import from_match
from dpif.odp.model.key import FlowKey, FlowMask
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


@settings(deadline=None, max_examples=150)
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


@settings(deadline=None, max_examples=150)
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


@settings(deadline=None, max_examples=60)
@given(trees, st.lists(changes, min_size=3, max_size=14), st.lists(frames, min_size=4, max_size=8))
def test_after_each_change_the_datapath_does_what_the_program_decides(
    tree: Tree, sequence: list[Any], probes: list[bytes]
) -> None:
    program, table, routes = make_program(tree)
    keys = [extract(probe, port) for probe in probes for port in (1, 2)]
    with Playground(program, PORTS) as net:
        for kind, what, argument in sequence:
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
            net.settle()
            compare(net, keys)
        before = net.flows()
        net.program.site.mark_stale(list(net.runner.keeper.flows))
        net.settle()
        assert net.flows() == before
        assert not net.counters.impure
        assert not net.reports


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
