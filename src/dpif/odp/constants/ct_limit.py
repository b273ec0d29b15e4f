"""Numbers of limits of connections: the family ``ovs_ct_limit``."""

from __future__ import annotations

from enum import IntEnum

OVS_CT_LIMIT_FAMILY = "ovs_ct_limit"
OVS_CT_LIMIT_MCGROUP = "ovs_ct_limit"
OVS_CT_LIMIT_VERSION = 1
OVS_ZONE_LIMIT_DEFAULT_ZONE = -1


class CtLimitCmd(IntEnum):
    """``enum ovs_ct_limit_cmd``."""

    SET = 1
    DEL = 2
    GET = 3


class CtLimitAttr(IntEnum):
    """``enum ovs_ct_limit_attr``."""

    ZONE_LIMIT = 1
