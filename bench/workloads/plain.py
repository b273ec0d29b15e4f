"""Ten simple kinds of flow, in equal parts; one of them is a tunnel without options, one has a VLAN tag."""

from __future__ import annotations

from dpif.odp.kernel.rules import Features
from workloads import Form

_KINDS = (
    "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:01:01),eth_type(0x0800),"
    "ipv4(src=10.0.0.1,proto=17,frag=no),udp(dst=53)",
    "recirc_id(0x1),in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0806),arp(sip=10.0.0.1,op=1/0xff)",
    "in_port(2),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(proto=6,tos=0/0x3,frag=no),tcp(dst=80)",
    "in_port(2),eth(src=02:00:00:00:00:01),eth_type(0x86dd),ipv6(src=fe80::/ffff::,proto=6,frag=no),tcp(dst=443)",
    "in_port(3),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5,pcp=1),"
    "encap(eth_type(0x0800),ipv4(src=10.1.0.0/255.255.0.0,frag=no))",
    "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(4),eth(src=02:00:00:00:00:01),"
    "eth_type(0x0800),ipv4(proto=17,frag=no),udp(src=1)",
    "ct_state(-new+trk),ct_mark(0x1/0xff),in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0800),"
    "ipv4(dst=10.2.0.0/255.255.0.0,frag=no)",
    "skb_priority(0x5),in_port(1),eth(src=02:00:00:00:00:01,dst=00:00:00:00:00:00/01:00:00:00:00:00),eth_type(0x1234)",
    "in_port(5),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,frag=no),"
    "icmp(type=8,code=0)",
    "in_port(6),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(proto=6,frag=first),tcp(src=5,dst=6),tcp_flags(+syn)",
)
_ACTIONS = ("2", "3,4", "push_vlan(vid=5,pcp=0),2", "set(eth(dst=02:00:00:00:00:09)),3", "1,2")


def forms(seed: int, rules: Features) -> list[Form]:
    """Return the ten kinds; they are the same with every seed, and any kernel takes them."""
    return [Form(1, kind, _ACTIONS[n % len(_ACTIONS)], with_ufid=False) for n, kind in enumerate(_KINDS)]
