"""Numbers of actions: ``OVS_FLOW_ATTR_ACTIONS`` and what is in it."""

from __future__ import annotations

from enum import IntEnum

OVS_PSAMPLE_COOKIE_MAX_SIZE = 16


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


class XlateError(IntEnum):
    """``enum xlate_error`` of Open vSwitch (its include/linux/openvswitch.h): why ovs-vswitchd drops a packet.

    It is what the action ``drop`` says as its reason; others that make flows may mean something else by the numbers.
    """

    OK = 0
    BRIDGE_NOT_FOUND = 1
    RECURSION_TOO_DEEP = 2
    TOO_MANY_RESUBMITS = 3
    STACK_TOO_DEEP = 4
    NO_RECIRCULATION_CONTEXT = 5
    RECIRCULATION_CONFLICT = 6
    TOO_MANY_MPLS_LABELS = 7
    INVALID_TUNNEL_METADATA = 8
    UNSUPPORTED_PACKET_TYPE = 9
    CONGESTION_DROP = 10
    FORWARDING_DISABLED = 11
    TUNNEL_ROUTING_FAILED = 12
    TUNNEL_OUTPUT_NO_ETHERNET = 13
    TUNNEL_NEIGH_CACHE_MISS = 14
    TUNNEL_HEADER_BUILD_FAILED = 15
