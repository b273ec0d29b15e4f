"""Numbers of flows: the family ``ovs_flow``."""

from __future__ import annotations

from enum import IntEnum, IntFlag

OVS_FLOW_FAMILY = "ovs_flow"
OVS_FLOW_MCGROUP = "ovs_flow"
OVS_FLOW_VERSION = 1


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
