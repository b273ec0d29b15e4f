"""The flat form of a flow key: a model of the kernel's ``struct sw_flow_key`` as one Python int.

Each field of the structure is a range of bits with a name (`FIELDS`), the unions of the structure share their
bits as they do in the kernel, and a mask has the same form. So masking a key is one ``&``, and finding a flow is
one dict access. Numbers are stored as numbers, whatever their byte order on the wire; addresses as their bytes
read from the left; conntrack labels as the number whose bit 0 is label 0. Tunnel fields stand at the top: the
int of a packet without a tunnel is short.

This file knows bits only. `places.py` says in which fields the values of an attribute lie, `emit.py` turns the
flat form into attributes, `match.py` attributes into the flat form, `extraction` a packet.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import NamedTuple
from dpif.odp.constants import DP_MAX_PORTS, TunnelKeyAttr

MAC_PROTO_NONE = 0
"""``mac_proto`` of a packet that starts with its network header (enum sw_flow_mac_proto)."""
MAC_PROTO_ETHERNET = 1
AF_INET = 2
"""``tun_proto`` of a packet from an IPv4 tunnel; 0 when it came from none."""
AF_INET6 = 10
TUN_OPTS_MAX = 255
"""Bytes of tunnel options (IP_TUNNEL_OPTS_MAX)."""
MPLS_LABEL_DEPTH = 3
"""MPLS labels in a key; those below are not looked at."""
NSH_MD_TYPE1 = 1
"""The type of NSH metadata that a key holds: four words (RFC 8300)."""

TUNNEL_CSUM = 0x0001
"""Bits of ``tun.flags`` (linux/if_tunnel.h)."""
TUNNEL_KEY = 0x0004
TUNNEL_DONT_FRAGMENT = 0x0100
TUNNEL_OAM = 0x0200
TUNNEL_CRIT_OPT = 0x0400
TUNNEL_GENEVE_OPT = 0x0800
TUNNEL_VXLAN_OPT = 0x1000
TUNNEL_ERSPAN_OPT = 0x4000
TUNNEL_OPTIONS: tuple[tuple[int, TunnelKeyAttr], ...] = (
    (TUNNEL_GENEVE_OPT, TunnelKeyAttr.GENEVE_OPTS),
    (TUNNEL_VXLAN_OPT, TunnelKeyAttr.VXLAN_OPTS),
    (TUNNEL_ERSPAN_OPT, TunnelKeyAttr.ERSPAN_OPTS),
)
"""The flag that stands for each kind of options, and their attribute."""


class Field(NamedTuple):
    """A range of bits: its lowest bit and how many they are."""

    shift: int
    width: int


_Part = tuple[str, int]
_TUNNEL_UNION: tuple[tuple[_Part, ...], ...] = (
    (("tun.ipv4.src", 32), ("tun.ipv4.dst", 32)),
    (("tun.ipv6.src", 128), ("tun.ipv6.dst", 128)),
)
_IPV4_ADDR: tuple[_Part, ...] = (("ipv4.addr.src", 32), ("ipv4.addr.dst", 32))
_IPV6_HEAD: tuple[_Part, ...] = (
    ("ipv6.addr.src", 128),
    ("ipv6.addr.dst", 128),
    ("ipv6.label", 32),
    ("ipv6.exthdrs", 16),
    ("", 16),
)
_L3_UNION: tuple[tuple[_Part, ...], ...] = (
    (*_IPV4_ADDR, ("ipv4.ct_orig.src", 32), ("ipv4.ct_orig.dst", 32)),
    (*_IPV4_ADDR, ("ipv4.arp.sha", 48), ("ipv4.arp.tha", 48)),
    (*_IPV6_HEAD, ("ipv6.ct_orig.src", 128), ("ipv6.ct_orig.dst", 128)),
    (*_IPV6_HEAD, ("ipv6.nd.target", 128), ("ipv6.nd.sll", 48), ("ipv6.nd.tll", 48)),
    (("mpls.num_labels_mask", 32), ("mpls.lse0", 32), ("mpls.lse1", 32), ("mpls.lse2", 32)),
    (("mpls.num_labels_mask", 32), ("mpls.lse", 96)),
    (
        ("nsh.flags", 8),
        ("nsh.ttl", 8),
        ("nsh.mdtype", 8),
        ("nsh.np", 8),
        ("nsh.path_hdr", 32),
        ("nsh.context", 128),
    ),
)
_LAYOUT: tuple[tuple[str, int] | tuple[tuple[_Part, ...], ...], ...] = (
    ("tun_opts", 8 * TUN_OPTS_MAX),
    ("tun_opts_len", 8),
    ("tun.id", 64),
    _TUNNEL_UNION,
    ("tun.flags", 16),
    ("tun.tos", 8),
    ("tun.ttl", 8),
    ("tun.tp_src", 16),
    ("tun.tp_dst", 16),
    ("tun_proto", 8),
    ("ct.labels", 128),
    ("ct.mark", 32),
    ("ct.orig_tp.src", 16),
    ("ct.orig_tp.dst", 16),
    ("ct_zone", 16),
    ("ct_orig_proto", 8),
    ("phy.priority", 32),
    ("phy.skb_mark", 32),
    ("ovs_flow_hash", 32),
    _L3_UNION,
    ("recirc_id", 32),
    ("ct_state", 8),
    ("phy.in_port", 16),
    ("mac_proto", 8),
    ("eth.dst", 48),
    ("eth.src", 48),
    ("eth.vlan.tpid", 16),
    ("eth.vlan.tci", 16),
    ("eth.cvlan.tpid", 16),
    ("eth.cvlan.tci", 16),
    ("eth.type", 16),
    ("ip.proto", 8),
    ("ip.tos", 8),
    ("ip.ttl", 8),
    ("ip.frag", 8),
    ("tp.src", 16),
    ("tp.dst", 16),
    ("tp.flags", 16),
)


def _lay_out() -> dict[str, Field]:
    """Number the bits of `_LAYOUT` from its last entry up; the members of a union all start at its top."""
    fields: dict[str, Field] = {}
    top = 0
    for entry in reversed(_LAYOUT):
        if isinstance(entry[0], str):
            name, width = entry
            assert isinstance(name, str)
            assert isinstance(width, int)
            fields[name] = Field(top, width)
            top += width
            continue
        members = [part for part in entry if isinstance(part, tuple)]
        top += max(sum(width for _, width in member) for member in members)
        for member in members:
            shift = top
            for name, width in member:
                shift -= width
                fields[name] = Field(shift, width)
    fields.pop("", None)
    return fields


FIELDS: Mapping[str, Field] = _lay_out()
"""Every field by name. The names are those of ``struct sw_flow_key``, its ``tun_key`` shortened to ``tun``.

Widths are the kernel's: ``ipv6.label`` has 32 bits, of which a value uses 20 and an exact mask all.
``tun_opts`` holds the options at its low end, so its value is that of the options' bytes alone. A tunnel key's
flow label is left out: no attribute sets it.
"""


def get(flat: int, name: str) -> int:
    """Return the value of a field."""
    shift, width = FIELDS[name]
    return flat >> shift & ((1 << width) - 1)


def put(flat: int, name: str, value: int) -> int:
    """Return `flat` with a field set to `value`, which is cut to the field's width."""
    shift, width = FIELDS[name]
    ones = (1 << width) - 1
    return flat & ~(ones << shift) | (value & ones) << shift


def bits(*names: str) -> int:
    """Return the flat mask of all bits of these fields."""
    mask = 0
    for name in names:
        shift, width = FIELDS[name]
        mask |= ((1 << width) - 1) << shift
    return mask


def build(values: Mapping[str, int]) -> int:
    """Return the flat form with these fields set and all others zero."""
    flat = 0
    for name, value in values.items():
        flat = put(flat, name, value)
    return flat


METADATA = bits(
    *(name for name in FIELDS if name.startswith(("tun", "phy.", "ct"))),
    "ovs_flow_hash",
    "recirc_id",
    "mac_proto",
)
"""The bits that do not come from a packet's bytes. The conntrack tuple's addresses are apart (`CT_ORIG4`,
`CT_ORIG6`), for they share their bits with other network headers."""
TUNNEL = bits(*(name for name in FIELDS if name.startswith("tun")))
"""The bits of a tunnel's key and of its options."""
CT_ORIG4 = bits("ipv4.ct_orig.src", "ipv4.ct_orig.dst")
CT_ORIG6 = bits("ipv6.ct_orig.src", "ipv6.ct_orig.dst")
ETHERNET_METADATA = build({"mac_proto": MAC_PROTO_ETHERNET, "phy.in_port": DP_MAX_PORTS})
"""The metadata of an Ethernet packet of which nothing else is known, not even its port."""
TCP_FLAGS = bits("tp.flags")
"""The bits of TCP flags."""
