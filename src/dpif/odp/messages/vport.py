"""Messages of the family ``ovs_vport``: attach, find, change and detach ports."""

from dpif._typing import NamedTuple
from dpif.netlink.policy import (
    FLAG,
    PAD,
    S32,
    U16,
    U32,
    U32_ARRAY,
    U64,
    AttributeSet,
    Decoded,
    Nested,
    String,
    Structure,
)
from dpif.odp.constants.datapath import IFNAMSIZ
from dpif.odp.constants.vport import (
    OVS_VPORT_FAMILY,
    OVS_VPORT_VERSION,
    DummyAttr,
    TunnelAttr,
    VportAttr,
    VportUpcallAttr,
    VxlanExt,
)
from dpif.odp.messages.base import Record


class VportStats(NamedTuple):
    """``struct ovs_vport_stats``, seen from the datapath: rx is what came in through the port."""

    rx_packets: int = 0
    tx_packets: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0


UPCALL_STATS = AttributeSet("UPCALL_STATS", {VportUpcallAttr.SUCCESS: U64, VportUpcallAttr.FAIL: U64})
OPTIONS = AttributeSet(
    "OPTIONS",
    {
        TunnelAttr.DST_PORT: U16,
        TunnelAttr.EXTENSION: Nested(AttributeSet("EXTENSION", {VxlanExt.GBP: FLAG})),
        DummyAttr.RX_PCAP: String(),
        DummyAttr.TX_PCAP: String(),
        DummyAttr.PLAY: FLAG,
    },
)
VPORT = AttributeSet(
    "VPORT",
    {
        VportAttr.PORT_NO: U32,
        VportAttr.TYPE: U32,
        VportAttr.NAME: String(IFNAMSIZ - 1),
        VportAttr.OPTIONS: Nested(OPTIONS),
        VportAttr.UPCALL_PID: U32_ARRAY,
        VportAttr.STATS: Structure("=8Q", VportStats),
        VportAttr.PAD: PAD,
        VportAttr.IFINDEX: U32,
        VportAttr.NETNSID: S32,
        VportAttr.UPCALL_STATS: Nested(UPCALL_STATS),
    },
)


class VportRecord(Record):
    """One message of ``ovs_vport``; see ``enum ovs_vport_attr``."""

    FAMILY = OVS_VPORT_FAMILY
    VERSION = OVS_VPORT_VERSION
    ATTRIBUTES = VPORT
    REQUIRED = (VportAttr.PORT_NO, VportAttr.TYPE, VportAttr.NAME, VportAttr.UPCALL_PID)

    port_no: int | None = None
    type: int | None = None
    name: str | None = None
    options: Decoded | None = None
    upcall_pid: tuple[int, ...] | None = None
    stats: VportStats | None = None
    ifindex: int | None = None
    netnsid: int | None = None
    upcall_stats: Decoded | None = None
