"""The numbers of conntrack's netlink messages, with their uapi names.

Sources: ``linux/netfilter/nfnetlink.h``, ``nfnetlink_conntrack.h``, ``nfnetlink_cttimeout.h``,
``nf_conntrack_common.h``, ``nf_conntrack_tcp.h``, ``nf_conntrack_sctp.h``. This file owns facts and imports nothing
of dpif.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

NFNETLINK_V0 = 0
CTNL_TIMEOUT_NAME_MAX = 32
"""Bytes of a timeout policy's name, the terminating NUL included."""
NF_CT_LABELS_MAX_SIZE = 16
"""Bytes of a connection's labels (net/netfilter/nf_conntrack_labels.h)."""


class Subsystem(IntEnum):
    """``NFNL_SUBSYS_*``: the upper byte of a message's type."""

    CTNETLINK = 1
    CTNETLINK_TIMEOUT = 8


class CtMsg(IntEnum):
    """``enum cntl_msg_types``."""

    NEW = 0
    GET = 1
    DELETE = 2
    GET_STATS_CPU = 4
    GET_STATS = 5


class StatsGlobalAttr(IntEnum):
    """``enum ctattr_stats_global``."""

    ENTRIES = 1
    MAX_ENTRIES = 2


class CtAttr(IntEnum):
    """``enum ctattr_type``, those that are used here."""

    TUPLE_ORIG = 1
    TUPLE_REPLY = 2
    STATUS = 3
    PROTOINFO = 4
    HELP = 5
    TIMEOUT = 7
    MARK = 8
    COUNTERS_ORIG = 9
    COUNTERS_REPLY = 10
    USE = 11
    ID = 12
    TUPLE_MASTER = 14
    ZONE = 18
    TIMESTAMP = 20
    MARK_MASK = 21
    LABELS = 22


class TupleAttr(IntEnum):
    """``enum ctattr_tuple``."""

    IP = 1
    PROTO = 2
    ZONE = 3


class IpAttr(IntEnum):
    """``enum ctattr_ip``."""

    V4_SRC = 1
    V4_DST = 2
    V6_SRC = 3
    V6_DST = 4


class ProtoAttr(IntEnum):
    """``enum ctattr_l4proto``."""

    NUM = 1
    SRC_PORT = 2
    DST_PORT = 3
    ICMP_ID = 4
    ICMP_TYPE = 5
    ICMP_CODE = 6
    ICMPV6_ID = 7
    ICMPV6_TYPE = 8
    ICMPV6_CODE = 9


class ProtoinfoAttr(IntEnum):
    """``enum ctattr_protoinfo``."""

    TCP = 1
    DCCP = 2
    SCTP = 3


class TcpAttr(IntEnum):
    """``enum ctattr_protoinfo_tcp``."""

    STATE = 1
    WSCALE_ORIGINAL = 2
    WSCALE_REPLY = 3
    FLAGS_ORIGINAL = 4
    FLAGS_REPLY = 5


class SctpAttr(IntEnum):
    """``enum ctattr_protoinfo_sctp``."""

    STATE = 1
    VTAG_ORIGINAL = 2
    VTAG_REPLY = 3


class CountersAttr(IntEnum):
    """``enum ctattr_counters``."""

    PACKETS = 1
    BYTES = 2
    PAD = 5


class TimestampAttr(IntEnum):
    """``enum ctattr_tstamp``."""

    START = 1
    STOP = 2
    PAD = 3


class HelpAttr(IntEnum):
    """``enum ctattr_help``."""

    NAME = 1


class Status(IntFlag):
    """``enum ip_conntrack_status``: ``IPS_*``."""

    EXPECTED = 1 << 0
    SEEN_REPLY = 1 << 1
    ASSURED = 1 << 2
    CONFIRMED = 1 << 3
    SRC_NAT = 1 << 4
    DST_NAT = 1 << 5
    SEQ_ADJUST = 1 << 6
    SRC_NAT_DONE = 1 << 7
    DST_NAT_DONE = 1 << 8
    DYING = 1 << 9
    FIXED_TIMEOUT = 1 << 10
    TEMPLATE = 1 << 11
    UNTRACKED = 1 << 12
    HELPER = 1 << 13
    OFFLOAD = 1 << 14
    HW_OFFLOAD = 1 << 15


class TcpState(IntEnum):
    """``enum tcp_conntrack``."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    CLOSE = 8
    SYN_SENT2 = 9


class TcpFlag(IntFlag):
    """``IP_CT_TCP_FLAG_*``."""

    WINDOW_SCALE = 0x01
    SACK_PERM = 0x02
    CLOSE_INIT = 0x04
    BE_LIBERAL = 0x08
    DATA_UNACKNOWLEDGED = 0x10
    MAXACK_SET = 0x20


class SctpState(IntEnum):
    """``enum sctp_conntrack``."""

    NONE = 0
    CLOSED = 1
    COOKIE_WAIT = 2
    COOKIE_ECHOED = 3
    ESTABLISHED = 4
    SHUTDOWN_SENT = 5
    SHUTDOWN_RECD = 6
    SHUTDOWN_ACK_SENT = 7
    HEARTBEAT_SENT = 8
    HEARTBEAT_ACKED = 9


class TimeoutMsg(IntEnum):
    """``enum ctnl_timeout_msg_types``."""

    NEW = 0
    GET = 1
    DELETE = 2


class TimeoutAttr(IntEnum):
    """``enum ctattr_timeout``."""

    NAME = 1
    L3PROTO = 2
    L4PROTO = 3
    DATA = 4
    USE = 5


class TcpTimeout(IntEnum):
    """``enum ctattr_timeout_tcp``."""

    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    CLOSE = 8
    SYN_SENT2 = 9
    RETRANS = 10
    UNACK = 11


class UdpTimeout(IntEnum):
    """``enum ctattr_timeout_udp``."""

    UNREPLIED = 1
    REPLIED = 2


class SctpTimeout(IntEnum):
    """``enum ctattr_timeout_sctp``."""

    CLOSED = 1
    COOKIE_WAIT = 2
    COOKIE_ECHOED = 3
    ESTABLISHED = 4
    SHUTDOWN_SENT = 5
    SHUTDOWN_RECD = 6
    SHUTDOWN_ACK_SENT = 7
    HEARTBEAT_SENT = 8


class GenericTimeout(IntEnum):
    """``enum ctattr_timeout_generic``, of protocols that conntrack does not know."""

    TIMEOUT = 1


class IcmpTimeout(IntEnum):
    """``enum ctattr_timeout_icmp``, and that of ICMPv6."""

    TIMEOUT = 1
