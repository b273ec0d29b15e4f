"""The line of any flow is read as one that has this line, with ``-m`` and without, with names of ports or numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpif.odp.actions import Actions
from dpif.odp.lines.text import format_flow_line
from dpif.odp.messages import FlowCounters, FlowRecord
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.text.flow_line import parse_flow_line
from dpif.testing.strategies import action_lists, matches

NOW = 10**15
NAMES = {0: "br0", 1: "eth0", 7: "tap7"}
NUMBERS = {name: number for number, name in NAMES.items()}


@st.composite
def records(draw: st.DrawFn) -> FlowRecord:
    """A flow with a text for all that it has."""
    key, mask = draw(matches())
    counters = st.integers(0, 2**64 - 1)
    return FlowRecord(
        command=1,
        key=key.to_bytes(),
        mask=mask.to_bytes(),
        actions=draw(action_lists()).to_bytes(),
        stats=draw(st.none() | st.builds(FlowCounters, counters, counters)),
        used=draw(st.none() | st.integers(1, NOW)),
        tcp_flags=draw(st.none() | st.integers(0, 0xFFF)),
        ufid=draw(st.none() | st.binary(min_size=16, max_size=16)),
    )


@given(records(), st.booleans(), st.booleans())
def test_a_line_is_read_as_the_flow(flow: FlowRecord, verbose: bool, with_names: bool) -> None:
    names, numbers = (NAMES, NUMBERS) if with_names else (None, None)
    line = format_flow_line(flow, NOW, verbose=verbose, port_names=names)
    read = parse_flow_line(line, NOW, numbers)
    shown = format_flow_line(read, NOW, verbose=verbose, port_names=names)
    assert shown.replace("<empty>", "", 1) == line.replace(
        "<empty>", "", 1
    )  # of a key whose fields are all left open
    assert (read.used, read.stats or (0, 0)) == (flow.used, flow.stats or (0, 0))
    assert (read.tcp_flags or 0, read.ufid) == (flow.tcp_flags or 0, flow.ufid if verbose else None)


@given(matches(), action_lists())
def test_what_a_text_says_exactly_is_read_exactly(match: tuple[FlowKey, FlowMask], actions: Actions) -> None:
    line = f"{match[0].format(match[1], verbose=True)}, packets:0, bytes:0, used:never, actions:{actions}"
    assert parse_flow_line(line, NOW).flow_actions() == actions
