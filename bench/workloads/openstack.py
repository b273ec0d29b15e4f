"""The flows of an OpenStack node: provider networks with VLAN tags (and two of them), tenants' in VXLAN.

Of a hundred flows

* 30 have a VLAN tag in the key, 8 of them two (QinQ); tags are pushed and popped on the way;
* 26 came out of VXLAN, of which 8 have a group policy (``gbp``);
* 16 go into VXLAN, flooded to several outputs among which a tag is pushed and popped, too;
* 20 are of security groups, with the masks that conjunctions make of port ranges and addresses, and tracking;
* 8 are ARP, DHCP, multicast and what is dropped.
"""

from __future__ import annotations

from dpif.odp.kernel.rules import Features
from workloads import Form
from workloads.ovn import without_zones

_FIXED = frozenset({"tp_dst=4789", "ttl=64", "dst=ff:ff:ff:ff:ff:ff", "dst=67", "src=68"})
"""What is the same on all nodes: the port of VXLAN, broadcasts, DHCP."""

_ETH = "eth(src=fa:16:3e:a7:45:cb,dst=fa:16:3e:50:61:70)"
_SRC = "eth(src=fa:16:3e:a7:45:cb)"
_GROUP = "eth(src=fa:16:3e:a7:45:cb,dst=01:00:00:00:00:00/01:00:00:00:00:00)"
_VXLAN = "tunnel(tun_id=0x4d1,src=10.0.0.114,dst=10.0.0.128,flags(-df-csum+key))"
_POLICY = "tunnel(tun_id=0x4d1,src=10.0.0.114,dst=10.0.0.128,vxlan(gbp(id=7,flags=0)),flags(-df-csum+key))"
_VXLAN6 = "tunnel(tun_id=0x4d1,ipv6_src=fd00::114,ipv6_dst=fd00::128,flags(-df-csum+key))"
_OUT = "set(tunnel(tun_id=0x4d1,src=10.0.0.128,dst=10.0.0.114,ttl=64,tp_dst=4789,flags(df|key))),4"
_OUT_POLICY = (
    "set(tunnel(tun_id=0x4d1,src=10.0.0.128,dst=10.0.0.114,ttl=64,tp_dst=4789,vxlan(gbp(id=7,flags=1)),"
    "flags(df|csum|key))),4"
)
_TAGGED = "push_vlan(vid=3,pcp=0),1,pop_vlan"
_V4 = "eth_type(0x0800),ipv4(tos=0/0x3,frag=no)"
_V4_HOST = "eth_type(0x0800),ipv4(src=192.168.21.18,dst=192.168.0.0/255.255.0.0,ttl=63,frag=no)"
_V6 = "eth_type(0x86dd),ipv6(dst=fd01::9,hlimit=255,frag=no)"
_TCP = "eth_type(0x0800),ipv4(src=192.168.21.18,proto=6,frag=no),tcp(src=32768/0x8000,dst=8080/0xffe0)"
_UDP = "eth_type(0x0800),ipv4(src=192.168.21.16/255.255.255.248,dst=192.168.21.2,proto=17,frag=no),udp(dst=48/0xfff0)"
_ICMP = "eth_type(0x0800),ipv4(src=192.168.21.18,proto=1,frag=no),icmp(type=8,code=0)"
_SCTP = "eth_type(0x0800),ipv4(dst=192.168.21.2,proto=132,frag=no),sctp(src=1024/0xfc00,dst=2905)"


def _vlan(inner: str) -> str:
    return f"eth_type(0x8100),vlan(vid=101,pcp=0),encap({inner})"


def _qinq(inner: str) -> str:
    return f"eth_type(0x88a8),vlan(vid=200,pcp=5),encap({_vlan(inner)})"


_TABLE = (
    # tagged
    (6, f"recirc_id(0),in_port(1),{_ETH},{_vlan(_V4)}", "pop_vlan,7"),
    (5, f"recirc_id(0),in_port(1),{_ETH},{_vlan(_UDP)}", f"pop_vlan,{_OUT},push_vlan(vid=3,pcp=0),5"),
    (4, f"recirc_id(0),in_port(1),{_SRC},{_vlan(_V6)}", "set(eth(dst=fa:16:3e:50:61:71)),pop_vlan,7,8,9"),
    (4, f"recirc_id(0),in_port(1),{_ETH},{_vlan(_TCP)}", "pop_vlan,ct(zone=3),recirc(0x6)"),
    (3, f"recirc_id(0x6),in_port(1),ct_state(+est+trk),{_SRC},{_vlan(_V4_HOST)}", "pop_vlan,set(ipv4(ttl=62)),7"),
    (5, f"recirc_id(0),in_port(2),{_ETH},{_qinq(_V4)}", "pop_vlan,pop_vlan,7"),
    (3, f"recirc_id(0),in_port(2),{_ETH},{_qinq(_TCP)}", "pop_vlan,push_vlan(tpid=0x88a8,vid=4,pcp=1),2"),
    # out of VXLAN
    (8, f"recirc_id(0),{_VXLAN},in_port(4),{_ETH},{_V4}", "push_vlan(vid=3,pcp=0),1,pop_vlan,5,6"),
    (5, f"recirc_id(0),{_VXLAN},in_port(4),{_GROUP},{_V6}", "push_vlan(vid=3,pcp=0),1,pop_vlan,5,6,7"),
    (2, f"recirc_id(0),{_VXLAN6},in_port(4),{_SRC},{_V4}", "7"),
    (3, f"recirc_id(0x6),{_VXLAN},in_port(4),ct_state(+est+trk),{_ETH},{_TCP}", "ct_clear,5"),
    (5, f"recirc_id(0),{_POLICY},in_port(4),{_ETH},{_V4_HOST}", "set(ipv4(ttl=62)),7"),
    (3, f"recirc_id(0),{_POLICY},in_port(4),{_SRC},{_UDP}", "ct(zone=3),recirc(0x6)"),
    # into it
    (7, f"recirc_id(0),in_port(5),skb_mark(0x1/0xff),{_ETH},{_V4}", f"{_OUT},{_TAGGED},6,7,8"),
    (
        4,
        f"recirc_id(0x6),in_port(5),ct_state(+new-est-rpl+trk),{_ETH},{_V4}",
        f"ct(commit,zone=3),{_OUT},{_TAGGED},9",
    ),
    (5, f"recirc_id(0),in_port(5),{_ETH},{_V4_HOST}", f"set(eth(src=fa:16:3e:50:61:71)),{_OUT_POLICY}"),
    # security groups
    (6, f"recirc_id(0),in_port(5),{_SRC},{_TCP}", "ct(zone=3),recirc(0x6)"),
    (
        5,
        f"recirc_id(0x6),in_port(5),ct_state(+new-est-rel-inv+trk),{_ETH},{_UDP}",
        "ct(commit,zone=3,mark=0x1/0x1),7",
    ),
    (4, f"recirc_id(0x6),in_port(5),ct_state(-new+est-rel-inv+trk),ct_mark(0/0x1),{_ETH},{_ICMP}", "7"),
    (2, f"recirc_id(0x6),in_port(5),ct_state(+rel+trk),ct_zone(0x3),{_ETH},{_SCTP}", "ct(commit,zone=3),7"),
    (3, f"recirc_id(0x6),in_port(5),ct_state(+est+rpl+trk),{_SRC},{_TCP}", "ct_clear,trunc(128),7,8"),
    # the rest
    (
        3,
        "recirc_id(0),in_port(5),eth(src=fa:16:3e:a7:45:cb,dst=ff:ff:ff:ff:ff:ff),eth_type(0x0806),"
        "arp(sip=192.168.21.18,tip=192.168.21.1,op=1/0xff,sha=fa:16:3e:a7:45:cb)",
        f"6,7,8,{_OUT},{_TAGGED}",
    ),
    (
        2,
        f"recirc_id(0),in_port(5),{_SRC},eth_type(0x0800),ipv4(src=0.0.0.0,proto=17,frag=no),udp(src=68,dst=67)",
        "userspace(pid=4294963166,slow_path(action))",
    ),
    (3, f"recirc_id(0),in_port(1),{_SRC},eth_type(0x88cc)", "drop"),
)


def forms(seed: int, rules: Features) -> list[Form]:
    """Return the forms above; they are the same with every seed."""
    table = _TABLE if rules.ct_zones else [(share, *map(without_zones, texts)) for share, *texts in _TABLE]
    return [Form(share, match, actions, _FIXED) for share, match, actions in table]
