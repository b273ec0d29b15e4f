"""Numbers of packets on their way up and down: the family ``ovs_packet``."""

from __future__ import annotations

from enum import IntEnum

OVS_PACKET_FAMILY = "ovs_packet"
OVS_PACKET_VERSION = 1


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
