"""Masks in short: what a flow matches, as a test of a program has it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from dpif.odp.extraction import extract
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.build import ethernet, neighbour_solicit, tcp, vlan
from dpif.program.layout import layout_of
from dpif.program.packet import Packet
from dpif.program.trace import Trace
from dpif.program.width import width_of

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
WEB = tcp("10.1.2.3", "10.2.0.1", 1000, 80, flags=0x12)
PLAIN = ethernet(A, B, WEB)
TUNNEL = Tunnel(tun_id=7, src="192.0.2.1", dst="192.0.2.2", ttl=64)


@pytest.mark.parametrize(
    ("look", "width"),
    [
        (lambda p: p.in_port == 1, ""),
        (lambda p: p.eth.dst.prefix(44), "eth(dst/44)"),
        (lambda p: p.eth.dst.is_multicast, "eth(dst/0x10000000000)"),
        (lambda p: (str(p.eth.src), str(p.eth.dst)), "eth(src,dst)"),
        (lambda p: p.ipv4.dst in ip_network("10.2.0.0/24"), "eth_type,ipv4(dst/24)"),
        (lambda p: p.tcp.flags.syn and p.tcp.flags.ack, "eth_type,ipv4(proto,frag),tcp_flags(syn|ack)"),
        (lambda p: p.tcp.dst == 81, "eth_type,ipv4(proto,frag),tcp(dst/0x51)"),
        (lambda p: p.ct.state.est, "ct_state(est)"),
        (lambda p: p.skb_mark & 0xFF0 == 0, "skb_mark/0xff0"),
        (lambda p: p.ct.orig, "ct_state(inv|trk),eth_type"),
        (lambda p: p.tunnel, "tunnel"),
    ],
)
def test_fields_by_their_names_and_what_is_read_of_them(look: Callable[[Any], Any], width: str) -> None:
    assert read(look, PLAIN) == width


def test_out_of_a_tunnel_and_behind_tags() -> None:
    assert read(lambda p: int(p.tunnel.id), PLAIN, tunnel=TUNNEL) == "tunnel(id)"
    assert read(lambda p: p.tunnel.df, PLAIN, tunnel=TUNNEL) == "tunnel(df)"
    tagged = ethernet(A, B, vlan(5, WEB))
    assert read(lambda p: int(p.vlan.vid), tagged) == "vlan(vid)"
    assert read(lambda p: p.vlan, tagged) == ""


def test_over_ipv6() -> None:
    assert read(lambda p: p.nd.target.value, ethernet(A, B, neighbour_solicit(A, "fd00::1", "fd00::2"))) == (
        "eth_type,ipv6(proto,frag),icmpv6(type),nd(target)"
    )


def read(look: Callable[[Any], Any], frame: bytes, **metadata: Any) -> str:
    layout, number = layout_of(extract(frame, 1, **metadata).to_bytes())
    trace = Trace(layout, number)
    look(Packet(trace, frame))
    return width_of(layout, trace.mask)
