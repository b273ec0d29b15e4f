"""Programs (`dpif.program`): that a datapath takes the flows that a function makes, and does what it decided."""

from __future__ import annotations

import itertools
from random import Random

from dpif._typing import Any
from dpif.errors import DecodeError
from dpif.odp.extraction import extract
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import TUNNEL
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.packet import build
from dpif.program import Program, ct, drop, flood, output, recirculate
from dpif.program.options import Options
from dpif.program.runner import Runner
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, Host, two_ports
from dpif.testing.odd_packets import packets
from dpif.testing.waiting import eventually

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
_QUIET = 0.2
"""Seconds without a packet after which there is none under way."""


def settle(runner: Runner, upcalls: int = 0) -> None:
    """Let a program work until `upcalls` packets came up since it began, and nothing more does."""
    eventually(lambda: not runner.step(_QUIET) and runner.counters.upcalls >= upcalls)
    runner.step()


def frame(src: str = A, dst: str = B, dport: int = 80, flags: int = 2) -> bytes:
    """A segment of TCP."""
    return build.ethernet(src, dst, build.tcp("10.0.0.1", "10.0.0.2", 1000, dport, flags=flags))


class Programs:
    """A function of Python, and flows made of what it read."""

    def test_the_flows_are_those_that_were_sent(self, harness: Harness) -> None:
        """The datapath tells key and mask as they were given: deciding again finds nothing to change."""
        dp, first, _ = two_ports(harness)
        program = Program()
        program.forward(_reads_much)
        with Runner(program, dp, [], Options(idle=1000)) as runner:
            some = _some_packets(200)
            for start in range(0, len(some), 20):
                for odd in some[start : start + 20]:
                    first.send(odd)
                settle(runner)
            assert not runner.errors
            kept = {flow.ufid: flow for flow in runner.keeper.flows}
            told = list(dp.flows)
            assert {flow.record.ufid for flow in told} == set(kept)
            assert len(kept) > 40
            for shown in told:
                flow = kept[shown.record.ufid or b""]
                mask = FlowMask.from_bytes(flow.layout.encode(flow.mask))
                value, bits = from_match(FlowKey.from_bytes(flow.key), mask)
                assert shown.record.mask is not None
                again, told_bits = from_match(FlowKey.from_bytes(flow.key), FlowMask.from_bytes(shown.record.mask))
                # It tells a tunnel's mask of every flow, also where none was given.
                told_bits, bits = told_bits & ~TUNNEL, bits & ~TUNNEL
                assert (again & told_bits, told_bits) == (value & bits, bits)
            program.site.mark_stale(list(kept.values()))
            settle(runner)
            assert runner.counters.deleted == runner.counters.changed == 0

    def test_a_station_that_moves_is_followed(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        third = harness.host()
        dp.ports.add(third.name)
        program, stations = _learning()
        with Runner(program, dp, []) as runner:
            for count, (sender, packet) in enumerate(((first, frame()), (second, frame(B, A))), 1):
                sender.send(packet)
                settle(runner, count)
            assert first.recv() == frame(B, A)
            assert dict(stations.items()) == {_mac(A): 1, _mac(B): 2}
            upcalls = runner.counters.upcalls
            second.send(frame(B, A))
            assert first.recv() == frame(B, A)
            settle(runner)
            assert runner.counters.upcalls == upcalls  # the datapath did it
            third.send(frame(A, B))
            settle(runner, upcalls + 1)
            second.send(frame(B, A))
            assert _next_from(third, B) == frame(B, A)
            assert first.recv(NONE_WITHIN) is None

    def test_continuations_see_connections(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        program = Program()
        allowed = program.table("allowed")
        allowed[80] = True

        @program.forward
        def firewall(packet: Any) -> Any:
            return ct(then=tracked) if packet.tcp is not None else drop()

        def tracked(packet: Any) -> Any:
            to = output(2 if packet.in_port == 1 else 1)
            if packet.ct.state.est:
                return to
            if packet.in_port == 1 and allowed.get(packet.tcp.dst):
                return ct(commit=True) + to
            return drop()

        with Runner(program, dp) as runner:
            first.send(frame(dport=443))
            settle(runner, 2)  # it comes up once more behind the tracker
            assert second.recv(NONE_WITHIN) is None
            first.send(frame())
            settle(runner, 3)  # the first of its flows is there already
            assert second.recv() == frame()
            back = build.ethernet(B, A, build.tcp("10.0.0.2", "10.0.0.1", 80, 1000, flags=0x12))
            second.send(back)
            settle(runner, 5)
            assert first.recv() == back
            assert not runner.errors
            assert not runner.counters.refused

    def test_it_is_known_how_a_connection_began(self, harness: Harness) -> None:
        """In both directions, over IPv4 and IPv6; the datapath tells such a flow as it was put."""
        dp, first, second = two_ports(harness)
        program = Program("begun")

        @program.forward
        def firewall(packet: Any) -> Any:
            return ct(then=tracked) if packet.tcp is not None else drop()

        def tracked(packet: Any) -> Any:
            begun, to = packet.ct.orig, output(2 if packet.in_port == 1 else 1)
            if begun is None or begun.tp_dst != 80:
                return drop()
            return ct(commit=True) + to if packet.ct.state.new else to

        with Runner(program, dp) as runner:
            for before, here, there in ((0, "10.0.0.1", "10.0.0.2"), (4, "fd00::1", "fd00::2")):
                begin = build.ethernet(A, B, build.tcp(here, there, 1000, 80, flags=2))
                reply = build.ethernet(B, A, build.tcp(there, here, 80, 1000, flags=0x12))
                first.send(begin)
                settle(runner, before + 2)  # once more behind the tracker
                assert second.recv() == begin
                second.send(reply)
                settle(runner, before + 4)
                assert first.recv() == reply
            assert not runner.errors
            told = [flow.mask for flow in dp.flows if flow.mask is not None]
            for tuples in ([mask.ct_tuple4 for mask in told], [mask.ct_tuple6 for mask in told]):
                assert sum(begun is not None and begun.tp_dst == 0xFFFF for begun in tuples) == 2

    def test_flows_of_a_former_run_are_taken_over(self, harness: Harness) -> None:
        """Those behind a recirculation too: the datapath tells them as they were put, and ids stay the same."""
        dp, first, second = two_ports(harness)
        former = Runner(_tracking(), dp)
        try:
            first.send(frame())
            settle(former, 2)
            assert second.recv() == frame()
        finally:
            former.close(keep_flows=True)
        there = {flow.record.ufid for flow in dp.flows}
        assert len(there) == 2
        with Runner(_tracking(), dp) as runner:
            settle(runner)
            assert {flow.record.ufid for flow in dp.flows} == there
            first.send(frame())
            assert second.recv() == frame()
            settle(runner)
            assert runner.counters.upcalls == 0
        assert not list(dp.flows)

    def test_labels_are_put_on_changed_and_taken_off(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        program = Program("labels")
        plain = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"data")

        @program.forward
        def switch(packet: Any) -> Any:
            if packet.mpls is None:
                packet.push_mpls(17, ttl=9)
            elif packet.mpls.label == 17:
                packet.mpls.label, packet.mpls.ttl = 18, packet.mpls.ttl - 1
            else:
                packet.pop_mpls()
                return recirculate(behind)
            return output(2)

        def behind(packet: Any) -> Any:
            return output(2) if packet.udp is not None and packet.udp.dst == 53 else drop()

        steps = (plain, build.mpls(17, plain, ttl=9), build.mpls(18, plain, ttl=8), plain)
        with Runner(program, dp) as runner:
            for count, (layer, changed) in enumerate(itertools.pairwise(steps), 1):
                for _ in range(2):
                    first.send(build.ethernet(A, B, layer))
                    settle(runner, count + (count == 3))
                    assert second.recv() == build.ethernet(A, B, changed)
            assert runner.counters.upcalls == 4
            assert not runner.errors

    def test_a_header_that_is_written_leaves_changed(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        program = Program()

        @program.forward
        def route(packet: Any) -> Any:
            if packet.ipv4 is None:
                return drop()
            packet.ipv4.ttl -= 1
            packet.eth.src = B
            packet.push_vlan(9)
            return output(2)

        with Runner(program, dp) as runner:
            for _ in range(2):
                first.send(frame())
                settle(runner, 1)
                arrived = second.recv()
                assert arrived is not None
                assert arrived[6:12] == _mac(B)
                assert arrived[12:16] == bytes.fromhex("81000009")
                assert arrived[26] == 63
            assert runner.counters.upcalls == 1


def _mac(text: str) -> Any:
    from dpif.packet.addresses import Mac

    return Mac(text)


def _next_from(host: Host, station: str) -> bytes | None:
    """Return the next frame that a station sent; what was flooded before is passed over."""
    while (received := host.recv()) is not None and received[6:12] != _mac(station):
        pass
    return received


def _learning() -> tuple[Program, Any]:
    program = Program()
    stations = program.table("stations")

    @program.forward
    def switch(packet: Any) -> Any:
        stations[packet.eth.src] = packet.in_port
        port = stations.get(packet.eth.dst)
        return output(port) if port is not None else flood()

    return program, stations


def _tracking() -> Program:
    program = Program("tracking")

    @program.forward
    def forward(packet: Any) -> Any:
        return ct(commit=True, then=tracked) if packet.tcp is not None else drop()

    def tracked(packet: Any) -> Any:
        return output(2) if packet.ct.state.trk else drop()

    return program


def _some_packets(count: int) -> list[bytes]:
    """Return odd packets that a kernel makes flows for."""
    random = Random(7)
    found = []
    for packet in packets(random):
        try:
            from_match(extract(packet, 1), None)
        except (RuleBroken, DecodeError):
            continue
        found.append(packet)
    return random.sample(found, count)


def _reads_much(packet: Any) -> Any:
    """Read all sorts of fields, by bits, whole, or whether they are there."""
    out = output(2)
    if packet.vlan is not None and packet.vlan.vid & 0x10:
        return out
    if packet.arp is not None:
        return out if packet.arp.op == 1 and packet.arp.sip.prefix(8) else drop()
    ip = packet.ip
    if ip is None:
        return drop() if packet.eth_type is None or packet.eth.dst.is_multicast else out
    if ip.is_fragment or ip.src < "10.128.0.0" if packet.ipv4 is not None else ip.src.prefix(16) == 0:
        return out
    if packet.tcp is not None:
        return out if packet.tcp.flags.syn or packet.tcp.dst == 80 else drop()
    if packet.nd is not None:
        return out if packet.nd.target.prefix(64) else drop()
    if packet.udp is not None or packet.sctp is not None or packet.icmp is not None:
        return out
    return drop() if packet.ct.state.trk or packet.tunnel is not None else out
