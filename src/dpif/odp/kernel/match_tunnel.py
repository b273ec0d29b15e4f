"""From a tunnel key's attributes to the flat key and mask, by the kernel's rules (ip_tun_from_nlattr)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from struct import Struct

from dpif.errors import DecodeError
from dpif.netlink.attributes import walk
from dpif.odp.constants import TunnelKeyAttr, VxlanExt
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import (
    AF_INET,
    AF_INET6,
    TUN_OPTS_MAX,
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    TUNNEL_ERSPAN_OPT,
    TUNNEL_GENEVE_OPT,
    TUNNEL_KEY,
    TUNNEL_OAM,
    TUNNEL_VXLAN_OPT,
    get,
    put,
)
from dpif.odp.model.tunnel import Tunnel


class Role(Enum):
    """What attributes are read as: values, masks, or values whose mask is to match them exactly."""

    KEY = 0
    MASK = 1
    EXACT = 2


TUNNEL_FIELDS: Mapping[int, str] = {
    TunnelKeyAttr.ID: "tun.id",
    TunnelKeyAttr.IPV4_SRC: "tun.ipv4.src",
    TunnelKeyAttr.IPV4_DST: "tun.ipv4.dst",
    TunnelKeyAttr.IPV6_SRC: "tun.ipv6.src",
    TunnelKeyAttr.IPV6_DST: "tun.ipv6.dst",
    TunnelKeyAttr.TOS: "tun.tos",
    TunnelKeyAttr.TTL: "tun.ttl",
    TunnelKeyAttr.TP_SRC: "tun.tp_src",
    TunnelKeyAttr.TP_DST: "tun.tp_dst",
}
_FLAGS: Mapping[int, int] = {
    TunnelKeyAttr.ID: TUNNEL_KEY,
    TunnelKeyAttr.DONT_FRAGMENT: TUNNEL_DONT_FRAGMENT,
    TunnelKeyAttr.CSUM: TUNNEL_CSUM,
    TunnelKeyAttr.OAM: TUNNEL_OAM,
    TunnelKeyAttr.GENEVE_OPTS: TUNNEL_GENEVE_OPT,
    TunnelKeyAttr.VXLAN_OPTS: TUNNEL_VXLAN_OPT,
    TunnelKeyAttr.ERSPAN_OPTS: TUNNEL_ERSPAN_OPT,
}
_OPTIONS = frozenset({TunnelKeyAttr.GENEVE_OPTS, TunnelKeyAttr.VXLAN_OPTS, TunnelKeyAttr.ERSPAN_OPTS})
_INFO_BRIDGE = 16
"""``OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE``; user space has another attribute under this number."""
_BARE = frozenset({TunnelKeyAttr.PAD, _INFO_BRIDGE})
_IPV4 = frozenset({TunnelKeyAttr.IPV4_SRC, TunnelKeyAttr.IPV4_DST, _INFO_BRIDGE})
_IPV6 = frozenset({TunnelKeyAttr.IPV6_SRC, TunnelKeyAttr.IPV6_DST})
_BRIDGE_ZERO = ("tun.ipv4.src", "tun.ipv4.dst", "tun.tp_src", "tun.tp_dst", "tun.ttl", "tun.tos")
_ERSPAN_METADATA_SIZE = 12
_GBP = Struct("=I")


def tunnel_bits(tunnel: Tunnel) -> int:
    """Return the flat form of a tunnel key; raise `RuleBroken`."""
    return read_tunnel(0, tunnel, Role.KEY, 0)


def read_tunnel(flat: int, tunnel: Tunnel, role: Role, key: int) -> int:
    """Return `flat` with the tunnel's fields set; `key` is the flat key that a mask belongs to."""
    present = set()
    flags = 0
    for number, kept in tunnel.kept():
        data = Tunnel.type_of(number).encode(kept)
        _check_known(number, data)
        present.add(number)
        flags |= _FLAGS.get(number, 0)
        if number in _OPTIONS:
            if len(present & _OPTIONS) > 1:
                raise RuleBroken("tunnel-options", "a tunnel key has options of one kind only")
            flat = _read_options(flat, number, data, role, key)
        elif number in TUNNEL_FIELDS:
            value = int.from_bytes(data, "big")
            flat = put(flat, TUNNEL_FIELDS[number], -1 if role is Role.EXACT else value)
    flat = put(flat, "tun.flags", flags)
    is_ipv6 = bool(present & _IPV6)
    flat = put(flat, "tun_proto", (AF_INET6 if is_ipv6 else AF_INET) if role is Role.KEY else 0xFF)
    if is_ipv6 and present & _IPV4:
        raise RuleBroken("tunnel-families", "a tunnel key has IPv4 addresses or IPv6 addresses, not both")
    if role is Role.KEY:
        _check_value(flat, present, flags)
    return flat


def _check_known(number: int, data: bytes) -> None:
    if number not in TUNNEL_FIELDS and number not in _FLAGS and (number not in _BARE or data):
        name = Tunnel.ATTRS[number].text_name if number in Tunnel.ATTRS else f"key{number}"
        raise RuleBroken("unknown-attribute", f"the kernel knows no tunnel attribute {name}; leave it out")


def _check_value(flat: int, present: set[int], flags: int) -> None:
    """What the kernel asks of a tunnel key's values, but not of its mask's."""
    if not present & (_IPV4 | _IPV6):
        raise RuleBroken("tunnel-destination", "tunnel(...) needs dst or ipv6_dst, such as dst=192.0.2.1")
    if _INFO_BRIDGE in present:
        if flags & ~TUNNEL_KEY or any(get(flat, name) for name in _BRIDGE_ZERO):
            raise RuleBroken("tunnel-bridge", "a bridge tunnel key has nothing else but tun_id")
        return
    if not get(flat, "tun.ipv6.dst" if present & _IPV6 else "tun.ipv4.dst"):
        raise RuleBroken("tunnel-destination", "the destination of tunnel(...) must not be zero")
    if TunnelKeyAttr.TTL not in present:
        raise RuleBroken("tunnel-ttl", "tunnel(...) needs ttl=0/0, or the ttl that is to be matched or set")


def _read_options(flat: int, number: int, data: bytes, role: Role, key: int) -> int:
    """Place options at the low end of their field; what their length is said to be depends on their kind."""
    if number == TunnelKeyAttr.VXLAN_OPTS:
        data = _vxlan_options(data, role)
    elif role is Role.EXACT:
        data = b"\xff" * len(data)
    if len(data) > TUN_OPTS_MAX:
        raise RuleBroken("tunnel-options", f"tunnel options have at most {TUN_OPTS_MAX} bytes, not {len(data)}")
    if number == TunnelKeyAttr.GENEVE_OPTS:
        _check_geneve_length(len(data), role, key)
    length = _ERSPAN_METADATA_SIZE if number == TunnelKeyAttr.ERSPAN_OPTS else len(data)
    flat = put(flat, "tun_opts_len", length if role is Role.KEY else 0xFF)
    return put(flat, "tun_opts", int.from_bytes(data, "big"))


def _check_geneve_length(length: int, role: Role, key: int) -> None:
    if length % 4:
        raise RuleBroken("tunnel-options", f"geneve options come in words of 4 bytes, not {length} bytes")
    expected = get(key, "tun_opts_len")
    if role is not Role.KEY and length != expected:
        raise RuleBroken("tunnel-options", f"the mask of geneve options must have {expected} bytes, as its value has")


def _vxlan_options(nest: bytes, role: Role) -> bytes:
    """Return ``struct vxlan_metadata``: the group policy, zero when it is absent (then its mask is, too)."""
    policy = bytes(_GBP.size)
    try:
        for number, start, end in walk(nest):
            if number != VxlanExt.GBP or end - start != _GBP.size:
                raise RuleBroken("tunnel-options", "vxlan(...) has a gbp(...) of 4 bytes and nothing else")
            policy = b"\xff" * _GBP.size if role is Role.EXACT else nest[start:end]
    except DecodeError as error:
        raise RuleBroken("tunnel-options", f"the attributes of vxlan(...) are malformed: {error}") from None
    return policy
