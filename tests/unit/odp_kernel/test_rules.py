"""Every listed flow is judged by the rule that it is listed under; the kernel judges the same table elsewhere."""

from __future__ import annotations

import pytest

from dpif.errors import DpifError
from dpif.odp.actions import Actions, Ct, Drop, Psample, Unknown, parse_actions
from dpif.odp.constants import ActionAttr
from dpif.odp.kernel.check import check_actions, explain_actions
from dpif.odp.kernel.match import explain_match, from_match
from dpif.odp.kernel.rules import LINUX_6_1, Features, RuleBroken
from dpif.odp.model.key import FlowKey, parse_match
from dpif.testing.rule_cases import ARP, CASES, IP, NEWER_ACTIONS, RuleCase


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule_and_its_errno(case: RuleCase) -> None:
    broken = explain_actions(case.actions, case.key, case.mask)
    assert ((broken.rule, broken.errno) if broken else ("", 0)) == (case.rule, case.errno)


def test_an_explanation_names_what_is_missing() -> None:
    broken = explain_match(*parse_match("eth(),eth_type(0x0800)"))
    assert isinstance(broken, DpifError)
    assert str(broken) == "eth_type(0x0800) needs ipv4() [missing-attribute]"


def test_nothing_to_explain() -> None:
    assert explain_match(*parse_match(IP)) is None
    assert explain_match(FlowKey(eth={}, ct_state=0x20)) is None


def masked(match: str) -> int:
    value, mask = from_match(*parse_match(match))
    return value & mask


def broken_rule(actions: Actions, match: str, features: Features) -> str:
    with pytest.raises(RuleBroken) as caught:
        check_actions(actions, masked(match), features)
    return caught.value.rule


def test_a_kernel_without_conntrack_zones() -> None:
    features = Features(ct_zones=False)
    broken = explain_match(*parse_match(f"ct_zone(0x1),{IP}"), features)
    assert broken
    assert broken.rule == "no-ct-zones"
    assert broken_rule(parse_actions("ct(zone=1)"), IP, features) == "ct-feature"
    with pytest.raises(RuleBroken, match=r"without conntrack zones \(CONFIG_NF_CONNTRACK_ZONES\).*dpif lab --qemu"):
        check_actions(parse_actions("ct(zone=1)"), masked(IP), features)
    assert "CONFIG_NF_CONNTRACK_ZONES" in str(broken)
    check_actions(parse_actions("ct(zone=1)"), masked(IP))


def test_a_kernel_without_timeouts_or_nat() -> None:
    assert broken_rule(Actions([Ct(timeout="t")]), IP, Features(ct_timeout=False)) == "ct-feature"
    assert broken_rule(parse_actions("ct(nat)"), IP, Features(nat=False)) == "ct-feature"


def test_conntrack_helpers_are_checked_where_they_are_known() -> None:
    actions = Actions([Ct(helper="ftp")])
    check_actions(actions, masked(IP))
    check_actions(actions, masked(IP), Features(ct_helpers=frozenset({"ftp"})))
    assert broken_rule(actions, IP, Features(ct_helpers=frozenset())) == "ct-helper"


def test_newer_actions_are_refused_by_older_kernels() -> None:
    assert broken_rule(Actions([Drop(0)]), ARP, LINUX_6_1) == "unknown-action"
    check_actions(Actions([Drop(0)]), masked(ARP), LINUX_6_1._replace(newest_action=ActionAttr.DROP))
    assert broken_rule(Actions([Psample(group=1)]), ARP, Features(newest_action=ActionAttr.DROP)) == "unknown-action"


@pytest.mark.parametrize("case", NEWER_ACTIONS, ids=str)
def test_newer_actions_are_unknown_to_older_kernels(case: RuleCase) -> None:
    broken = explain_actions(case.actions, case.key, case.mask, LINUX_6_1)
    assert broken is not None
    assert broken.rule == "unknown-action"


def test_an_action_that_nobody_knows_is_named_by_its_number() -> None:
    broken = explain_actions([Unknown(99, b"")], *parse_match(ARP))
    assert str(broken) == "this datapath does not know the action action99 [unknown-action]"


def test_the_symmetric_hash_is_a_feature() -> None:
    assert broken_rule(parse_actions("hash(sym_l4(0))"), ARP, LINUX_6_1) == "hash-algorithm"
    check_actions(parse_actions("hash(sym_l4(0))"), masked(ARP))


def test_commit_must_stand_before_nat() -> None:
    ordered = parse_actions("ct(commit,nat(src=10.0.0.1))")
    check_actions(ordered, masked(IP))
    (action,) = ordered
    assert isinstance(action, Ct)
    turned = Ct.of_kept(dict(reversed(list(action.kept()))))
    assert broken_rule(Actions([turned]), IP, Features()) == "nat-commit"
