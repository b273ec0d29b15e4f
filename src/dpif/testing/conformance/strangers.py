"""Attributes that no datapath knows: refused within keys and actions, passed over where netlink is lenient."""

from __future__ import annotations

import contextlib
import errno
import struct

import pytest

from dpif._typing import TypeAlias
from dpif.client import Datapath
from dpif.netlink.attributes import attribute, walk
from dpif.netlink.constants import NLM_F_CREATE
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.actions import parse_actions
from dpif.odp.constants import (
    ActionAttr,
    CheckPktLenAttr,
    CtAttr,
    CtLimitCmd,
    DatapathCmd,
    DecTtlAttr,
    FlowAttr,
    FlowCmd,
    KeyAttr,
    MeterCmd,
    PacketAttr,
    PacketCmd,
    SampleAttr,
    TunnelKeyAttr,
    VportAttr,
    VportCmd,
    VportType,
)
from dpif.odp.messages import (
    CtLimitRecord,
    DatapathRecord,
    FlowRecord,
    MeterRecord,
    PacketRecord,
    Record,
    VportRecord,
    ZoneLimit,
)
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.model.key import parse_match
from dpif.testing.conformance.harness import Harness, refused, two_ports
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW

Path: TypeAlias = tuple[int, ...]
"""The numbers of the attributes in which an attribute lies, from the outermost in."""
STRANGERS = [attribute(number, payload) for number in (60, 0x3FFE) for payload in (b"", bytes(4), b"\1\2\3\4")]
KEY, MASK, ACTIONS = FlowAttr.KEY, FlowAttr.MASK, FlowAttr.ACTIONS

_TAGGED = "in_port(1),eth(),eth_type(0x8100),vlan(vid=5),encap(eth_type(0x0800),ipv4())"
_TUNNELLED = "tunnel(tun_id=1,dst=1.1.1.1,ttl=64,vxlan(gbp(id=1,flags=0)),flags(key)),eth(),eth_type(0x0806),arp()"
_NSH = "eth(),eth_type(0x894f),nsh(mdtype=1,np=3,spi=1,si=255,c1=1,c2=0,c3=0,c4=0)"
_SET_TUNNEL = "set(tunnel(tun_id=0x1,dst=1.1.1.1,ttl=64,vxlan(gbp(id=1,flags=0))))"
_PUSH_NSH = "push_nsh(flags=0,ttl=63,mdtype=1,np=1,spi=0x1,si=255,c1=0,c2=0,c3=0,c4=0)"
_GREATER = CheckPktLenAttr.ACTIONS_IF_GREATER

REFUSED: list[tuple[str, str, Path]] = [
    (UDP4_FLOW, "2", (KEY,)),
    (UDP4_FLOW, "2", (MASK,)),
    (UDP4_FLOW, "2", (ACTIONS,)),
    (_TAGGED, "2", (KEY, KeyAttr.ENCAP)),
    (_TAGGED, "2", (MASK, KeyAttr.ENCAP)),
    (_TUNNELLED, "2", (KEY, KeyAttr.TUNNEL)),
    (_TUNNELLED, "2", (MASK, KeyAttr.TUNNEL)),
    (_TUNNELLED, "2", (KEY, KeyAttr.TUNNEL, TunnelKeyAttr.VXLAN_OPTS)),
    (_TUNNELLED, "2", (MASK, KeyAttr.TUNNEL, TunnelKeyAttr.VXLAN_OPTS)),
    (_NSH, "2", (KEY, KeyAttr.NSH)),
    (_NSH, "2", (MASK, KeyAttr.NSH)),
    (UDP4_FLOW, "set(ipv4(ttl=4))", (ACTIONS, ActionAttr.SET_MASKED)),
    (UDP4_FLOW, _SET_TUNNEL, (ACTIONS, ActionAttr.SET)),
    (UDP4_FLOW, _SET_TUNNEL, (ACTIONS, ActionAttr.SET, KeyAttr.TUNNEL)),
    (UDP4_FLOW, _SET_TUNNEL, (ACTIONS, ActionAttr.SET, KeyAttr.TUNNEL, TunnelKeyAttr.VXLAN_OPTS)),
    (UDP4_FLOW, _PUSH_NSH, (ACTIONS, ActionAttr.PUSH_NSH)),
    (UDP4_FLOW, _PUSH_NSH, (ACTIONS, ActionAttr.PUSH_NSH, KeyAttr.NSH)),
    (UDP4_FLOW, "ct(commit,nat(src=10.0.0.9))", (ACTIONS, ActionAttr.CT)),
    (UDP4_FLOW, "ct(commit,nat(src=10.0.0.9))", (ACTIONS, ActionAttr.CT, CtAttr.NAT)),
    (UDP4_FLOW, "sample(sample=50%,actions(2))", (ACTIONS, ActionAttr.SAMPLE)),
    (UDP4_FLOW, "sample(sample=50%,actions(2))", (ACTIONS, ActionAttr.SAMPLE, SampleAttr.ACTIONS)),
    (UDP4_FLOW, "clone(2)", (ACTIONS, ActionAttr.CLONE)),
    (UDP4_FLOW, "check_pkt_len(size=99,gt(2),le(1))", (ACTIONS, ActionAttr.CHECK_PKT_LEN)),
    (UDP4_FLOW, "check_pkt_len(size=99,gt(2),le(1))", (ACTIONS, ActionAttr.CHECK_PKT_LEN, _GREATER)),
    (UDP4_FLOW, "dec_ttl(le_1(2))", (ACTIONS, ActionAttr.DEC_TTL, DecTtlAttr.ACTION)),
]
"""A match, actions, and a place in them where an attribute that is not known is refused."""
PASSED_OVER: list[tuple[str, str, Path]] = [
    (UDP4_FLOW, "dec_ttl(le_1(2))", (ACTIONS, ActionAttr.DEC_TTL)),
    (UDP4_FLOW, "2", ()),
]


def with_stranger(attributes: bytes, path: Path, stranger: bytes) -> bytes:
    """Return attributes with one more, behind the others of the nest that `path` leads to."""
    if not path:
        return attributes + stranger
    parts = []
    for number, start, end in walk(attributes):
        inside = attributes[start:end]
        parts.append(attribute(number, with_stranger(inside, path[1:], stranger) if number == path[0] else inside))
    return b"".join(parts)


def send(dp: Datapath, record: Record, path: Path = (), stranger: bytes = b"", flags: int = 0) -> None:
    """Send a request with a stranger in it."""
    payload = record.to_payload()
    body = payload[:OVS_HDRLEN] + with_stranger(payload[OVS_HDRLEN:], path, stranger)
    dp.connection.transact(Request(RequestKind(record.FAMILY, bytes, "trying", flags), body))


def a_flow(dp: Datapath, match: str, actions: str = "2") -> FlowRecord:
    """Return the request for a new flow."""
    key, mask = parse_match(match)
    return FlowRecord(
        command=FlowCmd.NEW,
        dp_ifindex=dp.ifindex,
        key=key.to_bytes(),
        mask=mask.to_bytes(),
        actions=parse_actions(actions).to_bytes(),
    )


class Strangers:
    """A made-up attribute in every place where there are attributes."""

    def test_refused_in_flows(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for match, actions, path in REFUSED:
            record = a_flow(dp, match, actions)
            send(dp, record, flags=NLM_F_CREATE)
            dp.flows.flush()
            for stranger in STRANGERS:
                with refused(errno.EINVAL, f"{match} {actions} with {stranger.hex()} in {path}"):
                    send(dp, record, path, stranger, NLM_F_CREATE)
        assert list(dp.flows) == []

    def test_in_flows_where_they_do_not_matter(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for match, actions, path in PASSED_OVER:
            for stranger in STRANGERS:
                send(dp, a_flow(dp, match, actions), path, stranger)

    def test_in_userspace(self, harness: Harness) -> None:
        """Newer kernels refuse them."""
        dp, _, _ = two_ports(harness)
        record = a_flow(dp, UDP4_FLOW, "userspace(pid=5)")
        is_strict = "strict_userspace" in harness.capabilities
        for stranger in STRANGERS:
            with refused(errno.EINVAL, stranger.hex()) if is_strict else contextlib.nullcontext():
                send(dp, record, (ACTIONS, ActionAttr.USERSPACE), stranger)

    @pytest.mark.parametrize("command", [FlowCmd.GET, FlowCmd.SET, FlowCmd.DEL])
    def test_refused_in_keys_that_name_flows(self, harness: Harness, command: FlowCmd) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(UDP4_FLOW, "2")
        record = FlowRecord(command=command, dp_ifindex=dp.ifindex, key=parse_match(UDP4_FLOW)[0].to_bytes())
        for stranger in STRANGERS:
            with refused(errno.EINVAL, stranger.hex()):
                send(dp, record, (KEY,), stranger)
        send(dp, record, (), STRANGERS[0])

    def test_in_packets_that_are_executed(self, harness: Harness) -> None:
        """A key's other attributes do not matter there, which ones there are does."""
        dp, _, second = two_ports(harness)
        record = PacketRecord(
            command=PacketCmd.EXECUTE,
            dp_ifindex=dp.ifindex,
            packet=UDP4,
            key=parse_match("tunnel(tun_id=1,dst=1.1.1.1,ttl=64,flags(key)),in_port(1)")[0].to_bytes(),
            actions=parse_actions("2").to_bytes(),
        )
        for stranger in STRANGERS:
            for path in ((PacketAttr.KEY,), (PacketAttr.KEY, KeyAttr.TUNNEL), (PacketAttr.ACTIONS,)):
                with refused(errno.EINVAL, stranger.hex()):
                    send(dp, record, path, stranger)
            send(dp, record, (), stranger)
            assert second.recv() == UDP4

    def test_passed_over_in_other_requests(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        here = dp.ifindex
        port = VportRecord(command=VportCmd.NEW, dp_ifindex=here, type=VportType.VXLAN, name="vx0", upcall_pid=(5,))
        limit = (ZoneLimit(5, 7),)
        for stranger in STRANGERS:
            for record in (
                DatapathRecord(command=DatapathCmd.GET, dp_ifindex=here),
                DatapathRecord(command=DatapathCmd.SET, dp_ifindex=here, user_features=0),
                VportRecord(command=VportCmd.GET, dp_ifindex=here, port_no=1),
                VportRecord(command=VportCmd.SET, dp_ifindex=here, port_no=1, upcall_pid=(5,)),
                MeterRecord(command=MeterCmd.FEATURES, dp_ifindex=here),
                CtLimitRecord(command=CtLimitCmd.SET, dp_ifindex=here, zone_limit=limit),
                CtLimitRecord(command=CtLimitCmd.GET, dp_ifindex=here),
                CtLimitRecord(command=CtLimitCmd.DEL, dp_ifindex=here, zone_limit=limit),
            ):
                send(dp, record, (), stranger)
            options = attribute(VportAttr.OPTIONS, attribute(1, struct.pack("=H", 4789)) + stranger)
            send(dp, port, (), options + stranger)
            dp.ports.delete("vx0")
