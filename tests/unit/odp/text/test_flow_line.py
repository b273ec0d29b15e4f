"""Lines of dumps as flows: what they tell, and what is said of faulty ones."""

from __future__ import annotations

import pytest

import dpif
from dpif.odp.model.tcp_flags import format_tcp_flags, parse_tcp_flags

LINE = (
    "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,proto=6,frag=no),tcp(dst=80), "
    "packets:7, bytes:490, used:1.500s, flags:SP., actions:push_vlan(vid=5,pcp=0),2"
)
UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"


def test_a_flow() -> None:
    flow = dpif.parse_flow(LINE, now=100.0)
    assert (flow.packets, flow.bytes, flow.used, flow.tcp_flags, flow.ufid) == (7, 490, 98.5, 0x1A, None)
    assert flow.key["ipv4"].dst == "10.0.0.0"
    assert flow.mask["ipv4"].dst == "255.0.0.0"
    assert flow.actions == "push_vlan(vid=5,pcp=0),2"
    assert flow.format().startswith("recirc_id(0),in_port(1),eth(),")
    assert dpif.parse_flow(f"  {LINE}\r\n", now=100.0).record == flow.record


def test_a_flow_with_its_identifier_and_names() -> None:
    counters = "packets:0, bytes:0, used:never, offloaded:yes, dp:tc"
    line = f"{UFID}, in_port(h1),eth(),eth_type(0x0806), {counters}, actions:h2"
    flow = dpif.parse_flow(line, {"h1": 1, "h2": 2})
    assert flow.ufid == UFID
    assert (flow.key.in_port, flow.used, flow.record.stats) == (1, None, None)
    assert flow.actions == "2"
    shown = flow.format(verbose=True, port_names={1: "h1", 2: "h2"})
    assert shown.startswith(f"{UFID}, in_port(h1),")
    assert shown.endswith(", dp:ovs, actions:h2")
    assert dpif.parse_flow(f"{line}, dp-extra-info:miniflow_bits(5,1)", {"h1": 1, "h2": 2}).record == flow.record


def test_what_a_datapath_tells_is_read_again() -> None:
    with dpif.Userspace() as us, us.open("br0", create=True) as dp:
        for name in ("h1", "h2"):
            dp.ports.add(us.device(name).name)
        dp.flows.put(f"{UFID},in_port(h1),eth(),eth_type(0x0806),arp()", "h2")
        (flow,) = dp.flows
        line = flow.format(verbose=True, port_names=dp.ports.names())
        read = dpif.parse_flow(line, dp.ports.numbers())
        assert (read.key, read.actions, read.ufid) == (flow.key, flow.actions, flow.ufid)
        assert read.format(verbose=True, port_names=dp.ports.names()) == line
        assert [*dp.flows.lines(verbose=True, port_names=dp.ports.names())] == [line]
        dp.flows.delete(read)
        assert [*dp.flows] == []


def test_used_just_now_is_not_never() -> None:
    assert dpif.parse_flow(LINE.replace("1.500s", "0.000s"), now=0.0).used is not None
    assert dpif.parse_flow(LINE.replace("1.500s", "3s"), now=2.0).used == -1.0


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [
        ("", 0, "there are no counters"),
        ("flow-dump from the main thread:", 31, "there are no counters"),
        (LINE.replace("in_port(1)", "in_prt(1)"), 13, "unknown field 'in_prt'"),
        (f"{UFID}, {LINE.replace('in_port(1)', 'in_prt(1)')}", 56, "unknown field 'in_prt'"),
        (LINE.replace("in_port(1)", "in_port(h1)"), 21, "expected a port number"),
        (LINE.replace("pcp=0", "pcp=9"), LINE.index("pcp=0") + 4, "9 is too large"),
        (LINE.replace("bytes:490", "bytes:many"), LINE.index("490"), "bytes:many is nothing that is told of a flow"),
        (LINE.replace("packets:7", f"packets:{1 << 64}"), LINE.index("7, bytes"), "packets:"),
        (LINE.replace("bytes:490", "packets:490"), LINE.index("bytes"), "packets is given twice"),
        (LINE.replace("SP.", "SX."), LINE.index("SP."), "flags:SX. is nothing"),
        (LINE.replace("1.500s", "soon"), LINE.index("1.500s"), "used:soon is nothing"),
        (LINE.partition(", actions")[0], LINE.index(", actions"), "expected actions:"),
        (LINE.replace("actions:", "deeds:"), LINE.index("actions") + 6, "deeds:push_vlan(vid=5,pcp=0),2 is nothing"),
        (LINE.replace("actions:", "deeds:5, actions:"), LINE.index("actions") + 6, "deeds:5 is nothing"),
    ],
)
def test_a_faulty_line(line: str, place: int, reason: str) -> None:
    with pytest.raises(dpif.ParseError) as caught:
        dpif.parse_flow(line)
    assert caught.value.reason.startswith(reason)
    assert (caught.value.text, caught.value.position) == (line, place)


@pytest.mark.parametrize("flags", [0x002, 0x1FF, 0x200, 0xE00, 0xFFF])
def test_tcp_flags_as_letters(flags: int) -> None:
    assert parse_tcp_flags(format_tcp_flags(flags)) == flags


@pytest.mark.parametrize("text", ["", "x", "[200", "S]", "[1]", "[200]S"])
def test_what_is_no_tcp_flags(text: str) -> None:
    assert parse_tcp_flags(text) is None
