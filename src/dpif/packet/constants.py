"""Numbers that packet headers carry, under their names in the Linux uapi headers.

Only the numbers that this package or its users branch on: ``<linux/if_ether.h>``, ``<linux/in.h>``,
``<linux/in6.h>``, ``<linux/icmp.h>``, ``<linux/icmpv6.h>``. Nothing of Open vSwitch belongs here.
"""

from __future__ import annotations

# EtherTypes (linux/if_ether.h). Below ETH_P_802_3_MIN the field is the length of an 802.3 frame.
ETH_P_802_3_MIN = 0x0600
ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_TEB = 0x6558
ETH_P_RARP = 0x8035
ETH_P_8021Q = 0x8100
ETH_P_IPV6 = 0x86DD
ETH_P_MPLS_UC = 0x8847
ETH_P_MPLS_MC = 0x8848
ETH_P_8021AD = 0x88A8
ETH_P_NSH = 0x894F
ETH_P_802_2 = 0x0004  # not on the wire: what Linux calls an 802.3 frame without a usable SNAP header

VLAN_ETHERTYPES = frozenset({ETH_P_8021Q, ETH_P_8021AD})
MPLS_ETHERTYPES = frozenset({ETH_P_MPLS_UC, ETH_P_MPLS_MC})

# IP protocols and IPv6 next headers (linux/in.h, linux/in6.h).
IPPROTO_HOPOPTS = 0
IPPROTO_ICMP = 1
IPPROTO_IGMP = 2
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_ROUTING = 43
IPPROTO_FRAGMENT = 44
IPPROTO_GRE = 47
IPPROTO_ESP = 50
IPPROTO_AH = 51
IPPROTO_ICMPV6 = 58
IPPROTO_NONE = 59
IPPROTO_DSTOPTS = 60
IPPROTO_SCTP = 132

# The headers that Linux walks over to find the transport header (ipv6_ext_hdr(); IPPROTO_NONE ends the walk).
IPV6_EXTENSIONS = frozenset({IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS})

# IPv4 flags and fragment offset, one 16-bit field (linux/ip.h).
IP_DF = 0x4000
IP_MF = 0x2000
IP_OFFSET = 0x1FFF

ARPOP_REQUEST = 1
ARPOP_REPLY = 2

ICMP_ECHOREPLY = 0
ICMP_DEST_UNREACH = 3
ICMP_ECHO = 8
ICMP_TIME_EXCEEDED = 11
ICMP_NET_UNREACH = 0  # codes of ICMP_DEST_UNREACH
ICMP_FRAG_NEEDED = 4
ICMPV6_ECHO_REQUEST = 128
ICMPV6_ECHO_REPLY = 129
ND_NEIGHBOR_SOLICIT = 135
ND_NEIGHBOR_ADVERT = 136
ND_OPT_SOURCE_LL_ADDR = 1
ND_OPT_TARGET_LL_ADDR = 2
