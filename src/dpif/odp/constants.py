"""The numbers of the datapath protocol, with the names of ``linux/openvswitch.h``.

One `IntEnum` for each uapi enum, the common prefix taken off (``OVS_KEY_ATTR_IN_PORT`` is
``KeyAttr.IN_PORT``); one `IntFlag` for each set of bits. Attributes that only user space knows (they never
reach a kernel) stand at the end of their enum, with the numbers of Open vSwitch's own copy of the header. This
file holds facts and imports nothing of dpif.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

OVS_DATAPATH_FAMILY = "ovs_datapath"
OVS_DATAPATH_MCGROUP = "ovs_datapath"
OVS_DATAPATH_VERSION = 2
OVS_VPORT_FAMILY = "ovs_vport"
OVS_VPORT_MCGROUP = "ovs_vport"
OVS_VPORT_VERSION = 1
OVS_FLOW_FAMILY = "ovs_flow"
OVS_FLOW_MCGROUP = "ovs_flow"
OVS_FLOW_VERSION = 1
OVS_PACKET_FAMILY = "ovs_packet"
OVS_PACKET_VERSION = 1
OVS_METER_FAMILY = "ovs_meter"
OVS_METER_MCGROUP = "ovs_meter"
OVS_METER_VERSION = 1
OVS_CT_LIMIT_FAMILY = "ovs_ct_limit"
OVS_CT_LIMIT_MCGROUP = "ovs_ct_limit"
OVS_CT_LIMIT_VERSION = 1

OVSP_LOCAL = 0
"""The number of a datapath's local port."""
DP_MAX_PORTS = 65535
"""Port numbers are below this (net/openvswitch/datapath.h); the value itself means "no port" in a flow key."""
IFNAMSIZ = 16
"""Bytes of a device name, the terminating NUL included (linux/if.h)."""
ETH_P_802_3_MIN = 0x600
"""The smallest value of an EtherType; below it the field is an 802.3 length (linux/if_ether.h)."""
OVS_CT_LABELS_LEN = 16
OVS_PSAMPLE_COOKIE_MAX_SIZE = 16
OVS_ZONE_LIMIT_DEFAULT_ZONE = -1
VLAN_CFI = 0x1000
"""The bit of a TCI that means "a tag is present" in a flow key."""


class DatapathCmd(IntEnum):
    """``enum ovs_datapath_cmd``."""

    NEW = 1
    DEL = 2
    GET = 3
    SET = 4


class DatapathAttr(IntEnum):
    """``enum ovs_datapath_attr``."""

    NAME = 1
    UPCALL_PID = 2
    STATS = 3
    MEGAFLOW_STATS = 4
    USER_FEATURES = 5
    PAD = 6
    MASKS_CACHE_SIZE = 7
    PER_CPU_PIDS = 8
    IFINDEX = 9


class DatapathFeature(IntFlag):
    """``OVS_DP_F_*``: bits of ``OVS_DP_ATTR_USER_FEATURES``."""

    UNALIGNED = 1
    VPORT_PIDS = 2
    TC_RECIRC_SHARING = 4
    DISPATCH_UPCALL_PER_CPU = 8


class VportCmd(IntEnum):
    """``enum ovs_vport_cmd``."""

    NEW = 1
    DEL = 2
    GET = 3
    SET = 4


class VportAttr(IntEnum):
    """``enum ovs_vport_attr``."""

    PORT_NO = 1
    TYPE = 2
    NAME = 3
    OPTIONS = 4
    UPCALL_PID = 5
    STATS = 6
    PAD = 7
    IFINDEX = 8
    NETNSID = 9
    UPCALL_STATS = 10


class VportUpcallAttr(IntEnum):
    """``enum ovs_vport_upcall_attr``; its first member really is number 0."""

    SUCCESS = 0
    FAIL = 1


class VportType(IntEnum):
    """``enum ovs_vport_type``; from ``LISP`` on only user space knows them.

    ``DUMMY`` and ``TAP`` are our own: types of port that our userspace datapath has, and that no kernel is asked
    for.
    """

    UNSPEC = 0
    NETDEV = 1
    INTERNAL = 2
    GRE = 3
    VXLAN = 4
    GENEVE = 5
    LISP = 105
    STT = 106
    ERSPAN = 107
    IP6ERSPAN = 108
    IP6GRE = 109
    GTPU = 110
    BAREUDP = 111
    SRV6 = 112
    DUMMY = 200
    TAP = 201


class TunnelAttr(IntEnum):
    """``OVS_TUNNEL_ATTR_*``: inside ``OVS_VPORT_ATTR_OPTIONS`` of a tunnel."""

    DST_PORT = 1
    EXTENSION = 2


class DummyAttr(IntEnum):
    """Our own: inside ``OVS_VPORT_ATTR_OPTIONS`` of a port of type ``DUMMY``; paths of capture files."""

    RX_PCAP = 100
    TX_PCAP = 101


class VxlanExt(IntEnum):
    """``OVS_VXLAN_EXT_*``."""

    GBP = 1


class FlowCmd(IntEnum):
    """``enum ovs_flow_cmd``."""

    NEW = 1
    DEL = 2
    GET = 3
    SET = 4


class FlowAttr(IntEnum):
    """``enum ovs_flow_attr``."""

    KEY = 1
    ACTIONS = 2
    STATS = 3
    TCP_FLAGS = 4
    USED = 5
    CLEAR = 6
    MASK = 7
    PROBE = 8
    UFID = 9
    UFID_FLAGS = 10
    PAD = 11


class UfidFlag(IntFlag):
    """``OVS_UFID_F_*``: what a reply may leave out."""

    OMIT_KEY = 1
    OMIT_MASK = 2
    OMIT_ACTIONS = 4


class PacketCmd(IntEnum):
    """``enum ovs_packet_cmd``."""

    MISS = 1
    ACTION = 2
    EXECUTE = 3


class PacketAttr(IntEnum):
    """``enum ovs_packet_attr``."""

    PACKET = 1
    KEY = 2
    ACTIONS = 3
    USERDATA = 4
    EGRESS_TUN_KEY = 5
    UNUSED1 = 6
    UNUSED2 = 7
    PROBE = 8
    MRU = 9
    LEN = 10
    HASH = 11
    UPCALL_PID = 12


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


class CookieType(IntEnum):
    """``enum user_action_cookie_type`` of Open vSwitch (lib/odp-util.h)."""

    SFLOW = 1
    SLOW_PATH = 2
    FLOW_SAMPLE = 3
    IPFIX = 4
    CONTROLLER = 5


class SlowPathReason(IntFlag):
    """``enum slow_path_reason`` of Open vSwitch (lib/odp-util.h)."""

    CFM = 0x01
    BFD = 0x02
    LACP = 0x04
    STP = 0x08
    LLDP = 0x10
    ACTION = 0x20
    MATCH = 0x40


class SampleDirection(IntEnum):
    """``enum nx_action_sample_direction`` of Open vSwitch (include/openvswitch/ofp-actions.h)."""

    DEFAULT = 0
    INGRESS = 1
    EGRESS = 2


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


class ActionAttr(IntEnum):
    """``enum ovs_action_attr``; the last three are for user space only."""

    OUTPUT = 1
    USERSPACE = 2
    SET = 3
    PUSH_VLAN = 4
    POP_VLAN = 5
    SAMPLE = 6
    RECIRC = 7
    HASH = 8
    PUSH_MPLS = 9
    POP_MPLS = 10
    SET_MASKED = 11
    CT = 12
    TRUNC = 13
    PUSH_ETH = 14
    POP_ETH = 15
    CT_CLEAR = 16
    PUSH_NSH = 17
    POP_NSH = 18
    METER = 19
    CLONE = 20
    CHECK_PKT_LEN = 21
    ADD_MPLS = 22
    DEC_TTL = 23
    DROP = 24
    PSAMPLE = 25
    TUNNEL_PUSH = 26
    TUNNEL_POP = 27
    LB_OUTPUT = 28


class UserspaceAttr(IntEnum):
    """``enum ovs_userspace_attr``."""

    PID = 1
    USERDATA = 2
    EGRESS_TUN_PORT = 3
    ACTIONS = 4


class SampleAttr(IntEnum):
    """``enum ovs_sample_attr``."""

    PROBABILITY = 1
    ACTIONS = 2


class HashAlg(IntEnum):
    """``enum ovs_hash_alg``."""

    L4 = 0
    SYM_L4 = 1


class CtAttr(IntEnum):
    """``enum ovs_ct_attr``."""

    COMMIT = 1
    ZONE = 2
    MARK = 3
    LABELS = 4
    HELPER = 5
    NAT = 6
    FORCE_COMMIT = 7
    EVENTMASK = 8
    TIMEOUT = 9


class NatAttr(IntEnum):
    """``enum ovs_nat_attr``."""

    SRC = 1
    DST = 2
    IP_MIN = 3
    IP_MAX = 4
    PROTO_MIN = 5
    PROTO_MAX = 6
    PERSISTENT = 7
    PROTO_HASH = 8
    PROTO_RANDOM = 9


class CheckPktLenAttr(IntEnum):
    """``enum ovs_check_pkt_len_attr``."""

    PKT_LEN = 1
    ACTIONS_IF_GREATER = 2
    ACTIONS_IF_LESS_EQUAL = 3


class DecTtlAttr(IntEnum):
    """``enum ovs_dec_ttl_attr``."""

    ACTION = 1


class PsampleAttr(IntEnum):
    """``enum ovs_psample_attr``."""

    GROUP = 1
    COOKIE = 2


class MeterCmd(IntEnum):
    """``enum ovs_meter_cmd``."""

    FEATURES = 1
    SET = 2
    DEL = 3
    GET = 4


class MeterAttr(IntEnum):
    """``enum ovs_meter_attr``."""

    ID = 1
    KBPS = 2
    STATS = 3
    BANDS = 4
    USED = 5
    CLEAR = 6
    MAX_METERS = 7
    MAX_BANDS = 8
    PAD = 9


class BandAttr(IntEnum):
    """``enum ovs_band_attr``."""

    TYPE = 1
    RATE = 2
    BURST = 3
    STATS = 4


class MeterBandType(IntEnum):
    """``enum ovs_meter_band_type``."""

    DROP = 1


class CtLimitCmd(IntEnum):
    """``enum ovs_ct_limit_cmd``."""

    SET = 1
    DEL = 2
    GET = 3


class CtLimitAttr(IntEnum):
    """``enum ovs_ct_limit_attr``."""

    ZONE_LIMIT = 1
