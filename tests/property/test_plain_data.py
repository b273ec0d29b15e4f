"""Keys, masks and actions as plain data: what JSON carries says it all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from dpif.errors import EncodeError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.testing.strategies import action_lists, matches


def carried(value: Any) -> Any:
    """Return what is left of a value behind JSON."""
    return json.loads(json.dumps(value))


@given(matches())
def test_a_match_is_built_again_from_its_data(match: tuple[FlowKey, FlowMask]) -> None:
    key, mask = match
    values, masks = key.plain_pair(mask, whole=True)
    assert FlowKey(**carried(values)) == key
    assert FlowMask(**carried(masks)) == mask


@given(matches())
def test_what_is_matched_says_the_same_match(match: tuple[FlowKey, FlowMask]) -> None:
    key, mask = match
    values, masks = key.plain_pair(mask)
    assert masks is not None
    assert FlowKey(**carried(values)).show(FlowMask(**carried(masks))) == key.show(mask)


@given(matches())
def test_a_key_alone_is_built_again(match: tuple[FlowKey, FlowMask]) -> None:
    key, _ = match
    values, masks = key.plain_pair(None)
    assert masks is None
    assert FlowKey(**carried(values)) == key


@given(action_lists())
def test_actions_are_told_one_by_one(actions: Actions) -> None:
    told = carried(actions.plain())
    assert [list(action) for action in told] == [[action.name] for action in actions]


def test_forms() -> None:
    key, mask = parse_match(
        "recirc_id(0),in_port(1),ct_state(+est-new),ct_label(0x5/0xf),eth(),eth_type(0x0800),"
        "ipv4(dst=10.0.0.0/255.0.0.0,proto=6,frag=later),tcp(),tcp_flags(syn|ack),key99(00 ff)"
    )
    assert key.plain_pair(mask) == (
        {
            "recirc_id": 0,
            "in_port": 1,
            "ct_state": ["est"],
            "ct_label": "0x5",
            "eth": {},
            "eth_type": 0x800,
            "ipv4": {"dst": "10.0.0.0", "proto": 6, "frag": "later"},
            "tcp": {},
            "tcp_flags": ["syn", "ack"],
            "key99": "00ff",
        },
        {
            "recirc_id": 0xFFFFFFFF,
            "in_port": 0xFFFFFFFF,
            "ct_state": ["new", "est"],
            "ct_label": "0xf",
            "eth": {},
            "eth_type": 0xFFFF,
            "ipv4": {"dst": "255.0.0.0", "proto": 255, "frag": 255},
            "tcp": {},
            "tcp_flags": [
                "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]", "0xf000",
            ],
            "key99": "ffff",
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("drop", []),
        ("1", [{"output": 1}]),
        ("pop_vlan,ct_clear", [{"pop_vlan": True}, {"ct_clear": True}]),
        ("set(ipv4(ttl=5/0xff))", [{"set_masked": {"key": {"ipv4": {"ttl": 5}}, "mask": {"ipv4": {"ttl": 255}}}}]),
        ("clone(recirc(0x1))", [{"clone": [{"recirc": 1}]}]),
        ("ct(commit,zone=3)", [{"ct": {"commit": True, "zone": 3}}]),
        ("ct(nat(src=1.2.3.4))", [{"ct": {"nat": {"src": True, "ip_min": "1.2.3.4"}}}]),
        ("hash(sym_l4(1))", [{"hash": {"alg": "sym_l4", "basis": 1}}]),
    ],
)  # fmt: skip
def test_forms_of_actions(text: str, plain: list[object]) -> None:
    assert parse_actions(text).plain() == plain


def test_user_data_that_is_a_cookie_is_told() -> None:
    ((action),) = parse_actions("userspace(pid=5,slow_path(cfm))").plain()
    assert action["userspace"]["cookie"] == {"slow_path": {"unused": 0, "reserved": 0, "reason": ["cfm"]}}


@pytest.mark.parametrize(
    "values",
    [
        {"tcp_flags": ["sin"]},
        {"tcp_flags": [1]},
        {"ct_label": "5"},
        {"ipv4": {"frag": "some"}},
        {"key99": "0"},
        {"mpls": [{"label": "x"}]},
        {"tunnel": {"geneve": [{"classy": 1}]}},
    ],
)
def test_data_that_cannot_be(values: dict[str, Any]) -> None:
    with pytest.raises(EncodeError):
        FlowKey(**values)


@pytest.mark.parametrize("name", ["key1", "key99999", "keys"])
def test_an_attribute_without_a_name_has_a_number_that_is_free(name: str) -> None:
    with pytest.raises(TypeError, match="has no attribute"):
        FlowKey(**{name: "00"})
