"""Messages of the family ``ovs_datapath``: create, find, change and delete datapaths."""

from dpif._typing import NamedTuple
from dpif.netlink.policy import PAD, S32, U32, U32_ARRAY, AttributeSet, String, Structure
from dpif.odp.constants.datapath import IFNAMSIZ, OVS_DATAPATH_FAMILY, OVS_DATAPATH_VERSION, DatapathAttr
from dpif.odp.messages.base import Record


class DatapathStats(NamedTuple):
    """``struct ovs_dp_stats``: packets that hit a flow, missed, were lost on the way up; flows in the table."""

    n_hit: int = 0
    n_missed: int = 0
    n_lost: int = 0
    n_flows: int = 0


class MegaflowStats(NamedTuple):
    """``struct ovs_dp_megaflow_stats``: masks looked at for all packets, masks now, hits of the mask cache."""

    n_mask_hit: int = 0
    n_masks: int = 0
    n_cache_hit: int = 0


DATAPATH = AttributeSet(
    "DATAPATH",
    {
        DatapathAttr.NAME: String(IFNAMSIZ - 1),
        DatapathAttr.UPCALL_PID: U32,
        DatapathAttr.STATS: Structure("=4Q", DatapathStats),
        DatapathAttr.MEGAFLOW_STATS: Structure("=QI4xQ8x", MegaflowStats),
        DatapathAttr.USER_FEATURES: U32,
        DatapathAttr.PAD: PAD,
        DatapathAttr.MASKS_CACHE_SIZE: U32,
        DatapathAttr.PER_CPU_PIDS: U32_ARRAY,
        DatapathAttr.IFINDEX: S32,
    },
)


class DatapathRecord(Record):
    """One message of ``ovs_datapath``; see ``enum ovs_datapath_attr``."""

    FAMILY = OVS_DATAPATH_FAMILY
    VERSION = OVS_DATAPATH_VERSION
    ATTRIBUTES = DATAPATH
    REQUIRED = (DatapathAttr.NAME,)

    name: str | None = None
    upcall_pid: int | None = None
    stats: DatapathStats | None = None
    megaflow_stats: MegaflowStats | None = None
    user_features: int | None = None
    masks_cache_size: int | None = None
    per_cpu_pids: tuple[int, ...] | None = None
    ifindex: int | None = None
