"""Whatever a client sends, the userspace datapath answers or passes over it: nothing gets out but refusals."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_REQUEST
from dpif.netlink.message import pack_message, split
from dpif.odp.actions import parse_actions
from dpif.odp.constants import DatapathCmd, FlowCmd, PacketCmd, VportCmd, VportType
from dpif.odp.messages import DatapathRecord, FlowRecord, PacketRecord, Record, VportRecord
from dpif.odp.model.key import FlowKey, parse_match
from dpif.packet import build
from dpif.userspace.devices import FACTORIES
from dpif.userspace.system import UserspaceSystem

DP = 2
"""The number that the first datapath of a system gets."""
A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
PACKETS = [
    build.ethernet(A, B, build.vlan(5, build.tcp("10.0.0.1", "10.0.0.2", 1, 2, b"payload"))),
    build.ethernet(A, B, build.udp("fc00::1", "fc00::2", 1, 2, b"payload")),
    build.ethernet(A, B, build.mpls(5, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"payload"))),
]
KEY, MASK = (
    part.to_bytes()
    for part in parse_match(
        "in_port(0),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),"
        "encap(eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0))"
    )
)
ACTIONS = [
    parse_actions(text).to_bytes()
    for text in (
        "0,pop_vlan,0",
        "set(ipv4(ttl=3)),push_vlan(vid=3,pcp=1),recirc(1)",
        "sample(sample=50%,actions(0)),clone(set(eth(src=02:00:00:00:00:09)),0),trunc(20),0",
        "check_pkt_len(size=60,gt(0),le(drop)),hash(l4(1)),userspace(pid=3,userdata(0102),actions)",
        "pop_eth,push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),dec_ttl(le_1(0)),0",
        "push_mpls(label=1,tc=0,ttl=3,bos=1,eth_type=0x8847),pop_mpls(eth_type=0x800),0",
    )
]
REQUESTS: list[Record] = [
    *(FlowRecord(command=c, dp_ifindex=DP, key=KEY, mask=MASK, actions=a) for c in FlowCmd for a in ACTIONS),
    *(FlowRecord(command=c, dp_ifindex=DP, key=KEY, actions=b"", ufid=b"name") for c in FlowCmd),
    *(
        PacketRecord(command=PacketCmd.EXECUTE, dp_ifindex=DP, packet=p, key=FlowKey(in_port=0).to_bytes(), actions=a)
        for p in PACKETS
        for a in ACTIONS
    ),
    *(
        VportRecord(command=c, dp_ifindex=DP, name="p1", type=VportType.INTERNAL, upcall_pid=(0,), port_no=1)
        for c in VportCmd
    ),
    *(
        DatapathRecord(command=c, name="dp1", upcall_pid=1, user_features=8, per_cpu_pids=(1,), masks_cache_size=8)
        for c in DatapathCmd
    ),
]
FLAGS = st.sampled_from([0, NLM_F_ACK, NLM_F_ECHO, NLM_F_CREATE | NLM_F_ACK, NLM_F_DUMP])

changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3)
request = st.tuples(st.sampled_from(REQUESTS), FLAGS, changes, st.one_of(st.none(), st.integers(0, 400)))


@given(st.lists(request, min_size=1, max_size=6), st.lists(st.sampled_from(PACKETS), max_size=3))
def test_any_request_is_answered_and_the_datapath_goes_on(
    requests: list[tuple[Record, int, list[tuple[int, int]], int | None]], packets: list[bytes]
) -> None:
    with UserspaceSystem() as system, Connection(system.transport) as connection:
        system.namespace.factories = {VportType.INTERNAL: FACTORIES[VportType.INTERNAL]}  # nothing of the host's
        connection.transact(DatapathRecord(command=DatapathCmd.NEW, name="dp0", upcall_pid=0).request("create"))
        transport = system.transport()
        for record, flags, spoilt, end in requests:
            payload = bytearray(record.to_payload())
            for at, value in spoilt:
                payload[at % len(payload)] = value
            type_id = connection.family(record.FAMILY).id
            transport.send(pack_message(type_id, NLM_F_REQUEST | flags, 1, transport.port_id, bytes(payload[:end])))
            with contextlib.suppress(BlockingIOError):
                while True:
                    list(split(transport.recv(0)))
            for packet in packets:
                system.device("dp0").send(packet)
        list(connection.dump(DatapathRecord(command=DatapathCmd.GET).request("list")))
        transport.close()
