"""Numbers of flow keys and masks: ``OVS_FLOW_ATTR_KEY`` and what is in it."""

from __future__ import annotations

from enum import IntEnum, IntFlag

ETH_P_802_3_MIN = 0x600
"""The smallest value of an EtherType; below it the field is an 802.3 length (linux/if_ether.h)."""
VLAN_CFI = 0x1000
"""The bit of a TCI that means "a tag is present" in a flow key."""
OVS_CT_LABELS_LEN = 16


class KeyAttr(IntEnum):
    """``enum ovs_key_attr``; ``PACKET_TYPE`` and ``ND_EXTENSIONS`` are for user space only."""

    ENCAP = 1
    PRIORITY = 2
    IN_PORT = 3
    ETHERNET = 4
    VLAN = 5
    ETHERTYPE = 6
    IPV4 = 7
    IPV6 = 8
    TCP = 9
    UDP = 10
    ICMP = 11
    ICMPV6 = 12
    ARP = 13
    ND = 14
    SKB_MARK = 15
    TUNNEL = 16
    SCTP = 17
    TCP_FLAGS = 18
    DP_HASH = 19
    RECIRC_ID = 20
    MPLS = 21
    CT_STATE = 22
    CT_ZONE = 23
    CT_MARK = 24
    CT_LABELS = 25
    CT_ORIG_TUPLE_IPV4 = 26
    CT_ORIG_TUPLE_IPV6 = 27
    NSH = 28
    PACKET_TYPE = 29
    ND_EXTENSIONS = 30
    TUNNEL_INFO = 31
    IPV6_EXTHDRS = 32


class TunnelKeyAttr(IntEnum):
    """``enum ovs_tunnel_key_attr``; number 16 is GTPU_OPTS in user space, IPV4_INFO_BRIDGE in the kernel."""

    ID = 0
    IPV4_SRC = 1
    IPV4_DST = 2
    TOS = 3
    TTL = 4
    DONT_FRAGMENT = 5
    CSUM = 6
    OAM = 7
    GENEVE_OPTS = 8
    TP_SRC = 9
    TP_DST = 10
    VXLAN_OPTS = 11
    IPV6_SRC = 12
    IPV6_DST = 13
    PAD = 14
    ERSPAN_OPTS = 15
    GTPU_OPTS = 16


class NshKeyAttr(IntEnum):
    """``enum ovs_nsh_key_attr``."""

    BASE = 1
    MD1 = 2
    MD2 = 3


class FragType(IntEnum):
    """``enum ovs_frag_type``."""

    NONE = 0
    FIRST = 1
    LATER = 2


class CtState(IntFlag):
    """``OVS_CS_F_*``: bits of ``OVS_KEY_ATTR_CT_STATE``."""

    NEW = 0x01
    ESTABLISHED = 0x02
    RELATED = 0x04
    REPLY_DIR = 0x08
    INVALID = 0x10
    TRACKED = 0x20
    SRC_NAT = 0x40
    DST_NAT = 0x80


class TcpFlag(IntFlag):
    """The twelve flag bits of a TCP header (RFC 9293 section 3.1; NS as in RFC 3540)."""

    FIN = 0x001
    SYN = 0x002
    RST = 0x004
    PSH = 0x008
    ACK = 0x010
    URG = 0x020
    ECE = 0x040
    CWR = 0x080
    NS = 0x100


class TunnelFlag(IntFlag):
    """``FLOW_TNL_F_*`` of Open vSwitch (include/openvswitch/packets.h): the text form's ``flags(...)``."""

    OAM = 1
    DF = 2
    CSUM = 4
    KEY = 8


class Ipv6ExtHdr(IntFlag):
    """``OFPIEH12_*``: bits of ``OVS_KEY_ATTR_IPV6_EXTHDRS`` (net/openvswitch/flow.h)."""

    NONEXT = 1
    ESP = 2
    AUTH = 4
    DEST = 8
    FRAG = 16
    ROUTER = 32
    HOP = 64
    UNREP = 128
    UNSEQ = 256
