"""Whether the kernel takes a list of actions for a flow: its rules, followed in its order.

The model is ovs_nla_copy_actions (net/openvswitch/flow_netlink.c). Actions are looked at one by one
with what is known of the packet at that place, as far as the kernel keeps track: whether it has an Ethernet
header, a VLAN tag and which EtherType, how many MPLS labels. That starts from the flow's *masked* key: what a
flow does not match exactly, no action may rely on. Actions inside another one change nothing behind it.

The actions that carry rules of their own are elsewhere: ``set`` in `check_set.py`, ``ct`` in `check_ct.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping

from dpif._typing import Any
from dpif.odp.actions import (
    Action,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    DecTtl,
    Drop,
    Hash,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    Psample,
    PushEth,
    PushMpls,
    PushNsh,
    PushVlan,
    Sample,
    Set,
    SetMasked,
    Trunc,
    Unknown,
    Userspace,
)
from dpif.odp.constants import DP_MAX_PORTS, OVS_PSAMPLE_COOKIE_MAX_SIZE, VLAN_CFI, HashAlg
from dpif.odp.kernel.check_ct import check_ct
from dpif.odp.kernel.check_known import check_known
from dpif.odp.kernel.check_set import check_set, check_set_masked
from dpif.odp.kernel.check_state import State
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.protocols import ARP_ETHERTYPES, IP_ETHERTYPES
from dpif.odp.kernel.rules import NEWEST, Features, RuleBroken
from dpif.odp.kernel.swkey import MAC_PROTO_ETHERNET, MAC_PROTO_NONE, get
from dpif.odp.kernel.typed import typed_flow, typed_ip, typed_mpls
from dpif.odp.model.key import FlowKey
from dpif.odp.model.nsh import NEXT_PROTOCOLS, NSH_M_TYPE1, NSH_M_TYPE2
from dpif.packet.constants import (
    ETH_P_NSH,
    ETH_P_TEB,
    MPLS_ETHERTYPES,
    VLAN_ETHERTYPES,
)


def check_actions(actions: Iterable[Action], key: int, features: Features = NEWEST) -> None:
    """Raise `RuleBroken` unless the kernel takes `actions` for a flow whose masked flat key is `key`."""
    _check(actions, State.of_key(key, features))


def explain_actions(
    actions: Iterable[Action], key: FlowKey, mask: FlowKey | None = None, features: Features = NEWEST
) -> RuleBroken | None:
    """Return the rule that a flow breaks, in its match or else in its actions; None when the kernel takes it."""
    try:
        value, flat_mask = from_match(key, mask, features)
        check_actions(actions, value & flat_mask, features)
    except RuleBroken as broken:
        return broken
    return None


def _check(actions: Iterable[Action], state: State) -> None:
    if state.depth > state.features.nesting:
        raise RuleBroken(
            "nesting",
            f"actions lie in one another {state.depth} deep; {state.features.nesting} is the most",
            errno.EOVERFLOW,
        )
    listed = tuple(actions)
    for place, action in enumerate(listed, 1):
        if isinstance(action, Unknown) or action.number > state.features.newest_action:
            name = f"action{action.type}" if isinstance(action, Unknown) else action.word or action.name
            raise RuleBroken("unknown-action", f"this datapath does not know the action {name}")
        check = _CHECKS.get(type(action))
        if check:
            check(action, state)
        if isinstance(action, Drop) and place < len(listed):
            raise RuleBroken("drop-last", "drop(...) must be the last action of its list")


def _check_output(action: Output, state: State) -> None:
    if action.port >= DP_MAX_PORTS:
        raise RuleBroken("port-number", f"port {action.port} is out of range; port numbers are below {DP_MAX_PORTS}")


def _check_userspace(action: Userspace, state: State) -> None:
    if state.features.strict_userspace:
        check_known(action, "userspace")
    if not action.pid:
        raise RuleBroken("userspace-pid", "userspace(...) needs a pid, the netlink port of who listens, other than 0")


_ETH_HLEN = 14


def _check_trunc(action: Trunc, state: State) -> None:
    if action.value < _ETH_HLEN:
        raise RuleBroken(
            "trunc-length", f"trunc({action.value}) would cut the Ethernet header; {_ETH_HLEN} is the least"
        )


def _check_hash(action: Hash, state: State) -> None:
    if action.alg != HashAlg.L4 and not (state.features.hash_sym_l4 and action.alg == HashAlg.SYM_L4):
        raise RuleBroken("hash-algorithm", "this datapath knows the hash algorithm l4 alone")


def _check_psample(action: Psample, state: State) -> None:
    check_known(action, "psample")
    size = len(action.cookie or b"")
    if size > OVS_PSAMPLE_COOKIE_MAX_SIZE:
        raise RuleBroken(
            "psample-cookie",
            f"the cookie of psample(...) has at most {OVS_PSAMPLE_COOKIE_MAX_SIZE} bytes, not {size}",
            errno.ERANGE,
        )


# VLAN and Ethernet


def _check_pop_vlan(action: PopVlan, state: State) -> None:
    state.need_ethernet("pop_vlan")
    state.vlan_tci = 0


def _check_push_vlan(action: PushVlan, state: State) -> None:
    state.need_ethernet("push_vlan")
    if action.tpid not in VLAN_ETHERTYPES:
        raise RuleBroken("vlan-tpid", f"push_vlan needs tpid=0x8100 or tpid=0x88a8, not 0x{action.tpid:04x}")
    if not action.cfi:
        raise RuleBroken("vlan-cfi", "push_vlan needs cfi=1, which says that a tag is present")
    state.vlan_tci = VLAN_CFI


def _check_push_eth(action: PushEth, state: State) -> None:
    if state.mac_proto != MAC_PROTO_NONE:
        raise RuleBroken(
            "ethernet-present", "push_eth needs a packet without an Ethernet header; pop_eth comes first"
        )
    state.mac_proto = MAC_PROTO_ETHERNET


def _check_pop_eth(action: PopEth, state: State) -> None:
    state.need_ethernet("pop_eth")
    state.refuse_vlan("pop_eth")
    state.mac_proto = MAC_PROTO_NONE


# MPLS

_L3_TUNNEL = 1
"""``OVS_MPLS_L3_TUNNEL_FLAG_MASK``: the label goes between the Ethernet header and the network header."""
_BEFORE_MPLS = IP_ETHERTYPES | ARP_ETHERTYPES | MPLS_ETHERTYPES


def _need_mpls_type(eth_type: int, action: str) -> None:
    if eth_type not in MPLS_ETHERTYPES:
        raise RuleBroken("mpls-eth-type", f"{action} needs eth_type=0x8847 or eth_type=0x8848, not 0x{eth_type:04x}")


def _check_add_mpls(action: AddMpls, state: State) -> None:
    _need_mpls_type(action.eth_type, "add_mpls")
    if action.tun_flags & _L3_TUNNEL:
        _push_label(state, action.eth_type, "add_mpls")
        return
    if state.mac_proto == MAC_PROTO_ETHERNET:
        state.mpls_labels = 0
        state.mac_proto = MAC_PROTO_NONE
    state.mpls_labels += 1
    state.eth_type = action.eth_type


def _check_push_mpls(action: PushMpls, state: State) -> None:
    _need_mpls_type(action.eth_type, "push_mpls")
    _push_label(state, action.eth_type, "push_mpls")


def _push_label(state: State, eth_type: int, action: str) -> None:
    state.refuse_vlan(action)
    if state.eth_type not in _BEFORE_MPLS:
        raise RuleBroken(
            "mpls-payload",
            f"{action} needs a flow that matches {typed_ip()}, or ARP, RARP or MPLS{state.found}",
        )
    state.eth_type = eth_type
    state.mpls_labels += 1


def _check_pop_mpls(action: PopMpls, state: State) -> None:
    state.refuse_vlan("pop_mpls")
    if state.eth_type not in MPLS_ETHERTYPES:
        raise RuleBroken("mpls-missing", f"pop_mpls needs a flow that matches {typed_mpls()}{state.found}")
    if action.eth_type == ETH_P_TEB and state.mac_proto != MAC_PROTO_NONE:
        raise RuleBroken("mpls-ethernet", "pop_mpls(eth_type=0x6558) needs a packet without an Ethernet header")
    state.mpls_labels -= 1
    # Nothing is known of what the last label was on; only recirculation tells.
    state.eth_type = action.eth_type if action.eth_type in MPLS_ETHERTYPES and state.mpls_labels else 0


# NSH


def _check_push_nsh(action: PushNsh, state: State) -> None:
    if state.mac_proto != MAC_PROTO_ETHERNET and state.eth_type not in NEXT_PROTOCOLS:
        raise RuleBroken(
            "nsh-payload", f"push_nsh needs IPv4, IPv6, Ethernet, NSH or MPLS in the packet{state.found}"
        )
    state.mac_proto = MAC_PROTO_NONE
    base, md1, md2 = action.nsh.base, action.nsh.md1, action.nsh.md2
    check_known(action.nsh, "push_nsh")
    if base is None or (md1 is None) == (md2 is None):
        raise RuleBroken("nsh-metadata", "push_nsh needs a base header, and metadata of type 1 or of type 2")
    if base.mdtype != (NSH_M_TYPE1 if md2 is None else NSH_M_TYPE2):
        raise RuleBroken("nsh-metadata", f"push_nsh says mdtype={base.mdtype}, but its metadata is of another type")
    if md2 is not None and not 1 <= len(md2) <= _NSH_MD2_MAX:
        raise RuleBroken("nsh-metadata", f"metadata of type 2 has 1 to {_NSH_MD2_MAX} bytes, not {len(md2)}")


_NSH_MD2_MAX = 248


def _check_pop_nsh(action: PopNsh, state: State) -> None:
    if state.eth_type != ETH_P_NSH:
        raise RuleBroken("nsh-missing", f"pop_nsh needs a flow that matches {typed_flow(ETH_P_NSH)}{state.found}")
    np = get(state.key, "nsh.np")
    if np not in NEXT_PROTOCOLS.values():
        raise RuleBroken(
            "nsh-payload",
            f"pop_nsh needs a flow that matches {typed_flow(ETH_P_NSH)}, or another np from 1 to 5; it has np={np}",
        )
    state.mac_proto = MAC_PROTO_ETHERNET if np == NEXT_PROTOCOLS[ETH_P_TEB] else MAC_PROTO_NONE


# Actions inside actions


def _check_sample(action: Sample, state: State) -> None:
    check_known(action, "sample")
    _check(action.actions or (), state.inside())


def _check_clone(action: Clone, state: State) -> None:
    _check(action.actions, state.inside())


def _check_dec_ttl(action: DecTtl, state: State) -> None:
    """Attributes that it does not know the kernel passes over, but for the number 0."""
    if action.get_kept(0) is not None:
        raise RuleBroken("unknown-attribute", "the kernel knows no attribute 0 of dec_ttl(...)")
    _check(action.actions or (), state.inside())


def _check_check_pkt_len(action: CheckPktLen, state: State) -> None:
    check_known(action, "check_pkt_len")
    if not action.size:
        raise RuleBroken("check-pkt-len", "check_pkt_len(...) needs a size other than 0")
    _check(action.less_equal or (), state.inside())
    _check(action.greater or (), state.inside())


_CHECKS: Mapping[type[Action], Callable[[Any, State], None]] = {
    Output: _check_output,
    Userspace: _check_userspace,
    Trunc: _check_trunc,
    Hash: _check_hash,
    Psample: _check_psample,
    PopVlan: _check_pop_vlan,
    PushVlan: _check_push_vlan,
    PushEth: _check_push_eth,
    PopEth: _check_pop_eth,
    AddMpls: _check_add_mpls,
    PushMpls: _check_push_mpls,
    PopMpls: _check_pop_mpls,
    PushNsh: _check_push_nsh,
    PopNsh: _check_pop_nsh,
    Sample: _check_sample,
    Clone: _check_clone,
    DecTtl: _check_dec_ttl,
    CheckPktLen: _check_check_pkt_len,
    Set: check_set,
    SetMasked: check_set_masked,
    Ct: check_ct,
}
"""The actions with rules; the others (recirc, meter, ct_clear, drop) are taken as they are."""
