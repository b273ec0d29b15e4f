"""The kernel takes and refuses flows by the rules of `dpif.odp`, and tells them back as those do.

``DPIF_RULES_FLOWS`` says how many random flows are tried (2000 unless told), ``DPIF_RULES_SEED`` makes other ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from dpif.client import Datapath
from dpif.errors import NetlinkError
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_ECHO
from dpif.odp.actions import Actions, Ct
from dpif.odp.constants import ActionAttr, FlowCmd, KeyAttr, TunnelKeyAttr
from dpif.odp.extraction import extract
from dpif.odp.kernel.check import check_actions, explain_actions
from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.kernel.swkey import get
from dpif.odp.messages import FlowRecord
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import MPLS_ETHERTYPES
from dpif.testing import odd_packets
from dpif.testing.kernel import KernelHarness
from dpif.testing.odd_flows import OddFlows
from dpif.testing.rule_cases import ACTIONS, CASES, NEWER_ACTIONS, RuleCase

SEED = int(os.environ.get("DPIF_RULES_SEED", "1"))
FLOWS = int(os.environ.get("DPIF_RULES_FLOWS", "2000"))
UFID = bytes(range(16))
TUNNELS = (
    None,
    Tunnel(tun_id=5, src="10.0.0.1", dst="10.0.0.2", ttl=64),
    Tunnel(ipv6_src="::1", ipv6_dst="::2", ttl=1, tos=4, df=True, csum=True),
    Tunnel(dst="10.0.0.2", ttl=64, tp_dst=6081, oam=True),
)


@pytest.fixture(scope="module")
def dp() -> Iterator[Datapath]:
    with KernelHarness() as harness:
        yield harness.open("rk0", create=True)


@pytest.fixture(scope="module")
def features(dp: Datapath) -> Features:
    """What this kernel goes by, as it was found out; no helpers are loaded."""
    return dp.rules._replace(ct_helpers=frozenset())


def put(dp: Datapath, key: FlowKey, mask: FlowMask | None, actions: Actions) -> tuple[int, FlowRecord | None]:
    """Install a flow, look it up and remove it; return the errno and how it reads back."""
    record = FlowRecord(
        command=FlowCmd.NEW,
        dp_ifindex=dp.ifindex,
        key=key.to_bytes(),
        mask=None if mask is None else mask.to_bytes(),
        actions=actions.to_bytes(),
        ufid=UFID,
    )
    try:
        dp.connection.transact(record.request("installing", NLM_F_CREATE | NLM_F_ECHO))
    except NetlinkError as error:
        return error.errno or 0, None
    found = FlowRecord(command=FlowCmd.GET, dp_ifindex=dp.ifindex, ufid=UFID)
    answer = dp.connection.transact(found.request("finding"))
    dp.flows.flush()
    return 0, answer


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_listed_flows(dp: Datapath, features: Features, case: RuleCase) -> None:
    expected = case.errno
    if case in NEWER_ACTIONS:  # the rules know which kernel has them
        broken = explain_actions(case.actions, case.key, case.mask, features)
        expected = broken.errno if broken else 0
    assert put(dp, case.key, case.mask, case.actions)[0] == expected


def without_padding(data: bytes | None, kind: type[FlowKey]) -> FlowKey:
    """Decode; this kernel aligns the tunnel id by a PAD attribute, which others do not need."""
    key = kind.from_bytes(data or b"")
    kept = dict(key.kept())
    tunnel = key.get_kept(KeyAttr.TUNNEL)
    if tunnel is not None:
        inner = {number: value for number, value in tunnel.kept() if number != TunnelKeyAttr.PAD}
        kept[KeyAttr.TUNNEL] = Tunnel.of_kept(inner)
    return kind.of_kept(kept)


def has_foreign_labels(key: FlowKey, flat: int) -> bool:
    """Tell whether a key has labels besides another header, on whose bits they leave bytes in host order."""
    inner = key.encap or key
    labels = key.mpls or inner.mpls or (inner.encap and inner.encap.mpls)
    return bool(labels) and get(flat, "eth.type") not in MPLS_ETHERTYPES


def odd_flows(features: Features) -> OddFlows:
    random = Random(SEED)
    keys = []
    for packet in odd_packets.packets(random):
        try:
            keys.append(extract(packet, 1, tunnel=random.choice(TUNNELS), features=features))
        except RuleBroken:
            continue
    has_newer = features.newest_action >= ActionAttr.PSAMPLE
    return OddFlows(random, keys, ACTIONS + NEWER_ACTIONS if has_newer else ACTIONS)


def judge(key: FlowKey, mask: FlowMask | None, actions: Actions, features: Features) -> RuleBroken | tuple[int, int]:
    """Return the rule that a flow breaks, or its flat value and mask."""
    try:
        value, flat = from_match(key, mask, features)
        check_actions(actions, value & flat, features)
    except RuleBroken as broken:
        return broken
    return value, flat


def test_random_matches(dp: Datapath, features: Features) -> None:
    flows = odd_flows(features)
    taken = 0
    for _ in range(FLOWS):
        key, mask = flows.match()
        errno, answer = put(dp, key, mask, Actions())
        verdict = judge(key, mask, Actions(), features)
        if isinstance(verdict, RuleBroken):
            assert errno == verdict.errno, f"{verdict}: {key} {mask}"
            continue
        assert answer is not None, f"{errno}: {key} {mask}"
        taken += 1
        value, flat = verdict
        if not has_foreign_labels(key, value):
            expected = to_key(value & flat, features), mask_to_key(value & flat, flat, features)
            assert without_padding(answer.key, FlowKey).to_bytes() == expected[0].to_bytes()
            assert without_padding(answer.mask, FlowMask).to_bytes() == expected[1].to_bytes()
    assert FLOWS / 4 < taken < FLOWS * 3 / 4


def test_random_actions(dp: Datapath, features: Features) -> None:
    flows = odd_flows(features)
    taken = 0
    for _ in range(FLOWS):
        key, actions = flows.key(), flows.actions()
        errno, _ = put(dp, key, FlowMask.exact(key), actions)
        verdict = judge(key, FlowMask.exact(key), actions, features)
        expected = verdict.errno if isinstance(verdict, RuleBroken) else 0
        assert errno == expected, f"{verdict}: {key} {actions}"
        taken += not errno
    assert taken > FLOWS / 8


def test_a_helper_that_is_not_loaded(dp: Datapath, features: Features) -> None:
    key = next(case.key for case in CASES if case.key.ipv4 is not None)
    actions = Actions([Ct(helper="nosuch")])
    verdict = judge(key, FlowMask.exact(key), actions, features)
    assert isinstance(verdict, RuleBroken)
    assert verdict.rule == "ct-helper"
    assert put(dp, key, FlowMask.exact(key), actions)[0] == verdict.errno
