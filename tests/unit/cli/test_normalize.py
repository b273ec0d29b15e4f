"""``normalize-actions``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PLAIN = "in_port(1),eth(),eth_type(0x1234)"
TAGGED = "in_port(a),eth(),eth_type(0x88a8),vlan(vid=5,pcp=1),encap(eth_type(0x8847),mpls(label=3,tc=0,ttl=5,bos=1))"


@pytest.mark.parametrize(
    ("flow", "actions", "groups"),
    [
        (
            PLAIN,
            "1,push_vlan(vid=9,pcp=0),3,2,pop_vlan,push_vlan(vid=11,pcp=2),5,pop_vlan,4",
            ["no vlan: no mpls: 1,4", "vlan(vid=9,pcp=0): no mpls: 2,3", "vlan(vid=11,pcp=2): no mpls: 5"],
        ),
        (PLAIN, "3,2,trunc(100),7,1", ["no vlan: no mpls: 2,3,trunc(100),1,7"]),
        (
            PLAIN,
            "push_vlan(vid=1,pcp=0),push_vlan(tpid=0x88a8,vid=2,pcp=0),4",
            ["vlan(tpid=0x88a8,vid=2,pcp=0): vlan(vid=1,pcp=0): no mpls: 4"],
        ),
        (PLAIN, "pop_vlan,1", ["no vlan: no mpls: 1"]),
        (PLAIN, "drop", ["no vlan: no mpls: drop"]),
        (
            TAGGED,
            "2,pop_vlan,b",
            ["no vlan: mpls(label=3,tc=0,ttl=5): 7", "vlan(tpid=0x88a8,vid=5,pcp=1): mpls(label=3,tc=0,ttl=5): 2"],
        ),
    ],
)
def test_actions_are_sorted_by_tags(run: Callable[..., Any], flow: str, actions: str, groups: list[str]) -> None:
    ran = run("normalize-actions", flow, actions, "a=1", "b=7")
    first, *rest = ran.stdout.splitlines()
    assert first.startswith("input flow: in_port(1),eth(src=00:00:00:00:00:00")
    assert rest == groups
    assert (ran.status, ran.stderr) == (0, "")


def test_the_same_outputs_give_the_same_lines(run: Callable[..., Any]) -> None:
    one = run("normalize-actions", PLAIN, "push_vlan(vid=9,pcp=0),2,pop_vlan,push_vlan(vid=11,pcp=0),3")
    other = run("normalize-actions", PLAIN, "push_vlan(vid=11,pcp=0),3,pop_vlan,push_vlan(vid=9,pcp=0),2")
    assert one == other


def test_more_shows_the_actions_too(run: Callable[..., Any]) -> None:
    assert "input actions: 1,pop_vlan\n" in run("normalize-actions", "-m", PLAIN, "1,pop_vlan").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("eth(", "1"), "odp_flow_key_from_string ("),
        (("eth(),eth_type(0x0800)", "1"), "odp_flow_key_to_flow failed (eth_type(0x0800) needs ipv4"),
        ((PLAIN, "1x"), "odp_actions_from_string ("),
        ((PLAIN, "1", "p"), "p: expected NAME=NUMBER"),
    ],
)
def test_mistakes(run: Callable[..., Any], words: tuple[str, ...], message: str) -> None:
    ran = run("normalize-actions", *words)
    assert ran.status == 1
    assert ran.stderr.startswith(f"dpif: {message}")
    assert ran.stderr.count("\n") == 1
