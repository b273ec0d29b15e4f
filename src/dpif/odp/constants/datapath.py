"""Numbers of datapaths: the family ``ovs_datapath``."""

from __future__ import annotations

from enum import IntEnum, IntFlag

OVS_DATAPATH_FAMILY = "ovs_datapath"
OVS_DATAPATH_MCGROUP = "ovs_datapath"
OVS_DATAPATH_VERSION = 2
IFNAMSIZ = 16
"""Bytes of a datapath's or a device's name, the terminating NUL included (linux/if.h)."""


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
