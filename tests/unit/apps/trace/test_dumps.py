"""What happens to packets through the flows of dumps from the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpif import parse_flow
from dpif.apps.trace import Lookup, Table, data, packet_of_key, results, tell, trace
from dpif.apps.trace.answers import connection, state

DUMPS = Path(__file__).parents[3] / "golden" / "dumps"
_NAMES = (
    "p0 p1 p2 eth0 eth1 br-int int-br gre_sys vxlan_sys_4789 tap0e778df8-ca ens7 br-data fg-c8dcce74-c4 "
    "qg-14f81a43-69 qr-3a70b31c-3f sg-189f4c40-9d ha-550dc175-c0"
)
NUMBERS = {name: number for number, name in enumerate(_NAMES.split(), 1000)}
PORTS = {number: name for name, number in NUMBERS.items()}

ANTREA = "in_port(6),eth(src=be:2c:bf:e4:ec:c5,dst=4e:99:08:c1:53:be),ipv4(src=10.222.1.48,dst=10.96.0.10),tcp()"
PING = (
    "in_port(5),eth(src=02:d4:1d:8c:d9:9b,dst=02:d4:1d:8c:d9:9e),"
    "ipv4(src=10.0.0.10,dst=20.0.0.100,ttl=64),icmp(type=8)"
)
TO_BALANCER = (
    "in_port(8),eth(src=ba:1e:14:c9:ca:dd,dst=02:d4:1d:8c:ff:01),"
    "ipv4(src=80.1.1.1,dst=192.168.77.99,ttl=64),tcp(dst=99)"
)


def traced(name: str, packet: str, *ct_next: str) -> Lookup:
    lines = (DUMPS / f"{name}.txt").read_text().splitlines()
    flows = [parse_flow(line, NUMBERS) for line in lines if not line.startswith("#")]
    return trace(flows, packet_of_key(packet, NUMBERS), ct_next=map(state, ct_next))


def told(lookup: Lookup) -> list[tuple[list[int], str]]:
    """Return where the branches end, by the recirculation ids on the way."""
    ids = {step.number: one.recirc_id for one in lookup.walk() for step in one.steps}
    return [([ids[step] for step in result.steps], result.outcome) for result in results(lookup, PORTS, is_dump=True)]


def misses(recirc_id: int, other: bool = True) -> str:
    which = "other flow" if other else "flow"
    place = f"recirc_id({recirc_id:#x})"
    return f"no {which} of {place} matches in this dump; if it is complete, the packet goes up to user space"


def test_conntrack_branches_as_far_as_flows_tell_it_apart() -> None:
    lookup = traced("antrea-node", ANTREA)
    assert told(lookup) == [
        ([0, 0x22D65], "out of port 2"),
        ([0, 0x22D65, 0x22D66], "out of port 2"),
        ([0], misses(0x22D65)),
    ]
    assert [result.conditions for result in results(lookup)] == [
        ("ct_state(-new-inv),ct_mark(0)",),
        ("ct_state(+new-inv),ct_mark(0)",),
        (),
    ]


def test_answers_choose_a_branch() -> None:
    assert told(traced("antrea-node", ANTREA, "new")) == [
        ([0, 0x22D65, 0x22D66], "out of port 2"),
        ([0], misses(0x22D65)),  # its mark is not known
    ]


def test_a_translated_address_is_known_by_the_flows_that_match_it() -> None:
    lookup = traced("ovn-lb-ping-established", PING)
    way, outcome = told(lookup)[0]
    assert (way, outcome) == ([0, 0x117, 0x11C, 0x119, 0x11D], "out of port 3")
    lines = list(tell(lookup))
    unfolded = "".join(line.strip() for line in lines)
    assert ">> eth(src=02:d4:1d:8c:d9:9f,dst=02:d4:1d:8c:d9:9d),eth_type(0x0800)" in unfolded
    assert "ipv4(src=10.0.0.10,dst=20.0.0.10,proto=1," in unfolded
    assert max(map(len, lines)) <= 100
    new = traced("ovn-lb-ping-established", PING, "new")
    assert told(new) == [([0], misses(0x117, other=False))]
    ((lookup_of_new),) = [one for one in new.walk() if one.recirc_id == 0x117]
    assert lookup_of_new.miss is not None
    (near,) = lookup_of_new.miss.nearest
    assert lookup_of_new.miss.packet.origin(near.first) == "--ct-next"


def test_a_new_connection_is_translated_where_it_is_committed() -> None:
    lookup = traced("ovn-lb-dnat-select", TO_BALANCER)
    ends = [end for end in told(lookup) if end[1].startswith("out")]
    assert ends == [
        ([0, 0x75, 0x76], "out of port 5"),
        ([0, 0x75, 0x76], "out of port 3"),
        ([0, 0x75, 0x76], "out of port 5"),
    ]
    (new,) = [end for end in told(traced("ovn-lb-dnat-select", TO_BALANCER, "new")) if end[1].startswith("out")]
    assert new == ([0, 0x75, 0x76], "out of port 5")


def test_the_kernel_tracks_no_neighbour_solicitation() -> None:
    packet = "in_port(p1),eth(),ipv6(src=fe80::1),icmpv6(type=135)"
    assert told(traced("icmpv6-ns-no-offload", packet)) == [([0, 1], "out of port p2")]


def test_state_is_kept_within_a_zone_and_lost_between_zones() -> None:
    ends = "eth(src=0a:00:00:00:00:04,dst=00:00:00:55:8d:0a),ipv4(src=10.244.1.3,dst=8.8.8.8,ttl=64)"
    packet = f"in_port(6),{ends},icmp(type=8)"
    way, outcome = told(traced("ovn-k8s-south-north", packet))[0]
    assert (way, outcome) == ([0, 0xC69, 0xC71, 0xC6A, 0xC72, 0xC6B, 0xC6C], "out of port 5")


def test_a_part_of_the_flows_says_nothing_of_the_others() -> None:
    packet = "in_port(eth0),eth(src=16:fd:c6:0b:60:52,dst=42:66:d7:45:0d:7e),ipv4(src=192.168.1.17,dst=192.168.1.16)"
    assert told(traced("antrea-offload-ovs", packet)) == [([0, 0x18], "out of port eth1"), ([0], misses(0x18))]
    assert told(traced("antrea-offload-ovs", packet, "new")) == [([0], misses(0x18, other=False))]


def test_a_loop_ends_and_two_flows_that_match_are_told() -> None:
    lookup = traced("mpls-dphash-loop", "in_port(2),eth(),mpls(label=22,tc=0,ttl=64,bos=1)")
    assert any(outcome.startswith("a loop") for _, outcome in told(lookup))
    assert any(step.rivals for one in lookup.walk() for step in one.steps)


def test_a_tunnel_gives_back_what_is_within() -> None:
    packet = "in_port(p0),eth(src=aa:bb:cc:00:00:02,dst=aa:bb:cc:00:00:01),ipv4(src=20.0.0.2,dst=20.0.0.1,proto=47)"
    way, outcome = told(traced("netdev-tnl-pop-mpls", packet))[0]
    assert (way, outcome) == ([0, 0, 1], "out of port int-br")


def test_each_port_gets_the_packet_as_it_is_then() -> None:
    lookup = traced("vxlan-flood", "in_port(11),eth(src=fa:16:3e:8b:45:66,dst=fa:16:3e:6d:d9:53),ipv4(tos=0)")
    (step,) = lookup.steps
    outputs = [effect for effect in step.effects if effect.kind == "output"]
    assert [(effect.port, "vlan(vid=2" in effect.packet.bytes_text()) for effect in outputs] == [
        (3, False), (36, False), (12, True), (33, False), (21, False), (7, False)
    ]  # fmt: skip
    assert [effect.port for effect in outputs if effect.tunnel is not None] == [3]


def test_a_sosreport_floods_a_new_connection() -> None:
    packet = (
        "in_port(tap0e778df8-ca),eth(src=fa:16:3e:a7:45:cb,dst=fa:16:3e:50:61:70),"
        "ipv4(src=192.168.21.18,dst=192.168.21.2,tos=0),udp(src=40198,dst=53)"
    )
    way, outcome = told(traced("openstack-sosreport", packet, "new"))[0]
    assert way == [0, 6]
    assert outcome == "out of ports vxlan_sys_4789 (tunnel), br-int, qr-3a70b31c-3f, sg-189f4c40-9d"
    assert told(traced("openstack-sosreport", packet, "est|rpl")) == [([0], misses(6, other=False))]


def test_what_is_known_of_a_connection_decides_in_its_zone_alone() -> None:
    lines = (DUMPS / "antrea-node.txt").read_text().splitlines()
    flows = [parse_flow(line, NUMBERS) for line in lines if not line.startswith("#")]
    known = dict([connection("zone=65520,state=new,mark=0")])
    lookup = trace(flows, packet_of_key(ANTREA), connections=known)
    assert told(lookup) == [([0, 0x22D65, 0x22D66], "out of port 2")]
    other = dict([connection("zone=1,state=new,mark=0")])
    assert len(told(trace(flows, packet_of_key(ANTREA), connections=other))) == 3


@pytest.mark.parametrize("name", sorted(path.stem for path in DUMPS.glob("*.txt")))
def test_every_flow_is_taken_by_a_packet_like_it(name: str) -> None:
    lines = (DUMPS / f"{name}.txt").read_text().splitlines()
    names = {**NUMBERS, **{f"p{number}": 2000 + number for number in range(5)}, "br0": 2010, "genev_sys_6081": 2011}
    flows = [parse_flow(line, names) for line in lines if not line.startswith("#")]
    table = Table(flows)
    for flow in flows:
        lookup = trace(table, packet_of_key(flow.key.format(flow.mask)))
        assert flow in [step.flow for step in lookup.steps], str(flow)
        assert data(lookup)["packet"]
        assert max(map(len, tell(lookup))) <= 140
