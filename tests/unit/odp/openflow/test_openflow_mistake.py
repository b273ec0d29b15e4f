"""OpenFlow that is typed where a datapath's syntax is taken: it is recognised, and what is typed instead works."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dpif
from dpif.errors import ParseError
from dpif.odp.actions import parse_actions
from dpif.odp.kernel.check import explain_actions
from dpif.odp.model.key import parse_match
from dpif.odp.openflow import openflow_mistake

GOLDEN = Path(__file__).parents[3] / "golden"
IP = "eth(),eth_type(0x0800),ipv4()"
TCP = "eth(),eth_type(0x0800),ipv4(proto=6),tcp({}),tcp_flags(0/0)"
TYPED = {
    ("tcp,tp_dst=80", "output:2"): (TCP.format("dst=80"), "2"),
    ("tcp,tp_dst=80", "actions=output:2"): (TCP.format("dst=80"), "2"),
    ("tcp,tcp_dst=80", "2"): (TCP.format("dst=80"), "2"),
    ("dl_type=0x800,nw_proto=6,tp_src=0x50/0xfff0", "3"): (TCP.format("src=0x50/0xfff0"), "3"),
    ("in_port=1,ip,nw_dst=10.0.0.0/8", "output:2,output:3"): (
        "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/8)",
        "2,3",
    ),
    ("ip(dst=10.0.0.1)", "2"): ("eth(),eth_type(0x0800),ipv4(dst=10.0.0.1)", "2"),
    ("in_port(1),eth(),ip(dst=10.0.0.1)", "2"): ("in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.1)", "2"),
    ("dl_type(0x0806),arp_tpa=10.0.0.1", "2"): ("eth(),eth_type(0x0806),arp(tip=10.0.0.1)", "2"),
    ("priority=100,table=0,arp", "drop"): ("eth(),eth_type(0x0806),arp()", "drop"),
    ("in_port=LOCAL", "IN_PORT"): ("in_port(0),eth()", "0"),
    ("dl_vlan=5,dl_vlan_pcp=3,ip", "strip_vlan,output:3"): (
        "eth(),eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x0800),ipv4())",
        "pop_vlan,3",
    ),
    ("dl_vlan=5,ip", "mod_vlan_vid:6,2"): (
        "eth(),eth_type(0x8100),vlan(vid=5),encap(eth_type(0x0800),ipv4())",
        "pop_vlan,push_vlan(vid=6,pcp=0),2",
    ),
    ("ip", "push_vlan:0x8100,set_field:4101->vlan_vid,2"): (IP, "push_vlan(vid=5,pcp=0),2"),
    ("ip", "mod_vlan_vid:5,mod_vlan_pcp:3,2"): (IP, "push_vlan(vid=5,pcp=3),2"),
    ("ip", "mod_dl_src:02:00:00:00:00:01,mod_nw_dst:10.0.0.1,mod_nw_tos:16,2"): (
        IP,
        "set(eth(src=02:00:00:00:00:01)),set(ipv4(dst=10.0.0.1)),set(ipv4(tos=0x10/0xfc)),2",
    ),
    ("ip", "load:0x0a000001->NXM_OF_IP_SRC[],2"): (IP, "set(ipv4(src=10.0.0.1)),2"),
    ("ip", "load:0x020000000001->NXM_OF_ETH_DST[],2"): (IP, "set(eth(dst=02:00:00:00:00:01)),2"),
    ("tcp", "set_field:80->tcp_dst,2"): (TCP.format(""), "set(tcp(dst=80)),2"),
    ("udp", "mod_tp_dst:53,2"): ("eth(),eth_type(0x0800),ipv4(proto=17),udp()", "set(udp(dst=53)),2"),
    ("ip", "dec_ttl,2"): (IP, "dec_ttl(le_1(drop)),2"),
    ("ip", "ct(commit,zone=1,table=3,nat(src=10.0.0.1))"): (IP, "ct(commit,zone=1,nat(src=10.0.0.1)),recirc(0x3)"),
    ("ip", "ct(commit,force,exec(load:0x1->NXM_NX_CT_MARK[]))"): (IP, "ct(force_commit,mark=0x1)"),
    ("ct_state=+trk+est,ip", "ct_clear,2"): ("ct_state(+trk+est),eth(),eth_type(0x0800),ipv4()", "ct_clear,2"),
    ("ip", "set_field:5->tun_id,set_field:10.0.0.1->tun_dst,2"): (
        IP,
        "set(tunnel(ttl=64,tun_id=5,dst=10.0.0.1,flags(df|key))),2",
    ),
    ("tun_id=5,tun_dst=10.0.0.1", "2"): ("tunnel(tun_id=5,dst=10.0.0.1,ttl=0/0),eth()", "2"),
    ("ip,nw_tos=16", "enqueue:2:1"): (
        "eth(),eth_type(0x0800),ipv4(tos=0x10/0xfc)",
        "set(skb_priority(0x10002)),2",
    ),
    ("mpls,mpls_label=5", "pop_mpls:0x0800,2"): (
        "eth(),eth_type(0x8847),mpls(label=5)",
        "pop_mpls(eth_type=0x0800),2",
    ),
    ("icmp6,icmpv6_type=135,nd_target=::1", "meter:1,2"): (
        "eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=135),nd(target=::1)",
        "meter(1),2",
    ),
    ("in_port(1),eth(),eth_type(0x0806),arp()", "clone(output:2),1"): (
        "in_port(1),eth(),eth_type(0x0806),arp()",
        "clone(2),1",
    ),
    ("table=0,priority=5,tcp,tp_dst=80,actions=output:2", None): (TCP.format("dst=80"), "2"),
    (
        " cookie=0x0, duration=5.1s, table=0, n_packets=0, n_bytes=0, idle_age=5, priority=10,tcp,tp_dst=80 "
        "actions=output:2",
        None,
    ): (TCP.format("dst=80"), "2"),
}
WITHOUT = {
    ("arp", "NORMAL"): "'dpif switch' is one that learns",
    ("arp", "flood"): "FLOOD is a list of ports",
    ("arp", "CONTROLLER:65535"): "userspace(pid=…)",
    ("ip", "resubmit(,5)"): "a datapath has one table",
    ("ip", "goto_table:5"): "a datapath has one table",
    ("ip", "group:5"): "there is nothing like group",
    ("tcp,reg0=1", "2"): "reg0 is no field of a datapath's flow",
    ("ip,metadata=1", "2"): "metadata is no field",
    ("ip", "load:1->NXM_NX_REG0[]"): "reg0 is no field",
    ("tp_dst=80", "2"): "tp_dst needs its protocol beside it: tcp, udp or sctp",
    ("dl_vlan=5", "2"): "a VLAN's tag needs the type within",
    ("tun_id=5", "2"): "tunnel(...) needs dst",
    ("ip", "set_tunnel:5,2"): "a datapath's tunnel has its destination",
    ("ip", "mod_tp_dst:80"): "to set tp_dst the flow must match its protocol",
    ("nw_proto=6", "2"): None,
    ("ip", "IN_PORT"): "the port that the flow must match",
    ("ip,nw_frag=not_later", "2"): "not_later",
    ("ip", "output:NXM_NX_REG0[]"): "no field of a datapath's flow",
}


@pytest.mark.parametrize(("flow", "actions"), TYPED, ids=str)
def test_what_is_to_be_typed_is_taken(flow: str, actions: str | None) -> None:
    mistake = openflow_mistake(flow, actions)
    assert mistake is not None
    assert mistake.reason == "this is OpenFlow, which ovs-ofctl speaks"
    match, done = typed = tuple(shlex.split(mistake.hint.removeprefix("for a datapath type: ")))
    assert typed == TYPED[flow, actions]
    assert explain_actions(parse_actions(done), *parse_match(match)) is None
    assert openflow_mistake(match, done) is None


@pytest.mark.parametrize(("flow", "actions"), WITHOUT, ids=str)
def test_what_has_no_translation_is_named(flow: str, actions: str) -> None:
    mistake = openflow_mistake(flow, actions)
    expected = WITHOUT[flow, actions]
    assert mistake is not None
    assert expected is None or expected in mistake.hint
    if expected is not None:
        assert mistake.hint.startswith("it has no translation for a datapath: ")


@pytest.mark.parametrize(
    ("actions", "typed"), [("output:2", "2"), ("mod_vlan_vid:5,2", '"push_vlan(vid=5,pcp=0),2"'), ("LOCAL", "0")]
)
def test_actions_alone(actions: str, typed: str) -> None:
    mistake = openflow_mistake(None, actions)
    assert (mistake and mistake.hint) == f"for a datapath type: {typed}"


def golden(name: str) -> list[str]:
    texts = [line for line in (GOLDEN / name).read_text().splitlines() if line and not line.startswith("#")]
    assert len(texts) > 20
    return texts


def test_a_datapaths_own_syntax_is_never_taken_for_openflow() -> None:
    for flow in golden("kinds-of-matches.txt"):
        assert openflow_mistake(flow, None) is None, flow
        assert openflow_mistake(flow, "2") is None, flow
    for actions in golden("kinds-of-actions.txt"):
        assert openflow_mistake(None, actions) is None, actions
        assert openflow_mistake("in_port(1),eth()", actions) is None, actions


@pytest.mark.parametrize("flow", ["bogus", "in_port(1),eth_tpye(0x0800)", "in_port(1)eth()", "(", ")", "", "=", "1"])
def test_other_mistakes_are_no_openflow(flow: str) -> None:
    assert openflow_mistake(flow, "2") is None


@given(
    st.lists(
        st.sampled_from(
            ["tcp", "in_port", "dl_vlan", "ct", "load", "->", "=", ":", ",", "(", ")", "0x", "5", "ip", "[", " "]
        )
    ).map("".join)
    | st.text(max_size=20)
)
def test_no_text_does_harm(text: str) -> None:
    for flow, actions in ((text, None), (text, "output:2"), ("ip", text), (None, text)):
        mistake = openflow_mistake(flow, actions)
        assert mistake is None or mistake.hint


def test_the_library_says_so_too() -> None:
    with dpif.Userspace() as us, us.open("br0", create=True) as dp:
        with pytest.raises(ParseError, match=r"this is OpenFlow.* type: \"eth\(\),eth_type\(0x0800\)"):
            dp.flows.add("ip", "2")
        with pytest.raises(ParseError, match=r"this is OpenFlow.* type: \"2,3\""):
            dp.flows.add(IP, "output:2,output:3")
        with pytest.raises(ParseError, match="unknown field 'eth_tpye'"):
            dp.flows.add("eth_tpye(0x0800)", "2")
