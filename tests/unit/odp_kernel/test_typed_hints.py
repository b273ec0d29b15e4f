"""What an explanation tells people to type is typed here, as it stands, and the flow is taken.

What a rule asks for stands behind "needs"; ``name(...)`` refers to what is there already.
"""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from dpif.odp.actions import Actions, parse_actions
from dpif.odp.kernel.check import explain_actions
from dpif.odp.kernel.match import explain_match
from dpif.odp.model.key import FlowKey, format_key, parse_match
from dpif.testing.rule_cases import ACTIONS, CASES, MATCHES, ND, TCP, TCP6, UDP, VLAN, RuleCase

ATTRIBUTE = r"[a-z_0-9]+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
LIST = rf"{ATTRIBUTE}(?:,{ATTRIBUTE})*"
ASKED_FOR = re.compile(rf"needs (?:an exact |a flow that matches |commit before it, as in )?({LIST}(?: and {LIST})*)")
FIRST = re.compile(rf"({LIST}|[a-z_]+) comes first")
FLOWS = {
    "tcp": TCP,
    "tcp6": TCP6,
    "udp": UDP,
    "nd": ND,
    "vlan": VLAN,
    "mpls": "eth(),eth_type(0x8847),mpls(label=1,tc=0,ttl=64,bos=1)",
    "nsh": "eth(),eth_type(0x894f),nsh(mdtype=1,np=3)",
    "arp": "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
    "sctp": "eth(),eth_type(0x0800),ipv4(proto=132),sctp(dst=80)",
    "icmp": "eth(),eth_type(0x0800),ipv4(proto=1),icmp(type=8)",
    "tunnel": "tunnel(tun_id=5,dst=10.0.0.2,ttl=64),eth(),eth_type(0x0806),arp()",
    "l3": "eth_type(0x86dd),ipv6(proto=17),udp(dst=53)",
}
ATTRIBUTES = {attr.text_name for attr in FlowKey.ATTRS.values()}
REFUSED = [case for case in CASES if case.rule]


def parts_of(text: str) -> list[str]:
    return re.findall(ATTRIBUTE, text)


def name_of(part: str) -> str:
    return part.partition("(")[0]


def with_typed(flow: str, added: str) -> str:
    """Return the flow with what is typed: in place of what has its name, else behind it."""
    named = {name_of(part): part for part in parts_of(flow)}
    return ",".join((named | {name_of(part): part for part in parts_of(added)}).values())


def mended(flow: str) -> list[str]:
    """Return what the flow becomes step by step, as somebody types what each explanation asks for."""
    steps = [flow]
    for _ in range(8):
        broken = explain_match(*parse_match(steps[-1]))
        if broken is None:
            break
        asked = ASKED_FOR.search(str(broken))
        assert asked, f"{steps[-1]}: nothing to type in: {broken}"
        steps.append(with_typed(steps[-1], asked[1]))
    return steps


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_whatever_is_left_out_of_a_flow_the_explanations_bring_it_back(flow: str) -> None:
    parts = parts_of(flow)
    assert len(parts) > 1
    for count in range(1, len(parts) + 1):
        for kept in combinations(parts, count):
            check_mended(",".join(kept))


@pytest.mark.parametrize("flow", ["encap()", "eth(),eth_type(0x8100),vlan(vid=5),encap()", "in_port(1)"])
def test_an_empty_text_is_brought_on(flow: str) -> None:
    check_mended(flow)


def check_mended(flow: str) -> None:
    steps = mended(flow)
    assert explain_match(*parse_match(steps[-1])) is None, steps


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_all_that_is_asked_for_can_be_read(case: RuleCase) -> None:
    broken = explain_actions(case.actions, case.key, case.mask)
    assert broken is not None
    assert not re.search(r"needs [^ ;]*(\.\.\.|…)", str(broken))
    for part in parts_of(re.sub(r"[a-z_0-9]+\([^ ]*\.\.\.\)+", "", broken.explanation)):
        if name_of(part) in ATTRIBUTES:
            parse_match(part)
        elif name_of(part) != "nat":
            parse_actions(part)


def asking(cases: tuple[RuleCase, ...], pattern: re.Pattern[str]) -> list[tuple[RuleCase, str]]:
    found = []
    for case in cases:
        broken = explain_actions(case.actions, case.key, case.mask)
        asked = broken and pattern.search(str(broken))
        if asked:
            found.append((case, asked[1]))
    return found


@pytest.mark.parametrize(
    ("case", "flow"), [pair for pair in asking(ACTIONS, ASKED_FOR) if "eth_type" in pair[1]], ids=str
)
def test_actions_are_taken_in_the_flow_that_they_ask_for(case: RuleCase, flow: str) -> None:
    key, mask = parse_match(f"eth(),{flow}")
    assert explain_match(key, mask) is None
    assert explain_actions(list(case.actions)[-1:], key, mask) is None  # those before it may change the packet


@pytest.mark.parametrize(("case", "first"), asking(ACTIONS, FIRST), ids=str)
def test_what_comes_first_makes_an_action_right(case: RuleCase, first: str) -> None:
    before = Actions([*list(case.actions)[:-1], *parse_actions(first), *list(case.actions)[-1:]])
    assert explain_actions(before, case.key, case.mask) is None


@pytest.mark.parametrize("actions", ["ct(commit,mark=1)", "ct(commit,label=1)", "ct(commit,nat(src=192.0.2.1))"])
def test_what_a_connection_is_asked_for_is_taken(actions: str) -> None:
    assert explain_actions(parse_actions(actions), *parse_match(TCP)) is None


def test_exact_values_that_a_mask_asks_for_are_taken() -> None:
    asked = asking(MATCHES, re.compile(rf"needs an exact ({LIST})"))
    assert len(asked) >= 4
    for case, typed in asked:
        assert case.mask is not None
        check_mended(with_typed(format_key(case.key, case.mask), typed))
