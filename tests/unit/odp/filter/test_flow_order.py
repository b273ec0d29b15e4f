"""The order of flows: what comes first, and how a text that is no order is refused."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.filter.fields import valued_names
from dpif.odp.filter.order import parse_order
from dpif.odp.model.key import FlowKey, FlowMask, parse_match


class Sample(NamedTuple):
    """A flow as an order reads it."""

    name: str
    key: FlowKey | None
    mask: FlowMask | None
    actions: Actions | None = None
    packets: int = 0
    bytes: int = 0
    tcp_flags: int = 0
    used: float | None = None
    ufid: bytes | None = None


def sample(name: str, match: str, actions: str = "drop", **statistics: float) -> Sample:
    return Sample(name, *parse_match(match), parse_actions(actions), **statistics)  # type: ignore[arg-type]


FLOWS = [
    sample("a", "in_port(3),eth(),eth_type(0x0800),ipv4(dst=10.0.0.9)", "1,2", packets=5, used=90.0),
    sample("b", "in_port(1),eth(),eth_type(0x0806)", "1", packets=7, used=99.5),
    sample("c", "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.10)", "2", packets=5),
    sample("d", "eth(),eth_type(0x0800),ipv4(dst=9.0.0.1/0.0.0.0)", packets=0, used=10.0),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("packets", "dacb"),
        ("-packets", "bacd"),
        ("packets:desc", "bacd"),
        ("packets:asc", "dacb"),
        ("-packets:desc", "dacb"),
        ("-packets,in_port", "bcad"),
        ("in_port", "bcad"),
        ("-in_port", "abcd"),
        ("ipv4.dst", "acbd"),
        ("used", "badc"),
        ("-used", "dabc"),
        ("output", "bacd"),
        ("eth_type,-in_port,packets", "acdb"),
    ],
)
def test_the_order(text: str, names: str) -> None:
    order = parse_order(text)
    assert "".join(flow.name for flow in order.sorted(FLOWS, now=100.0)) == names
    for limit in range(6):
        assert "".join(flow.name for flow in order.sorted(FLOWS, limit, now=100.0)) == names[:limit]


@given(st.lists(st.integers(0, 3)), st.integers(0, 5))
def test_the_first_of_many(counts: list[int], limit: int) -> None:
    flows = [Sample(str(place), None, None, packets=count) for place, count in enumerate(counts)]
    assert parse_order("-packets").sorted(iter(flows), limit) == parse_order("-packets").sorted(flows)[:limit]


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a field"),
        ("packtes", 0, "unknown field 'packtes'"),
        ("ipv4.dts", 5, "unknown field 'dts'"),
        ("packets,", 8, "expected a field"),
        ("packets;bytes", 7, "for example: -packets,in_port"),
        ("packets:down", 8, "unknown direction 'down'"),
        ("packets:", 8, "asc or desc"),
        ("in_port,udp", 8, "it has no value"),
        ("--packets", 1, "expected a field"),
    ],
)
def test_mistakes(text: str, position: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_order(text)
    assert message in str(caught.value)
    assert caught.value.position == position


def test_flows_can_be_ordered_by_all_that_has_a_value() -> None:
    names = list(valued_names())
    assert {"packets", "in_port", "ipv4.dst", "tunnel.tun_id", "tunnel.vxlan.gbp.id", "mpls.label"} <= set(names)
    assert len(set(names)) == len(names)
    for name in names:
        assert parse_order(name).text == name
    for name in ("actions", "tunnel", "encap", "udp"):
        assert name not in names
