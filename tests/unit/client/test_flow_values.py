"""Flows as values: what is always there, and what a terse dump leaves out."""

from __future__ import annotations

import pytest

from dpif import DecodeError, Flow, FlowKey, FlowMask, TerseFlow, parse_actions
from dpif.odp.messages.flow import FlowRecord

KEY = FlowKey(in_port=1, eth={}, eth_type=0x0806)
UFID = bytes(range(16))


def test_a_flow_without_a_mask_matches_exactly() -> None:
    flow = Flow(FlowRecord(key=KEY.to_bytes(), actions=parse_actions("2").to_bytes()))
    assert flow.mask == FlowMask.exact(KEY)
    assert (flow.key, flow.actions) == (KEY, parse_actions("2"))


@pytest.mark.parametrize("part", ["key", "actions"])
def test_a_flow_that_lacks_what_was_asked_for_says_so(part: str) -> None:
    with pytest.raises(DecodeError, match=f"FLOW.{part.upper()}.*left it out"):
        getattr(Flow(FlowRecord(ufid=UFID)), part)


def test_a_terse_flow_has_what_names_it() -> None:
    flow = TerseFlow(FlowRecord(ufid=UFID))
    assert (flow.key, flow.mask, flow.actions) == (None, None, None)
    assert repr(flow) == f"<TerseFlow {flow.ufid}, packets:0>"
    assert TerseFlow(FlowRecord(key=KEY.to_bytes())).key == KEY
