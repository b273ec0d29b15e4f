"""Numbers of what Open vSwitch puts into the user data of its actions (lib/odp-util.h)."""

from __future__ import annotations

from enum import IntEnum, IntFlag


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
