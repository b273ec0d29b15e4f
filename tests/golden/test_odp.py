"""The flow language against what ovs-dpctl sent and printed; README.md tells where the data come from."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from dpif.client.values import encode_actions, encode_match
from dpif.odp.actions import Actions
from dpif.odp.constants import FlowCmd
from dpif.odp.lines.compiled import FlowLines
from dpif.odp.lines.text import format_flow_line
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import FlowKey, FlowMask

DIRECTORY = Path(__file__).parent / "odp"
PORT_NAMES = {0: "dp0", 1: "v1", 2: "v2"}
STYLES: dict[str, dict[str, Any]] = {"plain": {}, "verbose": {"verbose": True}, "names": {"port_names": PORT_NAMES}}

DIFFERENT_REQUESTS = {
    "ct_state(new|trk)": "the kernel refuses a mask of states that it does not know; ours is of those that it does",
    "ct_state(0x20),": "the same",
    " | drop": "the tool sends a DROP action, which this kernel refuses; ours sends no actions",
    " | tnl_pop(4)": "actions of userspace datapaths have the numbers of newer headers",
    " | lb_output(1)": "the same",
}
OTHER_MEANING = {
    "geneve({class=1,type=2,len=4})),": "data that match anything are not shown; the tool reads none as 0",
}
AMBIGUOUS_LINES = {
    "ttl=64,flags(+key))": "a wildcarded tun_id is told by its flag alone, which is no attribute",
}
SHOWN_OTHERWISE: list[tuple[str, str]] = json.loads((DIRECTORY / "shown_otherwise.json").read_text())
"""How lines of ours differ from the tool's, each as ours and as the tool's."""


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DIRECTORY / name).read_text().splitlines()]


def as_the_tool_shows(line: str) -> str:
    return functools.reduce(lambda text, pair: text.replace(*pair), SHOWN_OTHERWISE, line)


REQUESTS = load("requests.jsonl")
FLOWS = load("dump.jsonl")


def means_to_differ(text: str, reasons: dict[str, str]) -> bool:
    return any(part in text for part in reasons)


@pytest.mark.parametrize("entry", REQUESTS, ids=lambda entry: f"{entry['flow']} | {entry['actions']}")
def test_a_flow_is_sent_as_the_tool_sends_it(entry: dict[str, Any]) -> None:
    match = encode_match(entry["flow"])
    sent = {
        "key_hex": match.key.hex(),
        "mask_hex": match.mask.hex() if match.mask is not None else None,
        "actions_hex": encode_actions(entry["actions"]).hex(),
        "ufid_hex": match.ufid.hex() if match.ufid is not None else None,
    }
    theirs = {name: entry[name] for name in sent}
    text = f"{entry['flow']} | {entry['actions']}"
    if means_to_differ(text, DIFFERENT_REQUESTS):
        assert sent != theirs
        assert entry["errno"], "where the kernel takes what the tool sends there is no reason to send something else"
    elif means_to_differ(text, OTHER_MEANING):
        assert {name for name in sent if sent[name] != theirs[name]} == {"mask_hex"}
    else:
        assert sent == theirs


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("entry", FLOWS, ids=lambda entry: entry["plain"])
def test_a_flow_is_printed_as_the_tool_prints_it(entry: dict[str, Any], style: str) -> None:
    payload = pack_headers(FlowCmd.NEW, 1, 1) + bytes.fromhex(entry["record"])
    lines = {
        format_flow_line(FlowRecord.from_payload(payload), 0, **STYLES[style]),
        *FlowLines(**STYLES[style], clock=lambda: 0).lines([payload] * 3),
    }
    assert {as_the_tool_shows(line) for line in lines} == {entry[style]}


@pytest.mark.parametrize("entry", FLOWS, ids=lambda entry: entry["plain"])
def test_what_the_kernel_sends_comes_back_byte_for_byte(entry: dict[str, Any]) -> None:
    record = FlowRecord.from_payload(pack_headers(FlowCmd.NEW, 1, 1) + bytes.fromhex(entry["record"]))
    assert record.key is not None
    assert FlowKey.from_bytes(record.key).to_bytes() == record.key
    assert record.mask is not None
    assert FlowMask.from_bytes(record.mask).to_bytes() == record.mask
    assert record.actions is not None
    assert Actions.from_bytes(record.actions).to_bytes() == record.actions


@pytest.mark.parametrize("entry", FLOWS, ids=lambda entry: entry["plain"])
def test_a_printed_flow_can_be_pasted(entry: dict[str, Any]) -> None:
    """The plain line's key and actions are read again, and mean the flow that was printed."""
    record = FlowRecord.from_payload(pack_headers(FlowCmd.NEW, 1, 1) + bytes.fromhex(entry["record"]))
    flow = format_flow_line(record, 0)
    key, _, rest = flow.partition(", packets:")
    actions = rest.partition(", actions:")[2]
    assert record.actions is not None
    assert Actions.from_bytes(encode_actions(actions)).format() == actions
    match = encode_match(key)
    assert match.mask is not None
    again = FlowRecord(key=match.key, mask=match.mask, actions=record.actions)
    shown = format_flow_line(again, 0).partition(", packets:")[0]
    assert shown == key or means_to_differ(key, AMBIGUOUS_LINES)


def test_the_data_cover_every_attribute_that_a_kernel_takes() -> None:
    kept = [FlowKey.from_bytes(bytes.fromhex(entry["key_hex"])) for entry in REQUESTS]
    names = {name for key in kept for name, _ in key.items()}
    assert names >= {
        "encap", "skb_priority", "in_port", "eth", "vlan", "eth_type", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmpv6",
        "arp", "nd", "skb_mark", "tunnel", "sctp", "tcp_flags", "dp_hash", "recirc_id", "mpls", "ct_state", "ct_zone",
        "ct_mark", "ct_label", "ct_tuple4", "ct_tuple6",
    }  # fmt: skip
