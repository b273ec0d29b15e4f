"""Filters in the fields of OpenFlow: which flows agree with them, and how they say what is wrong.

That they pick what ``ovs-dpctl`` picks is tested with both, on the kernel (``tests/kernel/cli_scenario.txt``).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from dpif.errors import ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.filter.language import parse_filter
from dpif.odp.filter.openflow import is_openflow
from dpif.odp.model.key import FlowKey, FlowMask, parse_match


class Sample(NamedTuple):
    """A flow as a filter reads it."""

    key: FlowKey | None
    mask: FlowMask | None
    actions: Actions | None = parse_actions("1")
    packets: int = 5
    bytes: int = 500
    tcp_flags: int = 0
    used: float | None = None
    ufid: bytes | None = None


FLOWS = {
    name: Sample(*parse_match(text))
    for name, text in {
        "web": "in_port(3),eth(),eth_type(0x0800),ipv4(dst=10.1.0.0/255.255.0.0,proto=6,frag=no),tcp(dst=80)",
        "web6": "in_port(3),eth(),eth_type(0x86dd),ipv6(proto=6,tclass=0x28/0xfc,frag=no),tcp(dst=80)",
        "dns": "in_port(4),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)",
        "any": "eth(),eth_type(0x88b5/0)",
        "arp": "in_port(4),eth(),eth_type(0x0806),arp(op=1,sip=10.0.0.1)",
        "tagged": "eth(),eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x0800),ipv4(proto=6),tcp(dst=22))",
        "tags": "eth(),eth_type(0x88a8),vlan(vid=5,pcp=0),"
        "encap(eth_type(0x8100),vlan(vid=6,pcp=0),encap(eth_type(0x86dd)))",
        "open tag": "eth(),eth_type(0x8100),vlan(vid=5/0,pcp=3),encap(eth_type(0x0800/0))",
        "tunnel": "recirc_id(7),tunnel(tun_id=0x7,src=1.2.3.4,ttl=64),in_port(9),"
        "eth(),eth_type(0x8847),mpls(label=9)",
        "routed": "in_port(3),eth_type(0x0800),ipv4(proto=17)",
        "tracked": "ct_state(+trk+est-new),ct_mark(0x10/0xf0),eth(),eth_type(0x0800)",
    }.items()
}
UNTAGGED = {"web", "web6", "dns", "any", "arp", "tunnel", "routed", "tracked"}
IP = {"web", "dns", "any", "tagged", "open tag", "routed", "tracked"}


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("", set(FLOWS)),
        ("ip", IP),
        ("tcp", IP - {"dns", "routed"}),
        ("tcp,tp_dst=80", IP - {"dns", "routed", "tagged"}),
        ("tcp tp_dst=81", IP - {"dns", "routed", "tagged", "web"}),
        ("tcp6,tcp_dst=80", {"web6", "any", "tags", "open tag"}),
        ("ip,nw_dst=10.1.2.3", IP),
        ("ip,nw_dst=10.2.2.3", IP - {"web"}),
        ("ip,nw_dst=10.0.0.0/8", IP),
        ("ip,nw_dst=11.0.0.0/255.0.0.0", IP - {"web"}),
        ("udp,tp_dst=53,in_port=eth4", {"dns", "any", "open tag", "tracked"}),
        ("ipv6,nw_tos=0x2b", {"web6", "any", "tags", "open tag"}),
        ("ipv6,ip_dscp=11", {"any", "tags", "open tag"}),
        ("arp,arp_spa=10.0.0.1,arp_op=1", {"arp", "any", "open tag"}),
        ("arp,arp_spa=10.0.0.2", {"any", "open tag"}),
        ("dl_type=0x88b5", {"any", "open tag"}),
        ("dl_src=02:00:00:00:00:02", set(FLOWS) - {"dns"}),
        ("dl_vlan=5", {"tagged", "open tag"}),
        ("dl_vlan=6", {"open tag"}),
        ("dl_vlan=0xffff", UNTAGGED),
        ("vlan_tci=0", UNTAGGED),
        ("vlan_vid=0x1005", {"tagged", "open tag"}),
        ("dl_vlan_pcp=3,dl_vlan=5/1", {"tagged", "open tag"}),
        ("dl_vlan_pcp=2", set()),
        ("in_port(9),recirc_id:7", {"tunnel"}),
        ("recirc_id=0", set(FLOWS) - {"tunnel"}),
        ("tun_id=8", set(FLOWS) - {"tunnel"}),
        ("tun_tos=1,tun_id=7,tun_src=1.2.3.4", set(FLOWS)),
        ("mpls,mpls_label=9", {"tunnel", "any", "open tag"}),
        ("mpls,mpls_label=8", {"any", "open tag"}),
        ("ct_state=+trk-new,ct_mark=0x1f", set(FLOWS)),
        ("ct_state=+new", set(FLOWS) - {"tracked"}),
        ("ct_mark=0x20", set(FLOWS) - {"tracked"}),
        ("ip,ip_frag=later", IP - {"web", "dns"}),
        ("packet_type=(0,0)", set(FLOWS) - {"routed"}),
        ("ip, packet_type=(1,0x800)", {"routed"}),
        ("packet_type=(1,0x86dd)", set()),
        ("in_port=LOCAL,ip", IP - {"web", "dns", "routed"}),
        ("in_port=none,ip", IP - {"web", "dns", "routed"}),
        ("in_port=CONTROLLER", set(FLOWS) - {"web", "web6", "dns", "arp", "tunnel", "routed"}),
    ],
)
def test_what_agrees(text: str, picked: set[str]) -> None:
    wanted = parse_filter(text, {"eth4": 4}) if text else None
    assert {name for name, sample in FLOWS.items() if wanted is None or wanted.matches(sample)} == picked


def test_a_tunnel_lacks_what_is_zero() -> None:
    key, mask = parse_match("tunnel(tun_id=0x7,tos=0),in_port(9),eth(),eth_type(0x0800)")
    assert key.tunnel is not None
    sample = Sample(key.replace(tunnel=key.tunnel.replace(tos=None)), mask)
    assert not parse_filter("tun_tos=1").matches(sample)
    assert parse_filter("tun_tos=0").matches(sample)


def test_a_packet_without_ethertype() -> None:
    sample = Sample(*parse_match("in_port(1),eth(),eth_type(0x05ff)"))
    assert not parse_filter("ip").matches(sample._replace(key=FlowKey(in_port=1, eth=sample.key and sample.key.eth)))


@pytest.mark.parametrize(
    "text", ["tcp", " arp ", "tcp,udp", "in_port=1", "in_port(1)", "x:1 y", "tcp,tp_dst=80/0xff"]
)
def test_what_is_openflow(text: str) -> None:
    assert is_openflow(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "in_port",
        "nsh",
        "in_port==1",
        "in_port == 1",
        "in_port = 1",
        "tcp and udp",
        "not(tcp)",
        "packets>=1",
        "tcp x",
    ],
)
def test_what_is_not(text: str) -> None:
    assert not is_openflow(text)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("tcp,tp_dts=80", 4, "did you mean 'tp_dst'"),
        ("tcp,bogus=80", 4, "fields are those of OpenFlow"),
        ("packets=80", 0, "write 'packets == VALUE'"),
        ("tcp,reg0=5", 4, "no field of a datapath's flow"),
        ("tp_dst=80", 0, "tcp, udp or sctp (with a 6 behind it for IPv6), as in"),
        ("ip,tcp_dst=80", 3, "as in 'tcp,tcp_dst=…'"),
        ("arp,nw_src=1.2.3.4", 4, "as in 'ip,nw_src=…'"),
        ("tcp,udp", 4, "dl_type is given twice"),
        ("in_port=1,in_port=2", 10, "in_port is given twice"),
        ("tcp,tp_dst=80x", 11, "expected a number"),
        ("tcp,tp_dst=70000", 11, "at most 0xffff"),
        ("dl_vlan=4096", 8, "at most 4095"),
        ("ip,nw_dst=10.0.0.0/33", 19, "at most /32"),
        ("in_port=nosuch,tcp", 8, "a port number"),
        ("ip, packet_type=(0,0", 20, "expected ')'"),
        ("ip, packet_type=0", 16, "expected a packet type such as (0,0)"),
        ("ip, packet_typ=(0,0)", 4, "did you mean 'packet_type'"),
        ("ip, tp_dst = 80", 10, "expected tp_dst=VALUE, found ' '"),
        ("tcp6 tp_dst = 80", 11, "expected tp_dst=VALUE"),
        ("ip, packets=5", 4, "write 'packets == VALUE'"),
        ("tcp,in_port", 11, "expected in_port=VALUE, found the end"),
        ("in_port(1,tcp)", 9, "expected ')'"),
        ("ip,ip_frag=yes", 11, "one of: first, later, no"),
    ],
)
def test_mistakes(text: str, position: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_filter(text)
    assert message in str(caught.value)
    assert caught.value.position == position
