"""The flows of an OVN node: logical switches and routers over Geneve, load balancers, a provider network.

Of a hundred flows

* 30 came out of a tunnel, with one Geneve option in the key or two; half of them were recirculated since;
* 24 go into one: ``ct_clear,set(eth),set(ipv4(ttl)),set(tunnel(… geneve …))``;
* 26 are local: connection tracking with zones, marks and labels, load balancing (``nat``, ``hash``), security groups;
* 10 are ARP and neighbour discovery: floods to several ports and tunnels, and what goes to ovn-controller;
* 6 are of a provider network with VLAN tags;
* 4 are dropped, or cut by a gateway's MTU.
"""

from __future__ import annotations

import re

from dpif.odp.kernel.rules import Features
from workloads import Form

_FIXED = frozenset(
    {"tp_dst=6081", "ttl=64", "class=0x102", "type=0x80", "type=0x8", "dst=ff:ff:ff:ff:ff:ff", "max_len=65535"}
)
"""What is the same on all nodes: the port of Geneve, OVN's class and type of options, broadcasts."""

_OPTION = "geneve({class=0x102,type=0x80,len=4,0x20007/0x7fffffff})"
_OPTIONS = "geneve({class=0x102,type=0x80,len=4,0x20007/0x7fffffff}{class=0x102,type=0x8,len=8,0x1122334455667788})"
_IN = f"tunnel(tun_id=0x4,src=10.6.12.3,dst=10.6.12.7,{_OPTION},flags(-df+csum+key))"
_IN_TWO = f"tunnel(tun_id=0x4,src=10.6.12.3,dst=10.6.12.7,tos=0/0x3,tp_dst=6081,{_OPTIONS},flags(-df+csum+key))"
_IN6 = f"tunnel(tun_id=0x4,ipv6_src=fd00::3,ipv6_dst=fd00::7,{_OPTION},flags(+csum+key))"
_OUT = (
    "set(tunnel(tun_id=0x4,dst=10.6.12.8,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x70006}),"
    "flags(df|csum|key))),2"
)
_OUT6 = (
    "set(tunnel(tun_id=0x4,ipv6_dst=fd00::8,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x70006}),"
    "flags(df|csum|key))),2"
)
_ETH = "eth(src=fa:16:3e:b9:db:c8,dst=fa:16:3e:b2:20:82)"
_GROUP = "eth(src=fa:16:3e:b9:db:c8,dst=00:00:00:00:00:00/01:00:00:00:00:00)"
_ESTABLISHED = "ct_state(-new+est-rel-rpl-inv+trk),ct_mark(0/0x1)"
_REPLY = "ct_state(-new+est-rel+rpl-inv+trk),ct_label(0/0x3)"
_NEW = "ct_state(+new-est-rel-rpl-inv+trk),ct_mark(0/0x1),ct_label(0/0xffff00000000000000000003)"
_ROUTED = "ct_clear,set(eth(src=fa:16:3e:11:22:33,dst=fa:16:3e:44:55:66)),set(ipv4(ttl=63))"
_RECIRCULATED, _FIRST = "recirc_id(0x2f1)", "recirc_id(0)"
_V4 = "eth_type(0x0800),ipv4(src=10.42.0.16/255.255.255.240,dst=10.42.0.21,frag=no)"
_V4_TTL = "eth_type(0x0800),ipv4(src=10.42.0.0/255.255.255.0,dst=10.43.0.21,tos=0/0x3,ttl=17,frag=no)"
_TCP = "eth_type(0x0800),ipv4(src=10.42.0.9,dst=10.96.0.10,proto=6,frag=no),tcp(dst=443)"
_UDP = "eth_type(0x0800),ipv4(dst=10.42.0.9,proto=17,frag=no),udp(src=32768/0x8000,dst=53)"
_V6 = "eth_type(0x86dd),ipv6(src=fd01::/ffff:ffff:ffff:ffff::,dst=fd01::9,hlimit=17,frag=no)"
_TCP6 = "eth_type(0x86dd),ipv6(dst=fd01::9,proto=6,frag=no),tcp(dst=443)"
_ARP = "eth_type(0x0806),arp(sip=10.42.0.5,tip=10.42.0.9,op=1/0xff,sha=fa:16:3e:b9:db:c8,tha=00:00:00:00:00:00)"
_CONTROLLER = (
    "userspace(pid=4294963083,controller(reason=1,dont_send=0,continuation=0,recirc_id=18,"
    "rule_cookie=0x75c46944,controller_id=1,max_len=65535))"
)

_TABLE = (
    # out of a tunnel
    (8, f"{_FIRST},{_IN},in_port(2),{_GROUP},{_V4}", "ct(zone=5,nat),recirc(0x2f1)"),
    (5, f"{_FIRST},{_IN},in_port(2),{_ETH},{_TCP}", "7"),
    (2, f"{_FIRST},{_IN6},in_port(2),{_GROUP},{_TCP6}", "ct(zone=5),recirc(0x2f1)"),
    (7, f"{_RECIRCULATED},{_IN},in_port(2),{_ESTABLISHED},{_GROUP},{_V4}", "ct(zone=9,nat),recirc(0x2f1)"),
    (5, f"{_RECIRCULATED},{_IN},in_port(2),{_REPLY},{_ETH},{_UDP}", "7"),
    (3, f"{_RECIRCULATED},{_IN_TWO},in_port(2),{_NEW},{_ETH},{_TCP}", "ct(commit,zone=9,mark=0/0x1,nat(src)),7"),
    # into one
    (10, f"{_RECIRCULATED},in_port(5),{_ESTABLISHED},{_ETH},{_V4_TTL}", f"{_ROUTED},{_OUT}"),
    (6, f"{_RECIRCULATED},in_port(5),{_ESTABLISHED},{_ETH},{_V4}", f"ct_clear,{_OUT}"),
    (
        4,
        f"{_RECIRCULATED},in_port(5),{_NEW},{_ETH},{_TCP}",
        f"ct(commit,zone=5,mark=0/0x1,label=0x2a0000000000000000/0xffffffff0000000000000000),{_OUT}",
    ),
    (2, f"{_RECIRCULATED},in_port(5),ct_state(+est+trk),{_ETH},{_V6}", f"ct_clear,set(ipv6(hlimit=63)),{_OUT6}"),
    (2, f"{_FIRST},in_port(5),{_ETH},{_UDP}", _OUT),
    # within the node
    (7, f"{_FIRST},in_port(5),{_GROUP},{_V4}", "ct(zone=5),recirc(0x2f1)"),
    (4, f"{_RECIRCULATED},in_port(5),{_ESTABLISHED},{_ETH},{_V4_TTL}", f"{_ROUTED},ct(zone=8,nat),recirc(0x2f1)"),
    (4, f"{_RECIRCULATED},in_port(5),{_REPLY},ct_zone(0x5),{_ETH},{_TCP}", "8"),
    (
        3,
        f"{_RECIRCULATED},in_port(5),{_NEW},eth(),{_TCP}",
        "ct(commit,zone=8,mark=0x2/0x2,label=0x2/0x2,nat(dst=30.1.1.11:9999)),recirc(0x76)",
    ),
    (2, f"{_RECIRCULATED},in_port(5),{_NEW},{_ETH},{_V4}", "ct(commit,zone=11,nat(src=10.0.2.19)),recirc(0xc6c)"),
    (2, f"{_RECIRCULATED},dp_hash(0x3/0xf),in_port(5),eth(),{_TCP}", "recirc(0x2f2)"),
    (1, f"{_RECIRCULATED},in_port(5),eth(),{_UDP}", "hash(l4(0)),recirc(0x2f2)"),
    (2, f"{_RECIRCULATED},in_port(5),ct_state(+est+trk),ct_label(0x2/0x2),{_ETH},{_TCP6}", "ct_clear,9"),
    (
        1,
        f"{_FIRST},in_port(5),{_ETH},eth_type(0x0800),ipv4(src=10.42.0.9,dst=10.42.0.1,proto=1,ttl=64,frag=no),"
        "icmp(type=8,code=0)",
        "set(eth(src=fa:16:3e:11:22:33,dst=fa:16:3e:44:55:66)),set(ipv4(src=10.42.0.1,dst=10.42.0.9,ttl=254)),5",
    ),
    # ARP and neighbour discovery
    (
        4,
        f"{_FIRST},in_port(5),eth(src=fa:16:3e:b9:db:c8,dst=ff:ff:ff:ff:ff:ff),{_ARP}",
        f"3,4,6,{_OUT},{_OUT},{_OUT}",
    ),
    (
        2,
        f"{_FIRST},{_IN},in_port(2),eth(src=fa:16:3e:b9:db:c8,dst=ff:ff:ff:ff:ff:ff),{_ARP}",
        f"3,4,5,6,7,{_CONTROLLER}",
    ),
    (2, f"{_FIRST},in_port(5),{_ETH},{_ARP.replace('op=1', 'op=2')}", _CONTROLLER),
    (
        2,
        f"{_FIRST},in_port(5),{_ETH},eth_type(0x86dd),ipv6(src=fd01::5,proto=58,hlimit=255,frag=no),"
        "icmpv6(type=135,code=0),nd(target=fd01::9,sll=fa:16:3e:b9:db:c8)",
        f"3,4,{_CONTROLLER}",
    ),
    # the provider network
    (
        3,
        f"{_FIRST},in_port(1),{_ETH},eth_type(0x8100),vlan(vid=101,pcp=0),encap({_V4_TTL})",
        f"pop_vlan,{_ROUTED},{_OUT}",
    ),
    (3, f"{_RECIRCULATED},{_IN},in_port(2),{_ESTABLISHED},{_ETH},{_V4_TTL}", f"{_ROUTED},push_vlan(vid=101,pcp=0),1"),
    # the rest
    (2, f"{_FIRST},in_port(5),{_ETH},eth_type(0x88cc)", "drop"),
    (
        2,
        f"{_RECIRCULATED},in_port(5),{_ETH},{_V4_TTL}",
        f"check_pkt_len(size=1518,gt({_CONTROLLER}),le({_ROUTED},1))",
    ),
)


def forms(seed: int, rules: Features) -> list[Form]:
    """Return the forms above; they are the same with every seed."""
    table = _TABLE if rules.ct_zones else [(share, *map(without_zones, texts)) for share, *texts in _TABLE]
    return [Form(share, match, actions, _FIXED) for share, match, actions in table]


def without_zones(text: str) -> str:
    """Return a text without zones of connection tracking."""
    text = re.sub(r"\bct_zone\([^)]*\),?|(?<=[(,])zone=\d+,?", "", text)
    return text.replace("ct()", "ct").replace(",)", ")")
