"""The kernel's rules for connection tracking and address translation (net/openvswitch/conntrack.c).

Attributes are looked at in the order that they have on the wire, for it matters: ``commit`` must stand before
``nat``.
"""

from __future__ import annotations

import errno

from dpif.odp.actions import Ct, Nat
from dpif.odp.constants import CtAttr, NatAttr
from dpif.odp.kernel.check_known import check_known
from dpif.odp.kernel.check_state import State
from dpif.odp.kernel.protocols import IP_ETHERTYPES
from dpif.odp.kernel.rules import RuleBroken, no_zones
from dpif.odp.kernel.swkey import get
from dpif.odp.kernel.typed import typed_ip
from dpif.packet.constants import ETH_P_IPV6

_TYPES = frozenset({NatAttr.SRC, NatAttr.DST})
_ADDRESSES = frozenset({NatAttr.IP_MIN, NatAttr.IP_MAX})


def check_ct(action: Ct, state: State) -> None:
    """Raise `RuleBroken` unless the kernel takes a ``ct`` here."""
    eth_type = get(state.key, "eth.type")
    if eth_type not in IP_ETHERTYPES:
        raise RuleBroken("ct-family", f"ct needs a flow that matches {typed_ip()}")
    check_known(action, "ct")
    _check_build(action, state)
    commits = False
    for number, _ in action.kept():
        if number in (CtAttr.COMMIT, CtAttr.FORCE_COMMIT):
            commits = True
        elif number == CtAttr.NAT and action.nat is not None:
            _check_nat(action.nat, 16 if eth_type == ETH_P_IPV6 else 4, commits)
    for name, value in (("mark", action.mark), ("label", action.labels)):
        if value is not None and not value.mask:
            raise RuleBroken("ct-mask", f"the mask of ct({name}=...) must not be 0")
        if value is not None and not commits:
            raise RuleBroken("ct-commit", f"ct({name}=...) needs commit or force_commit, as in ct(commit,{name}=1)")


def _check_build(action: Ct, state: State) -> None:
    """Some attributes depend on how the kernel was built, or on modules that were loaded."""
    features = state.features
    if action.get_kept(CtAttr.ZONE) is not None and not features.ct_zones:
        raise no_zones("ct-feature", "ct(zone=...)")
    for what, attr, is_there, option in (
        ("ct(timeout=...)", CtAttr.TIMEOUT, features.ct_timeout, "CONFIG_NF_CONNTRACK_TIMEOUT"),
        ("ct(nat)", CtAttr.NAT, features.nat, "CONFIG_NF_NAT"),
    ):
        if action.get_kept(attr) is not None and not is_there:
            raise RuleBroken("ct-feature", f"this kernel was built without {option}, and refuses {what}")
    if action.helper is not None and features.ct_helpers is not None and action.helper not in features.ct_helpers:
        raise RuleBroken("ct-helper", f"there is no conntrack helper {action.helper!r}; its module may not be loaded")


def _check_nat(nat: Nat, address_size: int, commits: bool) -> None:
    types = 0
    check_known(nat, "nat")
    for number, kept in nat.kept():
        if number in _ADDRESSES and len(kept) != address_size:
            raise RuleBroken(
                "nat-family", f"nat(...) has an address of {len(kept)} bytes; the flow's protocol has {address_size}"
            )
        if number in _TYPES:
            types += 1
            if types > 1:
                raise RuleBroken("nat-type", "nat(...) translates src or dst, not both", errno.ERANGE)
    if not types and len(nat):
        raise RuleBroken("nat-type", "nat(...) with a range or a flag needs src or dst, as in nat(src=192.0.2.1)")
    if types and not commits:
        raise RuleBroken("nat-commit", "nat(...) needs commit before it, as in ct(commit,nat(src=192.0.2.1))")
