"""Messages of the family ``ovs_packet``: packets that come up (MISS, ACTION) and go down (EXECUTE).

Each packet that misses the flow table costs one of each, so both have a short way: `decode_packet` and
`encode_execute`, which give what `PacketRecord` gives.
"""

from __future__ import annotations

from sys import byteorder

from dpif._typing import Final
from dpif.netlink.attributes import ATTRIBUTE_HEADER, Buffer, align, attribute
from dpif.netlink.constants import NLA_HDRLEN
from dpif.netlink.policy import BYTES, FLAG, U16, U32, U64, AttributeSet
from dpif.odp.constants import OVS_PACKET_FAMILY, OVS_PACKET_VERSION, PacketAttr, PacketCmd
from dpif.odp.messages.base import OVS_HDRLEN, Record, pack_headers, unpack_headers

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


_PLAIN: Final = {int(PacketAttr[name]): name.lower() for name in ("PACKET", "KEY", "ACTIONS", "USERDATA")}
"""The attributes that are bytes and nothing else, by number, and the fields that they become."""
_HASH_HEADER: Final = (NLA_HDRLEN + 8, int(PacketAttr.HASH))


def decode_packet(payload: Buffer) -> PacketRecord:
    """Return what `PacketRecord.from_reply` does, at less cost for what most packets bring; raise `DecodeError`."""
    data = bytes(payload)
    command, version, dp_ifindex = unpack_headers(data)
    record = PacketRecord(command=command, version=version, dp_ifindex=dp_ifindex)
    fields = record.__dict__
    at, end = OVS_HDRLEN, len(data)
    while at + NLA_HDRLEN <= end:
        length, number = header = ATTRIBUTE_HEADER.unpack_from(data, at)
        name = _PLAIN.get(number)
        if at + length > end:
            break
        if name is not None and length >= NLA_HDRLEN and name not in fields:
            fields[name] = data[at + NLA_HDRLEN : at + length]
        elif header == _HASH_HEADER and "hash" not in fields:
            fields["hash"] = int.from_bytes(data[at + NLA_HDRLEN : at + length], byteorder)
        else:
            break
        at += align(length)
    whole = at >= end and "packet" in fields and "key" in fields
    return record if whole else PacketRecord.from_reply(payload)


def encode_execute(
    dp_ifindex: int,
    *,
    packet: bytes,
    key: bytes,
    actions: bytes,
    probe: bool = False,
    mru: int | None = None,
    upcall_pid: int | None = None,
) -> bytes:
    """Return the payload that executes actions on a packet, as a `PacketRecord` does; raise `EncodeError`."""
    parts = [
        pack_headers(PacketCmd.EXECUTE, OVS_PACKET_VERSION, dp_ifindex),
        attribute(PacketAttr.PACKET, packet),
        attribute(PacketAttr.KEY, key),
        attribute(PacketAttr.ACTIONS, actions),
    ]
    if probe:
        parts.append(attribute(PacketAttr.PROBE, b""))
    if mru is not None:
        parts.append(attribute(PacketAttr.MRU, U16.encode(mru)))
    if upcall_pid is not None:
        parts.append(attribute(PacketAttr.UPCALL_PID, U32.encode(upcall_pid)))
    return b"".join(parts)
