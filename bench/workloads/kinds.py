"""A form for every kind of attribute and of action: a simple flow that has it, with every value new.

`KINDS` are by name, in groups: attributes of keys, nests and what is in tunnels, actions. `SIMPLE` are those whose
mean the others are measured by. A test says that no attribute and no action of the model of the kernel is left out.
"""

from __future__ import annotations

from workloads import Form

_ETH = "eth(src=fa:16:3e:b9:db:c8,dst=fa:16:3e:b2:20:82)"
_V4 = "eth_type(0x0800),ipv4(src=10.42.0.16,dst=10.42.0.21,proto={},frag=no)"
_V6 = "eth_type(0x86dd),ipv6(src=fd01::5,dst=fd01::9,label=0x12,proto={},tclass=0x70,hlimit=64,frag=no)"
_UDP = f"{_V4.format(17)},udp(src=5000,dst=53)"


def _key(behind: str = _UDP, before: str = "", actions: str = "2") -> Form:
    return Form(1, f"recirc_id(0x1),{before}in_port(1),{_ETH},{behind}", actions)


def _tunnel(inside: str, flags: str = "-df-csum+key") -> Form:
    return _key(before=f"tunnel(tun_id=0x4,{inside},flags({flags})),")


def _action(actions: str, behind: str = _UDP) -> Form:
    return _key(behind, actions=actions)


def _out(inside: str) -> Form:
    return _action(f"set(tunnel(tun_id=0x4,dst=10.6.12.8,ttl=64,tp_dst=6081,{inside}flags(df|csum|key))),2")


_ENDS = "src=10.6.12.3,dst=10.6.12.7"
_OPTION = "{class=0x102,type=0x80,len=4,0x20007/0x7fffffff}"
_TAG = "eth_type(0x8100),vlan(vid=101,pcp=3),encap({})"
_PID = "userspace(pid=4294963083,{})"

SIMPLE: dict[str, Form] = {
    "udp": _key(),
    "tcp": _key(f"{_V4.format(6)},tcp(src=5000,dst=80)"),
    "arp": _key(
        "eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1/0xff,sha=fa:16:3e:b9:db:c8,tha=fa:16:3e:b2:20:82)"
    ),
    "ct_state": _key(before="ct_state(-new+est+trk),"),
    "icmp": _key(f"{_V4.format(1)},icmp(type=8,code=0)"),
    "eth_type": _key("eth_type(0x1234)"),
}

KEYS: dict[str, Form] = {
    "skb_priority": _key(before="skb_priority(0x5),"),
    "skb_mark": _key(before="skb_mark(0x5),"),
    "dp_hash": _key(before="dp_hash(0x5/0xff),"),
    "ct_zone": _key(before="ct_zone(0x5),"),
    "ct_mark": _key(before="ct_mark(0x5),"),
    "ct_label": _key(before="ct_label(0x5),"),
    "ct_label, masked": _key(before="ct_label(0x5/0xffff0000ffff0000ffff0000ffff0000),"),
    "ct_tuple4": _key(before="ct_tuple4(src=1.1.1.1,dst=2.2.2.2,proto=6,tp_src=5,tp_dst=6),"),
    "ct_tuple6": _key(_V6.format(59), before="ct_tuple6(src=fd01::1,dst=fd01::2,proto=6,src_port=5,dst_port=6),"),
    "no eth": Form(1, f"recirc_id(0x1),in_port(1),{_UDP}", "2"),
    "ipv4, masked": _key(
        "eth_type(0x0800),ipv4(src=10.0.0.0/255.255.240.0,dst=10.0.0.0/255.0.0.0,tos=0/0x3,frag=no)"
    ),
    "ipv6": _key(_V6.format(59)),
    "ipv6, masked": _key("eth_type(0x86dd),ipv6(src=fd01::/ffff:ffff::,dst=fd01::9,frag=no)"),
    "ipv6_exthdrs": _key(f"{_V6.format(59)},key32(40 00/ff 01)"),
    "tcp_flags": _key(f"{_V4.format(6)},tcp(src=5000,dst=80),tcp_flags(+syn-ack)"),
    "tcp over ipv6": _key(f"{_V6.format(6)},tcp(src=5000,dst=80)"),
    "sctp": _key(f"{_V4.format(132)},sctp(src=5000,dst=80)"),
    "icmpv6": _key(f"{_V6.format(58)},icmpv6(type=128,code=0)"),
    "nd": _key(f"{_V6.format(58)},icmpv6(type=135,code=0),nd(target=fd01::9,sll=fa:16:3e:b9:db:c8)"),
    "mpls": _key("eth_type(0x8847),mpls(label=5,tc=1,ttl=64,bos=1)"),
    "mpls, three": _key(f"eth_type(0x8847),mpls({','.join(['label=5,tc=1,ttl=64,bos=0'] * 3)})"),
}
NESTS: dict[str, Form] = {
    "vlan, encap": _key(_TAG.format(_UDP)),
    "vlan, encap: masked": _key(f"eth_type(0x8100),vlan(vid=101/0xff0),encap({_UDP})"),
    "vlan twice": _key(f"eth_type(0x88a8),vlan(vid=200,pcp=5),encap({_TAG.format(_UDP)})"),
    "nsh": _key("eth_type(0x894f),nsh(flags=1,ttl=63,mdtype=1,np=1,spi=0x10,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)"),
    "tunnel": _tunnel(_ENDS),
    "tunnel, all fields": _tunnel(f"{_ENDS},tos=0x4,ttl=64,tp_src=5000,tp_dst=6081"),
    "tunnel, masked": _tunnel("src=10.6.0.0/255.255.0.0,dst=10.6.12.7"),
    "tunnel, ipv6": _tunnel("ipv6_src=fd00::3,ipv6_dst=fd00::7"),
    "tunnel, all flags": _tunnel(_ENDS, "oam|df|csum|key"),
    "geneve": _tunnel(f"{_ENDS},geneve({_OPTION})"),
    "geneve, empty option": _tunnel(f"{_ENDS},geneve({{class=0x102,type=0x80,len=0}})"),
    "geneve, two options": _tunnel(f"{_ENDS},geneve({_OPTION}{{class=0x102,type=0x8,len=8,0x1122334455667788}})"),
    "geneve, 64 bytes": _tunnel(f"{_ENDS},geneve({{class=0x102,type=0x80,len=64,0x{'5a' * 64}}})"),
    "vxlan, gbp": _tunnel(f"{_ENDS},vxlan(gbp(id=7,flags=0x8))"),
    "erspan 1": _tunnel(f"{_ENDS},erspan(ver=1,idx=0x7/0xffffffff)"),
    "erspan 2": _tunnel(f"{_ENDS},erspan(ver=2,dir=1/0x1,hwid=0x7/0xf)"),
    "tunnel, vlan, encap": _key(
        _TAG.format(_UDP), before=f"tunnel(tun_id=0x4,{_ENDS},geneve({_OPTION}),flags(+key)),"
    ),
}
ACTIONS: dict[str, Form] = {
    "drop": _action("drop"),
    "outputs": _action("1,2,3,4,5,6"),
    "userspace": _action(_PID.format("userdata(0102030405060708)")),
    "userspace, slow_path": _action(_PID.format("slow_path(action)")),
    "userspace, sFlow": _action(_PID.format("sFlow(vid=9,pcp=7,output=10)")),
    "userspace, ipfix": _action(_PID.format("ipfix(output_port=10),tunnel_out_port=10")),
    "userspace, flow_sample": _action(
        _PID.format("flow_sample(probability=9,collector_set_id=1,obs_domain_id=2,obs_point_id=3,output_port=10)")
    ),
    "userspace, controller": _action(
        _PID.format(
            "controller(reason=1,dont_send=0,continuation=0,recirc_id=18,rule_cookie=0x75c46944,controller_id=1,"
            "max_len=65535)"
        )
    ),
    "set(skb_priority)": _action("set(skb_priority(0x5)),2"),
    "set(skb_mark)": _action("set(skb_mark(0x5/0xff)),2"),
    "set(eth)": _action("set(eth(src=fa:16:3e:11:22:33,dst=fa:16:3e:44:55:66)),2"),
    "set(eth), masked": _action("set(eth(dst=fa:16:3e:44:55:66)),2"),
    "set(ipv4)": _action("set(ipv4(src=10.42.0.1,dst=10.42.0.9,ttl=63)),2"),
    "set(ipv6)": _action("set(ipv6(src=fd01::1,dst=fd01::2,hlimit=63)),2", _V6.format(59)),
    "set(tcp)": _action("set(tcp(src=5000,dst=80)),2", f"{_V4.format(6)},tcp(src=5000,dst=80)"),
    "set(udp)": _action("set(udp(src=5000,dst=80)),2"),
    "set(sctp)": _action("set(sctp(src=5000,dst=80)),2", f"{_V4.format(132)},sctp(src=5000,dst=80)"),
    "set(mpls)": _action("set(mpls(label=9,tc=0,ttl=9,bos=1)),2", "eth_type(0x8847),mpls(label=5,tc=1,ttl=64,bos=1)"),
    "set(tunnel)": _out(""),
    "set(tunnel), ipv6": _action("set(tunnel(tun_id=0x4,ipv6_dst=fd00::8,ttl=64,tp_dst=6081,flags(df|csum|key))),2"),
    "set(tunnel), geneve": _out("geneve({class=0x102,type=0x80,len=4,0x70006}),"),
    "set(tunnel), vxlan": _out("vxlan(gbp(id=7,flags=0x8)),"),
    "set(tunnel), erspan": _out("erspan(ver=1,idx=0x7),"),
    "push_vlan, pop_vlan": _action("push_vlan(vid=3,pcp=5),1,pop_vlan,2"),
    "push_eth": Form(
        1, f"recirc_id(0x1),in_port(1),{_UDP}", "push_eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15),2"
    ),
    "pop_eth": _action("pop_eth,2"),
    "push_mpls": _action("push_mpls(label=9,tc=1,ttl=64,bos=1,eth_type=0x8847),2"),
    "add_mpls": _action("add_mpls(label=9,tc=1,ttl=64,bos=1,eth_type=0x8847),2"),
    "pop_mpls": _action("pop_mpls(eth_type=0x800),2", "eth_type(0x8847),mpls(label=5,tc=1,ttl=64,bos=1)"),
    "push_nsh": _action("push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x10,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4),2"),
    "pop_nsh": _action("pop_nsh(),2", "eth_type(0x894f),nsh(ttl=63,mdtype=1,np=1,spi=0x10,si=255)"),
    "sample": _action("sample(sample=33.3%,actions(1,2)),3"),
    "clone": _action("clone(set(eth(dst=fa:16:3e:44:55:66)),1),2"),
    "check_pkt_len": _action("check_pkt_len(size=1518,gt(1),le(2,3))"),
    "dec_ttl": _action("dec_ttl(le_1(userspace(pid=5,slow_path(action)))),2"),
    "recirc": _action("recirc(0x5)"),
    "hash": _action("hash(l4(7)),recirc(0x5)"),
    "trunc": _action("trunc(200),2"),
    "meter": _action("meter(7),2"),
    "psample": _action("psample(group=12,cookie=0x1020304050607),2"),
    "ct": _action("ct(zone=5),recirc(0x5)"),
    "ct, commit": _action("ct(commit,zone=5,mark=0x1/0xff,label=0x2a0000000000000000/0xffffffff0000000000000000),2"),
    "ct, nat": _action("ct(commit,zone=5,nat(dst=30.1.1.11:9999)),recirc(0x5)"),
    "ct, nat: range": _action("ct(commit,zone=5,nat(src=10.0.0.240-10.0.0.254:32768-65535,random)),recirc(0x5)"),
    "ct, nat: ipv6": _action("ct(commit,zone=5,nat(dst=fd01::9)),recirc(0x5)", _V6.format(59)),
    "ct_clear": _action("ct_clear,2"),
    "as OVN routes": _action(
        "ct_clear,set(eth(src=fa:16:3e:11:22:33,dst=fa:16:3e:44:55:66)),set(ipv4(ttl=63)),"
        "set(tunnel(tun_id=0x4,dst=10.6.12.8,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x70006}),"
        "flags(df|csum|key))),2"
    ),
}
GROUPS = {"simple": SIMPLE, "attributes": KEYS, "nests": NESTS, "actions": ACTIONS}
KINDS: dict[str, Form] = SIMPLE | KEYS | NESTS | ACTIONS
