"""The keys that `extract` gives are those of the kernel's upcalls, to the last byte.

Two mistakes in reading IPv6 extension headers are there in some kernels and mended in others, stable releases
included: which, is found out by a packet for each.

Packets are real ones, packets of every kind that a key knows, and mutations of both. ``DPIF_EXTRACT_MUTATIONS``
says how many of each (1 unless told), ``DPIF_EXTRACT_SEED`` makes other ones.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from dpif.client import Datapath
from dpif.errors import NetlinkError
from dpif.netlink.attributes import attribute
from dpif.netlink.exchange import Request, Subscription
from dpif.odp.constants import OVS_PACKET_FAMILY, ActionAttr, PacketCmd, UserspaceAttr
from dpif.odp.extraction import extract, extract_for
from dpif.odp.kernel.emit import to_key
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.messages import PacketRecord
from dpif.odp.model.key import FlowKey, parse_key
from dpif.packet.capture import read
from dpif.packet.constants import IPPROTO_AH, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS
from dpif.testing import odd_packets
from dpif.testing.kernel import KernelHarness
from dpif.testing.waiting import PATIENCE

CAPTURES = Path(__file__).parent.parent / "captures"
SEED = int(os.environ.get("DPIF_EXTRACT_SEED", "1"))
MUTATIONS = int(os.environ.get("DPIF_EXTRACT_MUTATIONS", "1"))
LONGEST = 1500
AT_ONCE = 64
LAB = [
    Features(ct_zones=False, ah_follows_fragment=follows, exthdrs_must_fit=must_fit)
    for follows in (False, True)
    for must_fit in (False, True)
]


def ipv6(next_header: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB32x", 6 << 28, len(payload), next_header, 64)
    return bytes.fromhex("02000000000202000000000186dd") + header + payload


TELLING = [
    ipv6(IPPROTO_FRAGMENT, bytes([IPPROTO_AH, 0, 0, 1, 0, 0, 0, 9]) + bytes([17, 4]) + bytes(30)),
    ipv6(IPPROTO_HOPOPTS, bytes([17, 200]) + bytes(14)),
]
"""An authentication header behind a fragment header, and options that are longer than the packet."""


@pytest.fixture(scope="module")
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


class Judge:
    """Sends packets down with a ``userspace`` action, and compares what comes up with what was expected."""

    def __init__(self, dp: Datapath) -> None:
        self.dp = dp
        self.transport = dp.connection.dial()
        self.subscription = Subscription(dp.connection.family(OVS_PACKET_FAMILY).id, PacketRecord.from_reply)
        pid = attribute(UserspaceAttr.PID, struct.pack("=I", self.transport.port_id))
        self.actions = attribute(ActionAttr.USERSPACE, pid)
        (self.features,) = [features for features in LAB if not self._misread(features)]

    def _misread(self, features: Features) -> list[str]:
        self.features = features
        return self.differences(TELLING, FlowKey(in_port=0))

    def differences(self, packets: list[bytes], metadata: FlowKey) -> list[str]:
        """Return a line for each packet that the kernel reads otherwise."""
        found = []
        for start in range(0, len(packets), AT_ONCE):
            some = packets[start : start + AT_ONCE]
            requests = [self._request(packet, metadata) for packet in some]
            for packet, answer in zip(some, self.dp.connection.batch(requests), strict=True):
                kernel = self._errno(answer) or self._upcall()
                model = self._model(packet, metadata)
                if kernel != model:
                    found.append(f"{packet.hex()}: kernel {kernel!r}, model {model!r}")
        return found

    def _request(self, packet: bytes, metadata: FlowKey) -> Request[PacketRecord]:
        record = PacketRecord(
            command=PacketCmd.EXECUTE,
            dp_ifindex=self.dp.ifindex,
            packet=packet,
            key=metadata.to_bytes(),
            actions=self.actions,
        )
        return record.request("executing")

    def _errno(self, answer: object) -> int | None:
        return answer.errno if isinstance(answer, NetlinkError) else None

    def _upcall(self) -> bytes | None:
        (record,) = self.subscription.feed(self.transport.recv(PATIENCE))
        assert isinstance(record, PacketRecord)
        return record.key

    def _model(self, packet: bytes, metadata: FlowKey) -> bytes | int:
        try:
            return to_key(extract_for(packet, metadata, self.features), self.features).to_bytes()
        except RuleBroken as broken:
            return broken.errno


@pytest.fixture(scope="module")
def judge(harness: KernelHarness) -> Iterator[Judge]:
    made = Judge(harness.open("xk0", create=True))
    yield made
    made.transport.close()


def with_mutations(packets: list[bytes]) -> list[bytes]:
    random = Random(SEED)
    return [variant for packet in packets for variant in (packet, *odd_packets.mutations(packet, random, MUTATIONS))]


@pytest.mark.parametrize("capture", ["dnscap", "tcpdump"])
def test_real_packets(judge: Judge, capture: str) -> None:
    packets = [bytes(packet.data[:LONGEST]) for packet in read(CAPTURES / f"{capture}.pcap")]
    assert len(packets) > 100
    assert judge.differences(with_mutations(packets), FlowKey(in_port=0)) == []


def test_packets_of_every_kind(judge: Judge) -> None:
    packets = with_mutations(odd_packets.packets(Random(SEED)))
    assert judge.differences(packets, FlowKey(in_port=0)) == []


@pytest.mark.parametrize("eth_type", [0x0800, 0x86DD, 0x8847, 0x8848, 0x0806, 0x894F, 0x8100, 0x88A8, 0x1234])
def test_packets_without_an_ethernet_header(judge: Judge, eth_type: int) -> None:
    packets = [packet[14:] for packet in odd_packets.packets(Random(SEED), ipv6=50) if len(packet) >= 28]
    assert judge.differences(packets, FlowKey(in_port=0, eth_type=eth_type)) == []


@pytest.mark.parametrize(
    "metadata",
    [
        "skb_priority(5),in_port(3),skb_mark(7),recirc_id(0x9),dp_hash(0xb)",
        "ct_state(est|trk),ct_mark(0x5),ct_label(0x123456789abcdef)",
        "ct_state(est|trk),ct_tuple4(src=10.0.0.1,dst=10.0.0.2,proto=6,tp_src=1,tp_dst=2)",
        "ct_state(est|trk),ct_tuple6(src=::1,dst=::2,proto=6,tp_src=1,tp_dst=2)",
        "tunnel(src=10.0.0.1,dst=10.0.0.2,tos=0x4,ttl=64,tp_src=1,tp_dst=2,flags(df|csum)),in_port(1)",
        "tunnel(ipv6_src=::1,ipv6_dst=::2,ttl=64,flags(0)),in_port(1)",
        "tunnel(dst=10.0.0.1),in_port(1)",
        "in_port(70000)",
        "",
    ],
)
def test_metadata_is_taken_over(judge: Judge, metadata: str) -> None:
    packets = odd_packets.packets(Random(SEED), ipv6=50)
    assert judge.differences(packets, parse_key(metadata)) == []


def test_a_packet_that_misses(harness: KernelHarness, judge: Judge) -> None:
    """From a device the kernel takes the outer VLAN tag out of the packet; the key has it all the same."""
    dp = harness.open("xk1", create=True)
    host = harness.host("xkv")
    port = dp.ports.add(host.name)
    packets = [packet.data for packet in read(CAPTURES / "dnscap.pcap")][:100]
    tagged = [
        packet[:12] + bytes.fromhex(tag) + packet[12:] for packet in packets for tag in ("81000000", "88a8e005")
    ]
    double = [packet[:12] + bytes.fromhex("88a8200181002002") + packet[12:] for packet in packets]
    with dp.upcalls() as upcalls:
        for packet in [*packets, *tagged, *double]:
            host.send(bytes(packet))
            (upcall,) = upcalls.poll(2.0)
            assert upcall.record.key == extract(packet, port.number, features=judge.features).to_bytes()
