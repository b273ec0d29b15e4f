"""Sampled packets: the messages of the kernel's generic netlink family ``psample`` (``linux/psample.h``).

A sampler, such as the action ``psample`` of a datapath or that of tc, sends copies of packets to a multicast group,
each with the number of its *group*, which says what they are samples of. Whoever has joined hears of all groups. The
family is none of Open vSwitch's: its messages have no ``ovs_header``. This file owns them, for both ends; who listens
is `dpif.client.samples`.
"""

from __future__ import annotations

from enum import IntEnum

from dpif._typing import Final, NamedTuple
from dpif.netlink.attributes import Buffer, align
from dpif.netlink.constants import NLA_HDRLEN
from dpif.netlink.generic import GENL_HDRLEN, pack_header, unpack_header
from dpif.netlink.policy import BYTES, FLAG, PAD, U16, U32, U64, AttributeSet

__all__ = [
    "PSAMPLE_GENL_NAME",
    "PSAMPLE_NL_MCGRP_SAMPLE_NAME",
    "PacketSampleAttr",
    "PacketSampleCmd",
    "Sample",
    "decode_sample",
    "encode_sample",
]

PSAMPLE_GENL_NAME = "psample"
PSAMPLE_GENL_VERSION = 1
PSAMPLE_NL_MCGRP_CONFIG_NAME = "config"
PSAMPLE_NL_MCGRP_SAMPLE_NAME = "packets"

ALWAYS: Final = 0xFFFFFFFF
"""The ``rate`` of samples that are taken of every packet."""


class PacketSampleCmd(IntEnum):
    """``enum psample_command``."""

    SAMPLE = 0
    GET_GROUP = 1
    NEW_GROUP = 2
    DEL_GROUP = 3


class PacketSampleAttr(IntEnum):
    """``PSAMPLE_ATTR_*``; the last two came with Linux 6.11."""

    IIFINDEX = 0
    OIFINDEX = 1
    ORIGSIZE = 2
    SAMPLE_GROUP = 3
    GROUP_SEQ = 4
    SAMPLE_RATE = 5
    DATA = 6
    GROUP_REFCOUNT = 7
    TUNNEL = 8
    PAD = 9
    OUT_TC = 10
    OUT_TC_OCC = 11
    LATENCY = 12
    TIMESTAMP = 13
    PROTO = 14
    USER_COOKIE = 15
    SAMPLE_PROBABILITY = 16


PSAMPLE = AttributeSet(
    "PSAMPLE",
    {
        PacketSampleAttr.IIFINDEX: U16,
        PacketSampleAttr.OIFINDEX: U16,
        PacketSampleAttr.ORIGSIZE: U32,
        PacketSampleAttr.SAMPLE_GROUP: U32,
        PacketSampleAttr.GROUP_SEQ: U32,
        PacketSampleAttr.SAMPLE_RATE: U32,
        PacketSampleAttr.DATA: BYTES,
        PacketSampleAttr.GROUP_REFCOUNT: U32,
        PacketSampleAttr.TUNNEL: BYTES,
        PacketSampleAttr.PAD: PAD,
        PacketSampleAttr.OUT_TC: U16,
        PacketSampleAttr.OUT_TC_OCC: U64,
        PacketSampleAttr.LATENCY: U64,
        PacketSampleAttr.TIMESTAMP: U64,
        PacketSampleAttr.PROTO: U16,
        PacketSampleAttr.USER_COOKIE: BYTES,
        PacketSampleAttr.SAMPLE_PROBABILITY: FLAG,
    },
)


class Sample(NamedTuple):
    """One packet that was sampled.

    ``group`` says what it is a sample of; ``packet`` is the frame, perhaps cut, without the outermost VLAN tag, which
    the kernel keeps beside a packet (one without an Ethernet header starts with its network header); ``cookie`` is
    that of the action. ``rate`` is a probability of 0 to 2**32 - 1 where ``is_probability``, else one in so many was
    taken. ``length`` is the whole packet's, in bytes; ``protocol`` its EtherType. ``in_ifindex`` and ``out_ifindex``
    are the low 16 bits of interface indexes, None where they are not told; ``tunnel`` is the tunnel's header,
    encoded; ``sequence`` counts the samples of a group that counts them; ``timestamp`` is in nanoseconds since 1970,
    ``latency`` in nanoseconds, ``out_queue`` and ``out_queue_bytes`` are where hardware tells them.
    """

    group: int
    packet: bytes
    cookie: bytes | None = None
    rate: int = ALWAYS
    is_probability: bool = False
    length: int = 0
    protocol: int | None = None
    in_ifindex: int | None = None
    out_ifindex: int | None = None
    sequence: int = 0
    timestamp: int | None = None
    tunnel: bytes | None = None
    out_queue: int | None = None
    out_queue_bytes: int | None = None
    latency: int | None = None

    @property
    def probability(self) -> float:
        """How likely a packet was to be sampled, from 0 to 1."""
        if self.is_probability:
            return self.rate / ALWAYS
        return 1 / self.rate if self.rate else 0.0


def decode_sample(payload: Buffer) -> Sample | None:
    """Return the sample that a message brings, None for a message of another kind; raise `DecodeError`."""
    if unpack_header(payload).command != PacketSampleCmd.SAMPLE:
        return None
    get = PSAMPLE.decode(payload, GENL_HDRLEN).values.get
    packet = get(PacketSampleAttr.DATA, b"")
    return Sample(
        group=get(PacketSampleAttr.SAMPLE_GROUP, 0),
        packet=packet,
        cookie=get(PacketSampleAttr.USER_COOKIE),
        rate=get(PacketSampleAttr.SAMPLE_RATE, ALWAYS),
        is_probability=get(PacketSampleAttr.SAMPLE_PROBABILITY, False),
        length=get(PacketSampleAttr.ORIGSIZE, len(packet)),
        protocol=get(PacketSampleAttr.PROTO),
        in_ifindex=get(PacketSampleAttr.IIFINDEX),
        out_ifindex=get(PacketSampleAttr.OIFINDEX),
        sequence=get(PacketSampleAttr.GROUP_SEQ, 0),
        timestamp=get(PacketSampleAttr.TIMESTAMP),
        tunnel=get(PacketSampleAttr.TUNNEL),
        out_queue=get(PacketSampleAttr.OUT_TC),
        out_queue_bytes=get(PacketSampleAttr.OUT_TC_OCC),
        latency=get(PacketSampleAttr.LATENCY),
    )


_MAX_MESSAGE: Final = 0xFFFF
"""``PSAMPLE_MAX_PACKET_SIZE``: a packet is cut so that all attributes have room in so many bytes."""


def encode_sample(sample: Sample) -> bytes:
    """Return the message for a sample, its attributes in the kernel's order (psample_sample_packet)."""
    before = PSAMPLE.encode(
        {
            PacketSampleAttr.IIFINDEX: None if sample.in_ifindex is None else sample.in_ifindex & 0xFFFF,
            PacketSampleAttr.OIFINDEX: None if sample.out_ifindex is None else sample.out_ifindex & 0xFFFF,
            PacketSampleAttr.SAMPLE_RATE: sample.rate,
            PacketSampleAttr.ORIGSIZE: sample.length,
            PacketSampleAttr.SAMPLE_GROUP: sample.group,
            PacketSampleAttr.GROUP_SEQ: sample.sequence,
            PacketSampleAttr.OUT_TC: sample.out_queue,
            PacketSampleAttr.OUT_TC_OCC: sample.out_queue_bytes,
            PacketSampleAttr.LATENCY: sample.latency,
            PacketSampleAttr.TIMESTAMP: sample.timestamp,
            PacketSampleAttr.PROTO: sample.protocol,
        }
    )
    behind = PSAMPLE.encode(
        {
            PacketSampleAttr.TUNNEL: sample.tunnel,
            PacketSampleAttr.USER_COOKIE: sample.cookie,
            PacketSampleAttr.SAMPLE_PROBABILITY: sample.is_probability,
        }
    )
    packet = sample.packet
    others = len(before) + len(behind)
    if others + align(NLA_HDRLEN + len(packet)) > _MAX_MESSAGE:
        packet = packet[: _MAX_MESSAGE - others - 2 * NLA_HDRLEN]
    data = PSAMPLE.encode({PacketSampleAttr.DATA: packet})
    return pack_header(PacketSampleCmd.SAMPLE, PSAMPLE_GENL_VERSION) + before + data + behind
