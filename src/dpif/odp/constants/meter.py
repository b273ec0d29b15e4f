"""Numbers of meters: the family ``ovs_meter``."""

from __future__ import annotations

from enum import IntEnum

OVS_METER_FAMILY = "ovs_meter"
OVS_METER_MCGROUP = "ovs_meter"
OVS_METER_VERSION = 1


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
