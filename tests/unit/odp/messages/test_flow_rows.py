"""Rows of flows by their layouts: what a test of equal rows does not meet."""

from __future__ import annotations

import struct

import pytest

from dpif.netlink.attributes import attribute
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.model.key import parse_match

KEY = parse_match("in_port(1),eth(),eth_type(0x0806),arp(op=1)")[0].to_bytes()


@pytest.mark.parametrize("size", [0, 4, 5])
def test_padding_with_a_payload(size: int) -> None:
    """The kernel's has none, but nothing is said of it."""
    rows = FlowRows()
    for used in (5, 6):
        payload = pack_headers(1, 1, 7) + b"".join(
            [
                attribute(FlowAttr.KEY, KEY),
                attribute(FlowAttr.PAD, bytes(range(size))),
                attribute(FlowAttr.USED, struct.pack("=Q", used)),
                attribute(FlowAttr.ACTIONS, b""),
            ]
        )
        assert rows(payload) == FlowRecord.from_reply(payload)
