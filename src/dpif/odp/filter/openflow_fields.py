"""The fields and protocol words of OpenFlow that a filter may name, and where a datapath's flow keeps them.

Names are those of ``ovs-fields(7)``. A field is found under the names of `fields`, with exceptions that
Open vSwitch (odp_flow_key_to_flow) sees otherwise than the key is laid out: ``vlan`` is the outer tag with its TPID,
"no tag" included, ``dl_type`` what is within the tags, ``recirc_id`` is matched exactly where a mask lacks it, and
what a tunnel lacks is 0. ``packet_type`` follows from the Ethernet header that a flow has, or lacks; Open vSwitch
passes over it where a flow has no attribute of that name.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import Any, NamedTuple
from dpif.odp.constants import KeyAttr
from dpif.odp.filter.fields import Pair, Subject
from dpif.odp.filter.values import number
from dpif.odp.model.attrs import Scalar
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import Kind
from dpif.odp.model.layers import PacketType
from dpif.odp.model.nest import Attr
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.constants import (
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_MC,
    ETH_P_MPLS_UC,
    ETH_P_NSH,
    ETH_P_RARP,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    VLAN_ETHERTYPES,
)

CFI = 0x1000
"""Set in the TCI of a tag that is there (VLAN_CFI)."""
TPID = ETH_P_8021Q << 16
"""The TPID above a TCI. Of the TPID of a flow OpenFlow compares these bits alone."""
_NO_DL_TYPE = 0x5FF
"""Stands for the EtherType of a packet that has none (FLOW_DL_TYPE_NONE)."""
OFPHTN_ETHERTYPE = 1
"""The name space of packet types that are EtherTypes."""
RESERVED_PORTS = {
    "UNSET": 0xFFF7,
    "IN_PORT": 0xFFF8,
    "TABLE": 0xFFF9,
    "NORMAL": 0xFFFA,
    "FLOOD": 0xFFFB,
    "ALL": 0xFFFC,
    "CONTROLLER": 0xFFFD,
    "LOCAL": 0xFFFE,
    "ANY": 0xFFFF,
    "NONE": 0xFFFF,
}
"""Ports of OpenFlow by their names (OFPP_*). No port of a datapath has these numbers."""


class Needed(NamedTuple):
    """What a filter must say beside a field: one of the EtherTypes, one of the IP protocols where there are any."""

    types: tuple[int, ...]
    protocols: tuple[int, ...]
    words: str

    @property
    def example(self) -> str:
        """The first of the words that say it."""
        return self.words.replace(",", " ").split()[0]


class OpenFlowField(NamedTuple):
    """A field: its names, the places where a flow may have it, and what must be said beside it.

    The value stands ``shift`` bits above the lowest bit of the place, has ``bits`` bits (0: all that there are),
    and ``always`` are bits that are compared with it and must be set. ``absent`` is a value that stands for 0 there,
    ``counting`` the bits of a value that are compared.
    """

    names: str
    places: str
    needed: Needed | None = None
    bits: int = 0
    shift: int = 0
    always: int = 0
    absent: int = -1
    counting: int = -1

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names.split()[0]

    @property
    def mask(self) -> int:
        """The bits of the place that an exact value is compared in."""
        return ((1 << self.bits) - 1) << self.shift | self.always


_IP = Needed((ETH_P_IP,), (), "ip")
_IPV6 = Needed((ETH_P_IPV6,), (), "ipv6")
_ANY_IP = Needed((ETH_P_IP, ETH_P_IPV6), (), "ip or ipv6")
_ARP = Needed((ETH_P_ARP, ETH_P_RARP), (), "arp or rarp")
_MPLS = Needed((ETH_P_MPLS_UC, ETH_P_MPLS_MC), (), "mpls or mplsm")
_NSH = Needed((ETH_P_NSH,), (), "dl_type=0x894f")
_TCP = Needed(_ANY_IP.types, (IPPROTO_TCP,), "tcp or tcp6")
_UDP = Needed(_ANY_IP.types, (IPPROTO_UDP,), "udp or udp6")
_SCTP = Needed(_ANY_IP.types, (IPPROTO_SCTP,), "sctp or sctp6")
_PORTS = Needed(
    _ANY_IP.types, (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP), "tcp, udp or sctp (with a 6 behind it for IPv6)"
)
_ICMP = Needed(_IP.types, (IPPROTO_ICMP,), "icmp")
_ICMPV6 = Needed(_IPV6.types, (IPPROTO_ICMPV6,), "icmp6")

_FIELDS = (
    OpenFlowField("in_port in_port_oxm", "in_port"),
    OpenFlowField("packet_type", "packet_type", bits=32),
    OpenFlowField("recirc_id", "recirc_id"),
    OpenFlowField("dp_hash", "dp_hash"),
    OpenFlowField("skb_priority", "skb_priority"),
    OpenFlowField("pkt_mark", "skb_mark"),
    OpenFlowField("ct_state", "ct_state"),
    OpenFlowField("ct_zone", "ct_zone"),
    OpenFlowField("ct_mark", "ct_mark"),
    OpenFlowField("ct_label", "ct_label"),
    OpenFlowField("ct_nw_proto", "ct_tuple4.proto ct_tuple6.proto"),
    OpenFlowField("ct_nw_src", "ct_tuple4.src"),
    OpenFlowField("ct_nw_dst", "ct_tuple4.dst"),
    OpenFlowField("ct_ipv6_src", "ct_tuple6.src"),
    OpenFlowField("ct_ipv6_dst", "ct_tuple6.dst"),
    OpenFlowField("ct_tp_src", "ct_tuple4.tp_src ct_tuple6.tp_src"),
    OpenFlowField("ct_tp_dst", "ct_tuple4.tp_dst ct_tuple6.tp_dst"),
    OpenFlowField("tun_id tunnel_id", "tunnel.tun_id"),
    OpenFlowField("tun_src", "tunnel.src"),
    OpenFlowField("tun_dst", "tunnel.dst"),
    OpenFlowField("tun_ipv6_src", "tunnel.ipv6_src"),
    OpenFlowField("tun_ipv6_dst", "tunnel.ipv6_dst"),
    OpenFlowField("tun_tos", "tunnel.tos"),
    OpenFlowField("tun_ttl", "tunnel.ttl"),
    OpenFlowField("tun_gbp_id", "tunnel.vxlan.gbp.id"),
    OpenFlowField("tun_gbp_flags", "tunnel.vxlan.gbp.flags"),
    OpenFlowField("dl_src eth_src", "eth.src"),
    OpenFlowField("dl_dst eth_dst", "eth.dst"),
    OpenFlowField("dl_type eth_type", "dl_type", bits=16),
    OpenFlowField("vlan_tci", "vlan", bits=16),
    OpenFlowField("dl_vlan", "vlan", bits=12, always=CFI, absent=0xFFFF),
    OpenFlowField("vlan_vid", "vlan", bits=13),
    OpenFlowField("dl_vlan_pcp vlan_pcp", "vlan", bits=3, shift=13, always=CFI),
    OpenFlowField("mpls_label", "mpls.label", _MPLS),
    OpenFlowField("mpls_tc", "mpls.tc", _MPLS),
    OpenFlowField("mpls_bos", "mpls.bos", _MPLS),
    OpenFlowField("mpls_ttl", "mpls.ttl", _MPLS),
    OpenFlowField("nw_src ip_src", "ipv4.src", _IP),
    OpenFlowField("nw_dst ip_dst", "ipv4.dst", _IP),
    OpenFlowField("ipv6_src", "ipv6.src", _IPV6),
    OpenFlowField("ipv6_dst", "ipv6.dst", _IPV6),
    OpenFlowField("ipv6_label", "ipv6.label", _IPV6),
    OpenFlowField("nw_proto ip_proto", "ipv4.proto ipv6.proto", _ANY_IP),
    OpenFlowField("nw_tos", "ipv4.tos ipv6.tclass", _ANY_IP, bits=8, counting=0xFC),
    OpenFlowField("ip_dscp", "ipv4.tos ipv6.tclass", _ANY_IP, bits=6, shift=2),
    OpenFlowField("nw_ecn ip_ecn", "ipv4.tos ipv6.tclass", _ANY_IP, bits=2),
    OpenFlowField("nw_ttl", "ipv4.ttl ipv6.hlimit", _ANY_IP),
    OpenFlowField("ip_frag nw_frag", "ipv4.frag ipv6.frag", _ANY_IP),
    OpenFlowField("arp_op", "arp.op", _ARP),
    OpenFlowField("arp_spa", "arp.sip", _ARP),
    OpenFlowField("arp_tpa", "arp.tip", _ARP),
    OpenFlowField("arp_sha", "arp.sha", _ARP),
    OpenFlowField("arp_tha", "arp.tha", _ARP),
    OpenFlowField("tp_src", "tcp.src udp.src sctp.src", _PORTS),
    OpenFlowField("tp_dst", "tcp.dst udp.dst sctp.dst", _PORTS),
    OpenFlowField("tcp_src", "tcp.src", _TCP),
    OpenFlowField("tcp_dst", "tcp.dst", _TCP),
    OpenFlowField("tcp_flags", "tcp_flags", _TCP),
    OpenFlowField("udp_src", "udp.src", _UDP),
    OpenFlowField("udp_dst", "udp.dst", _UDP),
    OpenFlowField("sctp_src", "sctp.src", _SCTP),
    OpenFlowField("sctp_dst", "sctp.dst", _SCTP),
    OpenFlowField("icmp_type", "icmp.type", _ICMP),
    OpenFlowField("icmp_code", "icmp.code", _ICMP),
    OpenFlowField("icmpv6_type", "icmpv6.type", _ICMPV6),
    OpenFlowField("icmpv6_code", "icmpv6.code", _ICMPV6),
    OpenFlowField("nd_target", "nd.target", _ICMPV6),
    OpenFlowField("nd_sll", "nd.sll", _ICMPV6),
    OpenFlowField("nd_tll", "nd.tll", _ICMPV6),
    OpenFlowField("nsh_flags", "nsh.base.flags", _NSH),
    OpenFlowField("nsh_ttl", "nsh.base.ttl", _NSH),
    OpenFlowField("nsh_mdtype", "nsh.base.mdtype", _NSH),
    OpenFlowField("nsh_np", "nsh.base.np", _NSH),
    OpenFlowField("nsh_spi nsp", "nsh.base.spi", _NSH),
    OpenFlowField("nsh_si nsi", "nsh.base.si", _NSH),
    OpenFlowField("nsh_c1 nshc1", "nsh.md1.c1", _NSH),
    OpenFlowField("nsh_c2 nshc2", "nsh.md1.c2", _NSH),
    OpenFlowField("nsh_c3 nshc3", "nsh.md1.c3", _NSH),
    OpenFlowField("nsh_c4 nshc4", "nsh.md1.c4", _NSH),
)
FIELDS = {name: field for field in _FIELDS for name in field.names.split()}
"""Every field, by each of its names."""

PROTOCOLS: dict[str, tuple[int, int]] = {
    "ip": (ETH_P_IP, 0),
    "ipv4": (ETH_P_IP, 0),
    "ip4": (ETH_P_IP, 0),
    "icmp": (ETH_P_IP, IPPROTO_ICMP),
    "tcp": (ETH_P_IP, IPPROTO_TCP),
    "udp": (ETH_P_IP, IPPROTO_UDP),
    "sctp": (ETH_P_IP, IPPROTO_SCTP),
    "ipv6": (ETH_P_IPV6, 0),
    "ip6": (ETH_P_IPV6, 0),
    "icmp6": (ETH_P_IPV6, IPPROTO_ICMPV6),
    "tcp6": (ETH_P_IPV6, IPPROTO_TCP),
    "udp6": (ETH_P_IPV6, IPPROTO_UDP),
    "sctp6": (ETH_P_IPV6, IPPROTO_SCTP),
    "arp": (ETH_P_ARP, 0),
    "rarp": (ETH_P_RARP, 0),
    "mpls": (ETH_P_MPLS_UC, 0),
    "mplsm": (ETH_P_MPLS_MC, 0),
}
"""What a word by itself stands for: an EtherType, and an IP protocol or 0 (ofp_parse_protocol)."""


def _is_tagged(key: FlowKey) -> bool:
    return key.eth_type in VLAN_ETHERTYPES and bool((_tci(key) or 0) & CFI)


def _tci(key: FlowKey) -> int | None:
    return None if key.vlan is None else int.from_bytes(key.vlan.to_bytes(), "big")


def read_vlan(subject: Subject) -> Pair:
    """Return TPID and TCI of the outer tag. A flow without one has 0, and looks at that unless its mask says less."""
    key, mask = subject.key, subject.mask
    if not _is_tagged(key):
        tci = _tci(mask)
        return 0, 0xFFFF0000 | (0xFFFF if tci is None else tci)
    return (key.eth_type or 0) << 16 | (_tci(key) or 0), (mask.eth_type or 0) << 16 | (_tci(mask) or 0)


def read_dl_type(subject: Subject) -> Pair:
    """Return the EtherType behind the tags."""
    key: FlowKey = subject.key
    mask: FlowKey = subject.mask
    while key.encap is not None and _is_tagged(key):
        if mask.encap is None:
            return 0, 0
        key, mask = key.encap, mask.encap
    if mask.eth_type is not None:
        return _NO_DL_TYPE if key.eth_type is None else key.eth_type, mask.eth_type
    must_match = key.eth_type is None or subject.key.get_kept(KeyAttr.ETHERNET) is None
    return _NO_DL_TYPE if key.eth_type is None else key.eth_type, 0xFFFF if must_match else 0


def read_packet_type(subject: Subject) -> Pair:
    """Return name space and type: (0, 0) for an Ethernet packet, (1, EtherType) for another."""
    key, mask = subject.key, subject.mask
    if key.packet_type is not None:
        bits = PacketType() if mask.packet_type is None else mask.packet_type
        return key.packet_type.ns << 16 | key.packet_type.id, bits.ns << 16 | bits.id
    if key.eth is not None:
        return 0, 0xFFFFFFFF
    return OFPHTN_ETHERTYPE << 16 | (key.eth_type or 0), 0xFFFF0000 | (mask.eth_type or 0)


def read_recirc_id(subject: Subject) -> Pair:
    """Return the recirculation id."""
    bits = subject.mask.recirc_id
    return subject.key.recirc_id or 0, 0xFFFFFFFF if bits is None else bits


def _tunnel_reader(attr: Attr[Any], kind: Kind[Any]) -> Callable[[Subject], Pair]:
    """Return the reader of a field of the tunnel: one that the kernel leaves out because it is 0 is 0."""

    def read(subject: Subject) -> Pair:
        kept = (nest.tunnel and nest.tunnel.get_kept(attr.number) for nest in (subject.key, subject.mask))
        value, bits = [int(number(kind, kind.zero if raw is None else raw)) for raw in kept]
        return value, bits

    return read


READERS: dict[str, Callable[[Subject], Pair]] = {
    "vlan": read_vlan,
    "dl_type": read_dl_type,
    "packet_type": read_packet_type,
    "recirc_id": read_recirc_id,
    **{
        f"tunnel.{attr.name}": _tunnel_reader(attr, attr.type.kind)
        for attr in Tunnel.ATTRS.values()
        if isinstance(attr.type, Scalar)
    },
}
"""How the places are read that are not fields of a filter."""
