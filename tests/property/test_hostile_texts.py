"""Every parser takes any text, or refuses it with the error that it says it raises: no other comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.cli.commands.ct_limits import parse_zone_limit
from dpif.cli.commands.ports import parse_interface
from dpif.cli.datapath_features import parse_features
from dpif.cli.errors import CommandError
from dpif.conntrack.parse import parse_match as parse_ct_match
from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.filter.language import parse_filter
from dpif.odp.filter.order import parse_order
from dpif.odp.kernel.match import explain_match
from dpif.odp.lines.text import format_flow_line
from dpif.odp.model.attrs import EXACT
from dpif.odp.model.key import parse_match
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.flow_line import parse_flow_line
from dpif.odp.text.matches import encode_match_text, read_match
from dpif.packet.addresses import Mac

TEXTS = [
    "ufid:01234567-89ab-cdef-0123-456789abcdef, recirc_id(0),in_port(eth0),eth(), packets:1, bytes:98, used:0.5s, "
    "flags:SFP.[200], offloaded:yes, dp:tc, actions:br-int,2, dp-extra-info:miniflow_bits(5,1)",
    "ufid:01234567-89ab-cdef-0123-456789abcdef,recirc_id(0),in_port(eth0),eth(src=02:00:00:00:00:01),eth_type(0x0800),"
    "ipv4(src=10.0.0.1/255.255.0.0,proto=6,frag=no),tcp(dst=80),tcp_flags(+syn-ack)",
    "in_port(1),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x86dd),ipv6(src=::1,label=5/0xff),icmpv6(type=135))",
    "tunnel(tun_id=0x1,dst=10.0.0.2,ttl=64,geneve({class=1,type=2,len=4,0x1/0xff}),flags(df|key)),ct_state(-new+est)",
    "tunnel(erspan(ver=2,dir=1,hwid=0xf),flags(-df+csum+key)),nsh(flags=0,ttl=63,mdtype=1,np=4,spi=0x1,c1=0x4)",
    "ct_label(0x1/0xff),ct_tuple4(src=10.0.0.1,tp_src=5),mpls(label=5,tc=0,ttl=1,bos=1),key99(00 01/ff ff)",
    "push_vlan(vid=1,pcp=2),ct(commit,zone=5,mark=0x1/0xff,helper=ftp,nat(src=10.0.0.1-10.0.0.9:1-5,random)),recirc(1)",
    "sample(sample=9.7%,actions(userspace(pid=1,sFlow(vid=9,pcp=7,output=10),tunnel_out_port=5))),action99(00 01)",
    "check_pkt_len(size=200,gt(4),le(drop)),dec_ttl(le_1(1)),psample(group=12,cookie=0x1234),set(ipv4(ttl=64))",
    "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x1,si=255,md2=0x1234),userspace(pid=5,slow_path(action),ofp_in_port=1)",
    "tnl_push(tnl_port(4),header(size=50,type=4,eth(dst=f8:bc:12:44:34:b6,src=f8:bc:12:46:58:e0,dl_type=0x0800),"
    "ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4789,csum=0x0),"
    "vxlan(flags=0x8000000,vni=0x7)),out_port(1))",
    "ipv4.dst in 10.0.0.0/8 and (packets > 100 or not tunnel.vxlan.gbp.id == 3) and actions has ct and used < 2.5",
    "tcp,in_port=LOCAL,tp_dst=80/0xff,dl_vlan=5,nw_src=10.0.0.0/8",
    "packet_type=(1,0x800),ct_state=+trk-new",
    "-packets,ipv4.dst:desc,in_port",
    "zone=1 mark=1/0xff labels=0x1 ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80 ct_ipv6_dst=::1",
    "vx,type=vxlan,dst_port=4789,gbp,port_no=7",
    "actions",
]
PIECES = [
    "9" * 5000,
    "0x" + "f" * 5000,
    "\ud800",
    "\udcff",
    "\0",
    "²",
    "٣",
    "::",
    "-",
    "/",
    "(",
    ")",
    ",",
    "=",
    ".",
    "{",
]
PIECES += ["encap(", "clone(", "actions.", ".mask", "key99(", "1e400", "\n", " ", "/129", "::ffff:1.2.3.4", "a" * 400]
NAMES = {"eth0": 1, "br-int": 2}


def read_back(text: str) -> None:
    """Read a match, and show what was read in every way."""
    key, mask = parse_match(text, NAMES)
    assert parse_match(key.show(mask, EXACT)) == (key, mask)
    key.to_bytes(), mask.to_bytes(), key.format(mask, verbose=True), key.plain_pair(mask)
    explain_match(key, mask)


def read_actions_back(text: str) -> None:
    """Read actions, and show them in every way."""
    actions = parse_actions(text, NAMES)
    assert parse_actions(str(actions)) == actions == Actions.from_bytes(actions.to_bytes())
    actions.format(port_names={1: "eth0"}), actions.plain()


def read_line_back(text: str) -> None:
    """Read a flow's line, and show it."""
    flow = parse_flow_line(text, 10**9, NAMES)
    assert parse_flow_line(format_flow_line(flow, 10**9), 10**9) is not None


PARSERS: dict[str, Callable[[str], object]] = {
    "line of a dump": read_line_back,
    "match": read_back,
    "match in haste": read_match,
    "encoded match": encode_match_text,
    "actions": read_actions_back,
    "filter": lambda text: parse_filter(text, NAMES),
    "order": lambda text: parse_order(text, NAMES),
    "UFID": Ufid,
    "flow with UFID": split_ufid,
    "MAC address": Mac,
    "conntrack match": lambda text: parse_ct_match(text.split(" ")),
    "port": parse_interface,
    "limit of a zone": parse_zone_limit,
    "features": parse_features,
}


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a good text, or a part of one, with some of it cut out, put elsewhere, doubled or replaced."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        other = draw(st.sampled_from(TEXTS))
        piece = draw(
            st.one_of(
                st.sampled_from(PIECES),
                st.characters(),
                st.just(text[start:end] * draw(st.integers(0, 40))),
                st.integers(0, len(other)).map(lambda at, other=other: other[at : at + 30]),  # type: ignore[misc]
            )
        )
        text = text[:start] + piece + text[end:]
    return text


@pytest.mark.parametrize("name", PARSERS)
@given(text=mutated())
def test_nothing_else_comes_out(name: str, text: str) -> None:
    with contextlib.suppress(ParseError, EncodeError, CommandError):
        PARSERS[name](text)
