"""Which header fields the kernel lets a flow set, and under which match (validate_set)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpif._typing import Any
from dpif.odp.actions import Set, SetMasked
from dpif.odp.constants import FragType, KeyAttr, TunnelKeyAttr
from dpif.odp.kernel.check_state import State
from dpif.odp.kernel.match_tunnel import tunnel_bits
from dpif.odp.kernel.protocols import IP_ETHERTYPES
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import TUNNEL_GENEVE_OPT, get
from dpif.odp.kernel.typed import typed_flow, typed_ip, typed_mpls
from dpif.odp.model.key import FlowKey
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import (
    ETH_P_IP,
    ETH_P_IPV6,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    MPLS_ETHERTYPES,
)

_FRAGMENTS: Mapping[int, str] = {FragType.NONE: "no", FragType.FIRST: "first", FragType.LATER: "later"}


def check_set(action: Set, state: State) -> None:
    """Raise `RuleBroken` unless the kernel takes a ``set`` here."""
    _check(action.key, None, state)


def check_set_masked(action: SetMasked, state: State) -> None:
    """Raise `RuleBroken` unless the kernel takes a masked ``set`` here."""
    for number, kept in action.key.kept():
        type_ = FlowKey.type_of(number)
        value, mask = type_.encode(kept), type_.encode(action.mask.get_kept(number))
        if any(byte & ~bits for byte, bits in zip(value, mask, strict=True)):
            raise RuleBroken("set-mask", "a value of set(...) has bits outside its mask; clear them")
    _check(action.key, action.mask, state)


def _check(key: FlowKey, mask: FlowKey | None, state: State) -> None:
    for number, kept in key.kept():
        check = _CHECKS.get(number)
        if check is None:
            attr = FlowKey.ATTRS.get(number)
            name = attr.text_name if attr else f"key{number}"
            raise RuleBroken("set-attribute", f"{name}(...) cannot be set")
        check(kept, None if mask is None else mask.get_kept(number), state)


def _anything(kept: Any, mask: Any, state: State) -> None:
    """Metadata can be set in any packet."""


def _ethernet(kept: Any, mask: Any, state: State) -> None:
    state.need_ethernet("set(eth(...))")


def _tunnel(kept: Tunnel, mask: Tunnel | None, state: State) -> None:
    if mask is not None:
        raise RuleBroken("set-tunnel-mask", "a tunnel is set whole, without a mask")
    flags = get(tunnel_bits(kept), "tun.flags")
    if flags & TUNNEL_GENEVE_OPT:
        number = TunnelKeyAttr.GENEVE_OPTS
        _check_geneve(Tunnel.type_of(number).encode(kept.get_kept(number)))


def _check_geneve(options: bytes) -> None:
    """Each option has a header of 4 bytes, whose last 5 bits count the words behind it (RFC 8926)."""
    at = 0
    while at < len(options):
        size = 4 + 4 * (options[at + 3] & 0x1F)
        if at + size > len(options):
            raise RuleBroken("tunnel-options", "the last geneve option is longer than the options are")
        at += size


def _need_type(eth_type: int, name: str, state: State) -> None:
    if state.eth_type != eth_type:
        raise RuleBroken(
            "set-eth-type", f"set({name}(...)) needs a flow that matches {typed_flow(eth_type)}{state.found}"
        )


def _ipv4(kept: Any, mask: Any, state: State) -> None:
    _need_type(ETH_P_IP, "ipv4", state)
    _check_ip(kept, mask, "ipv4", state)


def _ipv6(kept: Any, mask: Any, state: State) -> None:
    _need_type(ETH_P_IPV6, "ipv6", state)
    _check_ip(kept, mask, "ipv6", state)
    if (kept.label if mask is None else kept.label | mask.label) > 0xFFFFF:
        raise RuleBroken("ipv6-label", "a flow label has 20 bits")


def _check_ip(kept: Any, mask: Any, name: str, state: State) -> None:
    """Protocol and fragment type cannot change; a whole header must repeat those that the flow matches."""
    if mask is not None:
        if mask.proto or mask.frag:
            raise RuleBroken("set-ip-readonly", f"proto and frag of {name}(...) cannot be set; leave them out")
        return
    proto, frag = get(state.key, "ip.proto"), get(state.key, "ip.frag")
    if kept.proto != proto or kept.frag != frag:
        raise RuleBroken(
            "set-ip-readonly",
            f"set({name}(...)) without masks needs the proto and frag that the flow matches: "
            f"proto={proto},frag={_FRAGMENTS.get(frag, frag)}",
        )


def _transport(proto: int, name: str) -> Callable[[Any, Any, State], None]:
    """Return the check for the ports of a transport protocol."""

    def check(kept: Any, mask: Any, state: State) -> None:
        if state.eth_type not in IP_ETHERTYPES or get(state.key, "ip.proto") != proto:
            raise RuleBroken("set-protocol", f"set({name}(...)) needs a flow that matches {typed_ip(proto)}")

    return check


def _mpls(kept: tuple[Any, ...], mask: Any, state: State) -> None:
    if state.eth_type not in MPLS_ETHERTYPES:
        raise RuleBroken("mpls-missing", f"set(mpls(...)) needs a flow that matches {typed_mpls()}{state.found}")
    if len(kept) != 1:
        raise RuleBroken("mpls-labels", f"set(mpls(...)) sets the outermost label alone, not {len(kept)}")


_CHECKS: Mapping[int, Callable[[Any, Any, State], None]] = {
    KeyAttr.PRIORITY: _anything,
    KeyAttr.SKB_MARK: _anything,
    KeyAttr.CT_MARK: _anything,
    KeyAttr.CT_LABELS: _anything,
    KeyAttr.ETHERNET: _ethernet,
    KeyAttr.TUNNEL: _tunnel,
    KeyAttr.IPV4: _ipv4,
    KeyAttr.IPV6: _ipv6,
    KeyAttr.TCP: _transport(IPPROTO_TCP, "tcp"),
    KeyAttr.UDP: _transport(IPPROTO_UDP, "udp"),
    KeyAttr.SCTP: _transport(IPPROTO_SCTP, "sctp"),
    KeyAttr.MPLS: _mpls,
}
