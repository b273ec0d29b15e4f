"""The traps of `test_traps` that are about tunnels, what a kernel reads of a packet, connections, and overlaps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dpif.client import Put
from dpif.netlink.constants import NLM_F_CREATE
from dpif.odp.constants import FlowCmd
from dpif.odp.extraction import extract
from dpif.odp.kernel.match import from_match
from dpif.odp.model.key import FlowKey, FlowMask, parse_key
from dpif.packet import build
from dpif.program import Program, act, check_pkt_len, ct, drop, output
from dpif.program.decide import Decider
from dpif.program.layout import layout_of
from dpif.program.testing import Playground

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
PORTS = ("h1", "h2", "h3")


def tcp(sport: int = 1000, dport: int = 80, flags: int = 2, data: bytes = b"", back: bool = False) -> bytes:
    if back:
        return build.ethernet(B, A, build.tcp("10.0.0.2", "10.0.0.1", dport, sport, data, flags=flags))
    return build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", sport, dport, data, flags=flags))


def mask_of(key: str, function: Any) -> FlowMask:
    """The mask of a decision about a packet with this key, which a kernel has taken."""
    program = Program()
    program.forward(function)
    program.ports[1] = "h1"
    found = parse_key(key)
    layout, number = layout_of(found.to_bytes())
    mask = FlowMask.from_bytes(layout.encode(Decider(program).decide(layout, number).trace.mask))
    from_match(FlowKey.from_bytes(found.to_bytes()), mask)  # raises RuleBroken
    return mask


_INNER = "recirc_id(0),in_port(1),eth(src=02:00:00:00:00:0a,dst=02:00:00:00:00:0b),eth_type(0x0806),arp(sip=1.1.1.1)"


@pytest.mark.parametrize(
    ("outer", "matched", "left"),
    [
        ("tunnel(tun_id=0x7,src=192.0.2.1,dst=192.0.2.2,ttl=64,flags(key))", "src=255.255.255.255", "ipv6"),
        ("tunnel(tun_id=0x7,ipv6_src=fc00::1,ipv6_dst=fc00::2,ttl=64,flags(key))", "ipv6_src=ffff:", ",src="),
    ],
)
def test_16_of_a_tunnel_s_families_the_mask_names_the_one_that_is_there(outer: str, matched: str, left: str) -> None:
    mask = str(mask_of(f"{_INNER},{outer}", lambda packet: output(1) if packet.tunnel.src.value else drop()))
    assert matched in mask
    assert left not in mask
    assert "ttl=255" not in mask, "nobody read it"


def test_16_that_a_packet_came_in_no_tunnel_is_matched_where_it_was_asked() -> None:
    without = mask_of(_INNER, lambda packet: drop() if packet.tunnel is None else output(1))
    assert "tunnel(" in str(without)
    assert "tunnel(" not in str(mask_of(_INNER, lambda packet: output(1)))


def test_17_what_the_datapath_did_not_read_is_not_matched() -> None:
    """A TCP header that claims to be shorter than it can be: to the datapath the packet has none."""
    broken = bytearray(tcp())
    broken[14 + 20 + 12] = 0x10

    def function(packet: Any) -> Any:
        return output("h2") if packet.tcp is not None and packet.tcp.dst == 80 else output("h3")

    program = Program()
    program.forward(function)
    with Playground(program, PORTS) as net:
        assert "tcp(src=0,dst=0)" in str(extract(bytes(broken), 1))
        assert set(net.send("h1", bytes(broken))) == {"h3"}
        assert not net.counters.refused
        assert set(net.send("h1", tcp())) == {"h2"}, "whatever came before"


def tracking(rules: Any) -> Program:
    """Whoever is at h1 may begin connections to the ports in `rules`."""
    program = Program()
    allowed = program.table("allowed")
    allowed.update(rules)

    @program.forward
    def forward(packet: Any) -> Any:
        return ct(nat="", then=tracked) if packet.tcp is not None else drop()

    def tracked(packet: Any) -> Any:
        begun = packet.ct.orig
        if begun is None or begun.tp_dst not in allowed:
            return drop()
        if packet.ct.state.new:
            return ct(commit=True, nat="src=10.9.9.9") + output("h2")
        return output("h1" if packet.ct.state.rpl else "h2")

    return program


def test_24_a_reply_is_known_by_what_its_connection_began_with() -> None:
    with Playground(tracking({80: True}), PORTS) as net:
        (translated,) = net.send("h1", tcp())["h2"]
        assert translated[26:30] == bytes((10, 9, 9, 9))
        back = build.ethernet(B, A, build.tcp("10.0.0.2", "10.9.9.9", 80, 1000, flags=0x12))
        (arrived,) = net.send("h2", back)["h1"]
        assert arrived[30:34] == bytes((10, 0, 0, 1)), "translated back"
        assert not net.send("h2", build.ethernet(B, A, build.tcp("10.0.0.2", "10.9.9.9", 81, 1000, flags=0x12)))


def test_25_what_is_established_does_not_outlive_its_rule() -> None:
    program = tracking({80: True})
    with Playground(program, PORTS) as net:
        net.send("h1", tcp())
        back = build.ethernet(B, A, build.tcp("10.0.0.2", "10.9.9.9", 80, 1000, flags=0x12))
        assert set(net.send("h2", back)) == {"h1"}
        assert set(net.send("h1", tcp(flags=0x10))) == {"h2"}
        del program.tables["allowed"][80]
        net.settle()
        assert not net.send("h1", tcp(flags=0x10))
        assert not net.send("h2", back), "in neither direction"
        program.tables["allowed"][80] = True
        net.settle()
        assert set(net.send("h1", tcp(flags=0x10))) == {"h2"}


def test_26_what_one_branch_changes_the_other_has_as_it_was() -> None:
    program = Program()
    changed = act("set(eth(src=02:00:00:00:00:ff))") + output("h2")
    program.forward(lambda packet: check_pkt_len(100, changed, output("h2")) + output("h3"))
    with Playground(program, PORTS) as net:
        short, long = tcp(), tcp(data=bytes(200))
        assert net.send("h1", short) == {"h2": [short], "h3": [short]}
        out = net.send("h1", long)
        assert out["h2"][0][6:12] == bytes.fromhex("0200000000ff")
        assert out["h3"][0][6:12] in (long[6:12], out["h2"][0][6:12])


def test_27_no_two_flows_that_overlap_do_different_things() -> None:
    """A chain of comparisons, and packets that leave it at each place."""
    program = Program()

    @program.forward
    def forward(packet: Any) -> Any:
        if packet.tcp is None:
            return drop()
        if packet.tcp.dst == 80:
            return output("h2")
        if packet.tcp.src == 1000 or packet.tcp.dst < 64:
            return output("h3")
        return drop()

    with Playground(program, PORTS) as net:
        for sport, dport in itertools.product((0, 1000, 1001, 0x8000), (0, 63, 64, 80, 81, 0xFFFF)):
            net.send("h1", tcp(sport, dport))
        assert not net.counters.refused
        flows = [(*from_match(flow.key, flow.mask), str(flow.actions)) for flow in _unmasked(net)]
        assert len(flows) > 4
        for (one, mask, does), (other, mask2, does_too) in itertools.combinations(flows, 2):
            both = mask & mask2
            assert one & both != other & both or does == does_too


def _unmasked(net: Playground) -> list[Any]:
    """The flows with the keys of the packets that they were made for, which a kernel takes."""
    by_ufid = {flow.ufid: flow for flow in net.runner.keeper.flows}

    class Whole:
        def __init__(self, flow: Any) -> None:
            self.key = FlowKey.from_bytes(by_ufid[flow.record.ufid].key)
            self.mask, self.actions = flow.mask, flow.actions

    return [Whole(flow) for flow in net.datapath.flows]


def test_28_a_flow_that_the_datapath_refuses_stops_no_packet() -> None:
    """Somebody has a flow with the same match: it comes between the upcall and the flow for it."""
    program = Program()
    seen = []

    @program.forward
    def forward(packet: Any) -> Any:
        if not seen:
            net.datapath.flows.add("recirc_id(0),in_port(h1),eth()", "h3")
        seen.append(packet)
        return output("h2")

    with Playground(program, PORTS) as net:
        assert set(net.send("h1", tcp())) == {"h2"}
        assert (net.counters.refused, net.counters.flows) == (1, 0)
        assert set(net.send("h1", tcp())) == {"h3"}, "that is theirs"
        net.datapath.flows.delete("recirc_id(0),in_port(h1),eth()")
        assert set(net.send("h1", tcp())) == {"h2"}
        assert (net.counters.refused, net.counters.flows) == (1, 1)


def test_29_a_flow_is_made_or_changed_and_no_request_does_either(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    ways = program.table("ways")
    ways["out"] = "h2"
    program.forward(lambda packet: output(ways["out"]))
    with Playground(program, PORTS) as net:
        puts: list[tuple[int, bool]] = []
        operate = net.datapath.operate

        def noting(operations: list[Any], **more: Any) -> Any:
            for put in operations:
                if isinstance(put, Put):
                    puts.append((put._command, bool(put._flags & NLM_F_CREATE)))
            return operate(operations, **more)

        monkeypatch.setattr(net.datapath, "operate", noting)
        net.send("h1", tcp())
        ways["out"] = "h3"
        net.settle()
        assert puts == [(FlowCmd.NEW, True), (FlowCmd.SET, False)]
        assert set(net.send("h1", tcp())) == {"h3"}


def test_35_packets_of_one_flow_leave_in_the_order_in_which_they_came() -> None:
    program = Program()
    program.forward(lambda packet: output("h2"))
    with Playground(program, PORTS) as net:
        sent = [tcp(data=bytes([number])) for number in range(50)]
        assert net.send("h1", *sent)["h2"] == sent
