"""The messages of each family as records, used by both sides; `base.py` explains their shape."""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.odp.messages.base import Record
    from dpif.odp.messages.ct_limit import CtLimitRecord, ZoneLimit
    from dpif.odp.messages.datapath import DatapathRecord, DatapathStats, MegaflowStats
    from dpif.odp.messages.flow import FlowCounters, FlowRecord
    from dpif.odp.messages.meter import MeterBand, MeterRecord
    from dpif.odp.messages.packet import PacketRecord
    from dpif.odp.messages.vport import VportRecord, VportStats

__all__ = [
    "CtLimitRecord",
    "DatapathRecord",
    "DatapathStats",
    "FlowCounters",
    "FlowRecord",
    "MegaflowStats",
    "MeterBand",
    "MeterRecord",
    "PacketRecord",
    "Record",
    "VportRecord",
    "VportStats",
    "ZoneLimit",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Record": "base",
        **dict.fromkeys(("CtLimitRecord", "ZoneLimit"), "ct_limit"),
        **dict.fromkeys(("DatapathRecord", "DatapathStats", "MegaflowStats"), "datapath"),
        **dict.fromkeys(("FlowCounters", "FlowRecord"), "flow"),
        **dict.fromkeys(("MeterBand", "MeterRecord"), "meter"),
        "PacketRecord": "packet",
        **dict.fromkeys(("VportRecord", "VportStats"), "vport"),
    },
)
