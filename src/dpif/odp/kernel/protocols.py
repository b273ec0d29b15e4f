"""Which attributes of a flow key belong to which protocol: the one table that emission and rules share."""

from __future__ import annotations

from collections.abc import Mapping

from dpif.odp.constants import KeyAttr
from dpif.packet.constants import (
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
    ND_NEIGHBOR_ADVERT,
    ND_NEIGHBOR_SOLICIT,
)

NETWORK: Mapping[int, tuple[KeyAttr, ...]] = {
    ETH_P_IP: (KeyAttr.IPV4,),
    ETH_P_IPV6: (KeyAttr.IPV6,),
    ETH_P_ARP: (KeyAttr.ARP,),
    ETH_P_RARP: (KeyAttr.ARP,),
    ETH_P_MPLS_UC: (KeyAttr.MPLS,),
    ETH_P_MPLS_MC: (KeyAttr.MPLS,),
    ETH_P_NSH: (KeyAttr.NSH,),
}
"""The attributes that a key must have, by EtherType."""
TRANSPORT: Mapping[tuple[int, int], tuple[KeyAttr, ...]] = {
    (ETH_P_IP, IPPROTO_TCP): (KeyAttr.TCP, KeyAttr.TCP_FLAGS),
    (ETH_P_IP, IPPROTO_UDP): (KeyAttr.UDP,),
    (ETH_P_IP, IPPROTO_SCTP): (KeyAttr.SCTP,),
    (ETH_P_IP, IPPROTO_ICMP): (KeyAttr.ICMP,),
    (ETH_P_IPV6, IPPROTO_TCP): (KeyAttr.TCP, KeyAttr.TCP_FLAGS),
    (ETH_P_IPV6, IPPROTO_UDP): (KeyAttr.UDP,),
    (ETH_P_IPV6, IPPROTO_SCTP): (KeyAttr.SCTP,),
    (ETH_P_IPV6, IPPROTO_ICMPV6): (KeyAttr.ICMPV6,),
}
"""The attributes that it must have besides, by EtherType and IP protocol, unless it is a later fragment."""
ND_TYPES = frozenset({ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT})
"""The ICMPv6 types that have an ND attribute too, whatever their code."""
ARP_ETHERTYPES = frozenset({ETH_P_ARP, ETH_P_RARP})
IP_ETHERTYPES = frozenset({ETH_P_IP, ETH_P_IPV6})
