"""Messages of the family ``ovs_packet``: packets that come up (MISS, ACTION) and go down (EXECUTE)."""

from __future__ import annotations

from dpif.netlink.policy import BYTES, FLAG, U16, U32, U64, AttributeSet
from dpif.odp.constants import OVS_PACKET_FAMILY, OVS_PACKET_VERSION, PacketAttr
from dpif.odp.messages.base import Record

PACKET = AttributeSet(
    "PACKET",
    {
        PacketAttr.PACKET: BYTES,
        PacketAttr.KEY: BYTES,
        PacketAttr.ACTIONS: BYTES,
        PacketAttr.USERDATA: BYTES,
        PacketAttr.EGRESS_TUN_KEY: BYTES,
        PacketAttr.PROBE: FLAG,
        PacketAttr.MRU: U16,
        PacketAttr.LEN: U32,
        PacketAttr.HASH: U64,
        PacketAttr.UPCALL_PID: U32,
    },
)


class PacketRecord(Record):
    """One message of ``ovs_packet``; see ``enum ovs_packet_attr``.

    ``key``, ``actions`` and ``egress_tun_key`` are encoded attributes; ``mru`` and ``len`` are bytes.
    """

    FAMILY = OVS_PACKET_FAMILY
    VERSION = OVS_PACKET_VERSION
    ATTRIBUTES = PACKET
    REQUIRED = (PacketAttr.PACKET, PacketAttr.KEY)

    packet: bytes | None = None
    key: bytes | None = None
    actions: bytes | None = None
    userdata: bytes | None = None
    egress_tun_key: bytes | None = None
    probe: bool | None = None
    mru: int | None = None
    len: int | None = None
    hash: int | None = None
    upcall_pid: int | None = None
