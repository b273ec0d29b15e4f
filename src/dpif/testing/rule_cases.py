"""Flows that a datapath takes and flows that it refuses, each with the rule that decides.

One table for every judge: the rules of `dpif.odp.kernel.match` and `dpif.odp.kernel.check`, the kernel, the userspace
datapath. A rule is named as `RuleBroken.rule` names it; a flow that is taken has none.
"""

from __future__ import annotations

import errno

from dpif._typing import NamedTuple
from dpif.odp.actions import (
    Actions,
    AddMpls,
    Clone,
    Ct,
    Drop,
    Hash,
    Nat,
    Output,
    Psample,
    PushNsh,
    Set,
    SetMasked,
    Trunc,
    parse_actions,
)
from dpif.odp.actions.base import Action
from dpif.odp.constants import KeyAttr, PsampleAttr
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.layers import Ethernet, Ipv4, Ipv6, Mpls
from dpif.odp.model.nsh import Nsh, NshBase, NshContext
from dpif.odp.model.tunnel import Tunnel


class RuleCase(NamedTuple):
    """A flow, and what becomes of it: ``rule`` names what it breaks, "" when it is taken."""

    rule: str
    key: FlowKey
    mask: FlowMask | None
    actions: Actions
    errno: int

    def __str__(self) -> str:
        shown = str(self.key).replace(" ", "")
        return f"{self.rule or 'taken'}: {shown} {self.actions}"


def _case(rule: str, match: str, actions: str | Action = "drop", code: int = errno.EINVAL) -> RuleCase:
    key, mask = parse_match(match)
    parsed = Actions([actions]) if isinstance(actions, Action) else parse_actions(actions)
    return RuleCase(rule, key, mask, parsed, code if rule else 0)


def _exact(rule: str, match: str) -> RuleCase:
    """The same without a mask: the kernel matches what the key has exactly."""
    return _case(rule, match)._replace(mask=None)


def _masked(rule: str, match: str, mask: FlowMask) -> RuleCase:
    return _case(rule, match)._replace(mask=mask)


IP = "eth(),eth_type(0x0800),ipv4()"
IP6 = "eth(),eth_type(0x86dd),ipv6()"
TCP = "eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)"
UDP = "eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
TCP6 = "eth(),eth_type(0x86dd),ipv6(proto=6,frag=no),tcp(),tcp_flags(0/0)"
ARP = "eth(),eth_type(0x0806),arp()"
VLAN = f"eth(),eth_type(0x8100),vlan(vid=5),encap({IP.removeprefix('eth(),')})"
MPLS = "eth(),eth_type(0x8847),mpls(label=1,tc=0,ttl=64,bos=1)"
NSH = "eth(),eth_type(0x894f),nsh(mdtype=1,np=3)"
L3 = "eth_type(0x0800),ipv4()"
ND = "eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=135,code=0),nd()"

MATCHES = (
    _case("", IP),
    _case("", TCP),
    _case("", TCP6),
    _case("", VLAN),
    _case("", MPLS),
    _case("", NSH),
    _case("", L3),
    _case("", ND),
    _case("", "eth()"),
    _case("", "in_port(65534),eth(),eth_type(0x1234)"),
    _case("", f"tunnel(tun_id=5,src=10.0.0.1,dst=10.0.0.2,ttl=64,flags(key)),{ARP}"),
    _case("", f"tunnel(ipv6_src=::1,ipv6_dst=::2,ttl=64,flags(df|csum)),{ARP}"),
    _case("", f"eth(),eth_type(0x88a8),vlan(vid=1),encap({VLAN.removeprefix('eth(),')})"),
    _case("", "eth(),eth_type(0x0800),ipv4(proto=6,frag=later)"),
    _exact("", "in_port(1),eth(),eth_type(0x0806),arp(op=1)"),
    _exact("", VLAN),
    _exact("", MPLS),
    _exact("", f"tunnel(dst=10.0.0.2,ttl=64),{ARP}"),
    _case("missing-attribute", "in_port(1)"),
    _case("missing-attribute", "eth(),eth_type(0x0800)"),
    _case("missing-attribute", "eth(),eth_type(0x86dd)"),
    _case("missing-attribute", "eth(),eth_type(0x0806)"),
    _case("missing-attribute", "eth(),eth_type(0x8035)"),
    _case("missing-attribute", "eth(),eth_type(0x8847)"),
    _case("missing-attribute", "eth(),eth_type(0x894f)"),
    _case("missing-attribute", "eth(),eth_type(0x0800),ipv4(proto=6)"),
    _case("missing-attribute", "eth(),eth_type(0x0800),ipv4(proto=6),tcp()"),
    _case("missing-attribute", "eth(),eth_type(0x0800),ipv4(proto=17)"),
    _case("missing-attribute", "eth(),eth_type(0x86dd),ipv6(proto=132)"),
    _case("missing-attribute", "eth(),eth_type(0x0800),ipv4(proto=1)"),
    _case("missing-attribute", "eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=136,code=0)"),
    _case("missing-attribute", "eth(),eth_type(0x8100),vlan(vid=5)"),
    _case("missing-attribute", "eth(),eth_type(0x8100),encap()"),
    _case("vlan-unexpected", "eth(),eth_type(0x0800),ipv4(),vlan(vid=5)"),
    _case("vlan-cfi", "eth(),eth_type(0x8100),vlan(vid=5,cfi=0),encap()"),
    _case("vlan-cfi", "eth(),eth_type(0x8100),vlan(vid=0,cfi=0),encap(eth_type(0x0800),ipv4())"),
    _case("vlan-mask", f"eth(),eth_type(0x8100/0xff00),vlan(vid=5),encap({IP.removeprefix('eth(),')})"),
    _case("vlan-mask", f"eth(),eth_type(0x8100),vlan(vid=5,cfi=1/0),encap({IP.removeprefix('eth(),')})"),
    _case("eth-type", "eth(),eth_type(0x0400)"),
    _case("port-number", f"in_port(65535),{ARP}"),
    _case(
        "duplicate-attribute",
        "in_port(1),eth(),eth_type(0x8100),vlan(vid=1),encap(in_port(1),eth_type(0x0806),arp())",
    ),
    _case("arp-op", "eth(),eth_type(0x0806),arp(op=256)"),
    _case("unknown-attribute", f"packet_type(ns=0,id=0),{ARP}"),
    _case("unexpected-mask", "eth(),eth_type(0x0800/0),ipv4(src=10.0.0.1)"),
    _case("unexpected-mask", "eth(),eth_type(0x0800),ipv4(proto=17/0),udp(dst=53)"),
    _case("unexpected-mask", "eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(),tcp(dst=53)"),
    _case("unexpected-mask", "eth(),eth_type(0x0800),ipv4(proto=17,frag=later),udp(dst=53)"),
    _case("unexpected-mask", "eth(),eth_type(0x0806),arp(),ipv4(src=10.0.0.1)"),
    _case("unexpected-mask", ND.replace("type=135", "type=135/0xf0").replace("nd()", "nd(target=::1)")),
    _case("unexpected-mask", f"{ND.replace('nd()', 'nd(target=::1)')},ct_tuple6(src=::1)"),
    _case("unexpected-mask", f"{ARP},ct_tuple4(src=10.0.0.1)"),
    _masked("unexpected-mask", ARP, FlowMask(recirc_id=1)),
    _case("tunnel-destination", f"tunnel(ttl=64),{ARP}"),
    _case("tunnel-destination", f"tunnel(dst=0.0.0.0,ttl=64),{ARP}"),
    _case("tunnel-ttl", f"tunnel(dst=10.0.0.1),{ARP}"),
    _case("tunnel-families", f"tunnel(dst=10.0.0.1,ipv6_dst=::1,ttl=64),{ARP}"),
    RuleCase(
        "ip-frag",
        parse_match(IP)[0].replace(ipv4=Ipv4(frag=3)),
        FlowMask(),
        Actions(),
        errno.EINVAL,
    ),
    RuleCase("ct-state", FlowKey(eth=Ethernet(), ct_state=0x100), FlowMask(), Actions(), errno.EINVAL),
)
"""Keys and masks."""

_PUSH_MD1 = Nsh(base=NshBase(mdtype=1, np=1), md1=NshContext())
_ONE_LABEL = FlowKey(mpls=(Mpls(label=7),))
_NAT = "ct(commit,nat({}))"

ACTIONS = (
    _case("", ARP, "1,2,userspace(pid=1)"),
    _case("", ARP, "trunc(14),1"),
    _case("", ARP, "recirc(1)"),
    _case("", ARP, "hash(l4(0)),meter(1),ct_clear"),
    _case("", IP, "push_vlan(vid=1,pcp=0),push_vlan(tpid=0x88a8,vid=2,pcp=0),pop_vlan,1"),
    _case("", VLAN, "pop_vlan,push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847),1"),
    _case("", MPLS, "pop_mpls(eth_type=0x800),1"),
    _case("", MPLS, "set(mpls(label=2,tc=0,ttl=64,bos=1))"),
    _case("", L3, "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),1"),
    _case("", IP, "pop_eth,1"),
    _case("", IP, "set(ipv4(src=10.0.0.1,ttl=63))"),
    _case("", TCP, "set(tcp(dst=80))"),
    _case("", UDP, "set(udp(src=80))"),
    _case("", IP, "set(tunnel(dst=10.0.0.1,ttl=64)),1"),
    _case("", IP, "set(skb_mark(1)),set(skb_priority(1)),set(eth(src=02:00:00:00:00:01))"),
    _case("", IP, "sample(sample=50%,actions(1)),clone(set(eth(src=02:00:00:00:00:01)),1)"),
    _case("", IP, "check_pkt_len(size=100,gt(drop),le(1)),dec_ttl(le_1(drop))"),
    _case("", IP, "ct(commit,mark=0x1/0x1),recirc(1)"),
    _case("", IP, _NAT.format("src=10.0.0.1-10.0.0.9:1000-2000,random")),
    _case("", IP, "ct(nat)"),
    _case("", IP, PushNsh(_PUSH_MD1)),
    _case("", NSH, "pop_nsh(),1"),
    _case("port-number", ARP, "65535"),
    _case("userspace-pid", ARP, "userspace(pid=0)"),
    _case("trunc-length", ARP, Trunc(13)),
    _case("hash-algorithm", ARP, Hash(alg=9)),
    _case("unknown-action", ARP, "lb_output(1)"),
    _case("vlan-tpid", ARP, "push_vlan(tpid=0x9100,vid=1,pcp=0)"),
    _case("vlan-cfi", ARP, "push_vlan(vid=1,pcp=0,cfi=0)"),
    _case("ethernet-missing", L3, "pop_vlan"),
    _case("ethernet-missing", L3, "push_vlan(vid=1,pcp=0)"),
    _case("ethernet-missing", L3, "pop_eth"),
    _case("ethernet-missing", L3, "set(eth(src=02:00:00:00:00:01))"),
    _case("ethernet-present", IP, "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)"),
    _case("vlan-present", VLAN, "pop_eth"),
    _case("vlan-present", VLAN, "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)"),
    _case("vlan-present", IP, "push_vlan(vid=1,pcp=0),push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)"),
    _case("mpls-eth-type", IP, "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x800)"),
    _case("mpls-eth-type", IP, AddMpls(label=1, eth_type=0x800)),
    _case("mpls-payload", "eth()", "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)"),
    _case("mpls-missing", IP, "pop_mpls(eth_type=0x800)"),
    _case("mpls-missing", MPLS, "pop_mpls(eth_type=0x8847),pop_mpls(eth_type=0x800)"),
    _case("mpls-missing", MPLS, "pop_mpls(eth_type=0x800),set(mpls(label=2,tc=0,ttl=64,bos=1))"),
    _case("mpls-ethernet", MPLS, "pop_mpls(eth_type=0x6558)"),
    _case("mpls-labels", MPLS, Set(_ONE_LABEL.replace(mpls=(Mpls(label=7),) * 2))),
    _case("nsh-missing", IP, "pop_nsh()"),
    _case("nsh-payload", "eth(),eth_type(0x894f),nsh(mdtype=1)", "pop_nsh()"),
    _case("nsh-payload", "eth_type(0x1234)", PushNsh(_PUSH_MD1)),
    _case("nsh-metadata", IP, PushNsh(_PUSH_MD1.replace(base=NshBase(mdtype=2)))),
    _case("nsh-metadata", IP, PushNsh(Nsh(base=NshBase(mdtype=1)))),
    _case("set-eth-type", ARP, "set(ipv4(ttl=63))"),
    _case("set-eth-type", IP, "set(ipv6(hlimit=63))"),
    _case("set-eth-type", IP, "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847),set(ipv4(ttl=63))"),
    _case("set-protocol", IP, "set(tcp(dst=80))"),
    _case("set-protocol", TCP, "set(udp(dst=80))"),
    _case("set-protocol", "eth(),eth_type(0x0800),ipv4(proto=6/0),tcp(),tcp_flags(0/0)", "set(tcp(dst=80))"),
    _case("set-ip-readonly", TCP, Set(FlowKey(ipv4=Ipv4(proto=17)))),
    _case("set-ip-readonly", TCP, SetMasked(FlowKey(ipv4=Ipv4(proto=6)), FlowMask(ipv4=Ipv4(proto=255)))),
    _case(
        "ipv6-label",
        IP6,
        SetMasked(
            FlowKey(ipv6=Ipv6()),
            FlowMask.of_kept({KeyAttr.IPV6: Ipv6.of_raw((bytes(16), bytes(16), 1 << 20, 0, 0, 0, 0))}),
        ),
    ),
    _case("set-attribute", ARP, "set(arp(op=2))"),
    _case("set-attribute", ARP, Set(FlowKey(in_port=1))),
    _case("set-attribute", NSH, Set(FlowKey(nsh=_PUSH_MD1))),
    _case("tunnel-ttl", ARP, Set(FlowKey(tunnel=Tunnel(dst="10.0.0.1")))),
    _case("tunnel-destination", ARP, Set(FlowKey(tunnel=Tunnel(ttl=64)))),
    _case("check-pkt-len", ARP, "check_pkt_len(size=0,gt(1),le(1))"),
    _case("port-number", ARP, "sample(sample=50%,actions(clone(65535)))"),
    _case("ct-family", ARP, "ct"),
    _case("ct-mask", IP, Ct(commit=True, mark=(0, 0))),
    _case("ct-commit", IP, Ct(mark=(1, 1))),
    _case("ct-commit", IP, Ct(labels=(1, 1))),
    _case("nat-type", IP, Ct(commit=True, nat=Nat(src=True, dst=True)), errno.ERANGE),
    _case("nat-type", IP, Ct(commit=True, nat=Nat(persistent=True))),
    _case("nat-family", IP6, Ct(commit=True, nat=Nat(src=True, ip_min="10.0.0.1"))),
    _case("nat-commit", IP, Ct(nat=Nat(src=True, ip_min="10.0.0.1"))),
)
"""Lists of actions."""

_DROP, _SAMPLE = Drop(0), Psample(group=1)
_LONG_COOKIE = Psample.of_kept({PsampleAttr.GROUP: 1, PsampleAttr.COOKIE: bytes(17)})

NEWER_ACTIONS = (
    _case("", ARP, _DROP),
    _case("", ARP, Drop(42)),
    _case("", ARP)._replace(actions=Actions([Output(2), _DROP])),
    _case("", ARP)._replace(actions=Actions([Clone([_DROP]), Output(2)])),
    _case("drop-last", ARP)._replace(actions=Actions([_DROP, Output(2)])),
    _case("drop-last", ARP)._replace(actions=Actions([_DROP, _DROP])),
    _case("drop-last", ARP)._replace(actions=Actions([Clone([_DROP, Output(2)])])),
    _case("", ARP, _SAMPLE),
    _case("", ARP)._replace(actions=Actions([_SAMPLE, Output(2)])),
    _case("", ARP, Psample(group=0, cookie=bytes(16))),
    _case("", ARP, Psample(group=1, cookie=b"")),
    _case("psample-cookie", ARP, _LONG_COOKIE, errno.ERANGE),
)
"""Lists with actions that came after Linux 6.1; for those without them each is an ``unknown-action``."""


def nested(depth: int) -> Actions:
    """Return an action that lies in `depth` others."""
    actions = parse_actions("1")
    for _ in range(depth):
        actions = Actions([Clone(actions)])
    return actions


CASES = (
    *MATCHES,
    *ACTIONS,
    *NEWER_ACTIONS,
    _case("", ARP)._replace(actions=nested(16)),
    _case("nesting", ARP, "drop", errno.EOVERFLOW)._replace(actions=nested(17)),
)
"""All of them."""
