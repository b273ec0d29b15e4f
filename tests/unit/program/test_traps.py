"""One regression for each trap that systems of this kind fell into; the numbers are those of the design's list.

Those of tunnels, connections and overlaps are in `test_traps_of_actions`; `tests/property/test_programs.py` is about
overlapping flows (27, 40 in part), too.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from dpif.client import Delete, Put
from dpif.odp.constants import FragType
from dpif.packet import build
from dpif.packet.addresses import Mac
from dpif.program import (
    Options,
    Program,
    ProgramError,
    act,
    check_pkt_len,
    consume,
    ct,
    dec_ttl,
    drop,
    flood,
    mirror,
    output,
    recirculate,
    select,
)
from dpif.program.testing import Playground

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
PORTS = ("h1", "h2", "h3")


def tcp(src: str = "10.0.0.1", dst: str = "10.0.0.2", sport: int = 1000, dport: int = 80, **more: Any) -> bytes:
    return build.ethernet(A, B, build.tcp(src, dst, sport, dport, **more))


def udp(src: str = "10.0.0.1", dst: str = "10.0.0.2", dport: int = 53) -> bytes:
    return build.ethernet(A, B, build.udp(src, dst, 1000, dport, b"x"))


def playing(function: Any, options: Options | None = None) -> Playground:
    """A program of one function, at work."""
    program = Program()
    program.forward(function)
    return Playground(program, PORTS, options)


def only(net: Playground) -> str:
    (match,) = net.flows()
    return match


# A. What is read


def test_1_a_header_that_is_missing_was_read() -> None:
    with playing(lambda packet: output("h2") if packet.tcp is None else output("h3")) as net:
        assert set(net.send("h1", udp())) == {"h2"}
        assert "proto=17" in only(net)
        assert set(net.send("h1", tcp())) == {"h3"}


def test_2_a_miss_in_a_table_is_something_to_hang_on() -> None:
    program = Program()
    blocked = program.table("blocked")
    program.forward(lambda packet: drop() if packet.ipv4.src in blocked else output("h2"))
    with Playground(program, PORTS) as net:
        assert net.send("h1", udp())
        assert net.send("h1", udp("10.0.0.9"))
        (key,) = {key for _, key in next(iter(net.runner.keeper.flows)).shape.deps if str(key) == "10.0.0.1"}
        blocked[key] = True
        net.settle()
        assert net.counters.revalidated == 1
        assert not net.send("h1", udp())
        assert net.send("h1", udp("10.0.0.9"))


def test_3_what_logging_shows_is_not_read() -> None:
    shown = []

    def function(packet: Any) -> Any:
        shown.append(repr(packet) + repr(packet.ipv4.dst))
        return output("h2")

    with playing(function) as net:
        net.send("h1", udp())
        assert "10.0.0.2" in shown[0]
        assert "dst" not in only(net)


def test_4_a_special_case_reads_no_more_than_tells_it_apart() -> None:
    def function(packet: Any) -> Any:
        return consume() if packet.udp is not None and packet.udp.dst == 3784 else output("h2")

    with playing(function) as net:
        for port in range(1, 2048, 100):
            net.send("h1", udp(dport=port))
        assert len(net.flows()) == 1  # none of these ports has the bit of 2048


def test_5_the_flow_of_an_error_matches_what_the_failed_run_read() -> None:
    def function(packet: Any) -> Any:
        if packet.tcp.dst == 80:
            raise ValueError("no web here")
        return output("h2")

    with playing(function) as net:
        assert not net.send("h1", tcp())
        assert "tcp(dst=80)" in only(net)
        assert set(net.send("h1", tcp(dport=443))) == {"h2"}
        net.send("h1", tcp())
        assert net.counters.failed == 1
        assert "no web here" in net.reports[0]
        net.sleep(2)
        net.send("h1", tcp())
        assert net.counters.failed == 2
        assert len(net.reports) == 1  # told once for each line


def test_6_frames_without_an_ethertype_do_not_stop_a_port() -> None:
    with playing(lambda packet: drop() if packet.ipv4 is None else output("h2")) as net:
        spanning_tree = bytes.fromhex("0180c2000000 02000000000a 0026 424203") + bytes(35)
        assert not net.send("h1", spanning_tree)
        assert set(net.send("h1", udp())) == {"h2"}
        assert len(net.flows()) == 2


def test_7_a_function_of_something_else_is_found() -> None:
    ports = itertools.cycle(PORTS)
    with playing(lambda packet: output(next(ports))) as net:
        net.send("h1", *[build.ethernet(A, B, build.vlan(vid, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"")))
                         for vid in range(1)])  # fmt: skip
        for number in range(64):
            net.send("h1", udp(dport=number))
            net.datapath.flows.flush()
        assert net.counters.impure
        assert "packet and its tables alone" in net.reports[0]


# B. Bits and prerequisites


def test_8_what_a_field_needs_is_matched_with_it() -> None:
    with playing(lambda packet: output("h2") if packet.tcp is not None and packet.tcp.dst == 80 else drop()) as net:
        net.send("h1", tcp())
        assert "eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80)" in only(net)


def test_9_a_later_fragment_is_not_taken_for_a_first() -> None:
    whole = build.ip("10.0.0.1", "10.0.0.2", 6, bytes(40))
    later = bytearray(build.ethernet(A, B, whole))
    later[14 + 6 : 14 + 8] = (185).to_bytes(2, "big")
    with playing(lambda packet: output("h3") if packet.tcp is None else output("h2")) as net:
        assert set(net.send("h1", bytes(later))) == {"h3"}
        assert set(net.send("h1", tcp())) == {"h2"}
        assert any("frag=later" in match for match in net.flows())


def test_10_fragments_are_matched_where_there_are_some() -> None:
    with playing(lambda packet: flood() if packet.tcp is None else output("h2")) as net:
        net.send("h1", build.ethernet(A, "ff:ff:ff:ff:ff:ff", build.arp_request(A, "10.0.0.1", "10.0.0.2")))
        assert "frag" not in only(net)
        before = net.counters
        net.sleep(3)
        assert net.counters.installed == before.installed


def test_11_a_flow_for_untagged_packets_takes_no_tagged_ones() -> None:
    with playing(lambda packet: output("h2") if packet.vlan is None else output("h3")) as net:
        assert set(net.send("h1", udp())) == {"h2"}
        tagged = build.ethernet(A, B, build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"")))
        assert set(net.send("h1", tagged)) == {"h3"}
        assert any("vlan()" in match for match in net.flows())  # its id was not asked for


def test_12_zero_is_a_value() -> None:
    with playing(lambda packet: output("h2") if packet.ipv4.proto == 0 else output("h3")) as net:
        hop_by_hop = build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 0, bytes(20)))
        assert set(net.send("h1", hop_by_hop)) == {"h2"}
        assert "proto=0" in only(net)
        assert set(net.send("h1", udp())) == {"h3"}


def test_13_flags_do_not_leave_other_packets_of_the_connection_to_the_first_ones_flow() -> None:
    with playing(lambda packet: output("h2") if packet.tcp.flags.syn else output("h3")) as net:
        assert set(net.send("h1", tcp(flags=0x02))) == {"h2"}
        assert set(net.send("h1", tcp(flags=0x18))) == {"h3"}
        assert set(net.send("h1", tcp(flags=0x10))) == {"h3"}
        assert len(net.flows()) == 2


def test_14_a_longer_prefix_takes_over_from_a_shorter_one() -> None:
    program = Program()
    routes = program.lpm("routes")
    program.forward(lambda packet: output(routes.lookup(packet.ipv4.dst, "h3")))
    routes["10.0.0.0/8"] = "h1"
    with Playground(program, PORTS) as net:
        net.send("h1", udp(dst="10.1.2.3"))
        assert "dst=10.0.0.0/255.0.0.0" in only(net)  # one bit more than no route, no more
        assert not net.send("h2", udp(dst="192.0.2.1")).get("h1")
        routes["10.1.0.0/16"] = "h2"
        net.settle()
        assert set(net.send("h1", udp(dst="10.1.2.3"))) == {"h2"}
        assert set(net.send("h2", udp(dst="10.2.0.1"))) == {"h1"}
        del routes["10.1.0.0/16"]
        net.settle()
        assert set(net.send("h3", udp(dst="10.1.2.3"))) == {"h1"}


def test_15_rules_before_the_one_that_holds_were_read_too() -> None:
    rules = [(80, "h2"), (443, "h3")]

    def function(packet: Any) -> Any:
        for port, out in rules:
            if packet.tcp.dst == port:
                return output(out)
        return drop()

    with playing(function) as net:
        assert set(net.send("h1", tcp(dport=443))) == {"h3"}
        assert set(net.send("h1", tcp(dport=80))) == {"h2"}
        assert not net.send("h1", tcp(dport=8080))


def test_18_a_field_that_is_set_is_set_whatever_it_was() -> None:
    def function(packet: Any) -> Any:
        packet.eth.src = A
        return output("h2")

    with playing(function) as net:
        net.send("h1", udp())
        other = build.ethernet(C, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b""))
        (arrived,) = net.send("h1", other)["h2"]
        assert arrived[6:12] == Mac(A)
        assert net.counters.upcalls == 1


def test_19_setting_a_port_matches_the_protocol() -> None:
    def function(packet: Any) -> Any:
        if packet.tcp is not None:
            packet.tcp.dst = 8080
        return output("h2")

    with playing(function) as net:
        (arrived,) = net.send("h1", tcp())["h2"]
        assert arrived[36:38] == (8080).to_bytes(2, "big")
        assert net.send("h1", udp())["h2"] == [udp()]
        assert not net.counters.refused


def test_20_a_time_to_live_that_is_counted_down_is_matched() -> None:
    def function(packet: Any) -> Any:
        if packet.ipv4.ttl <= 1:
            return drop()
        packet.ipv4.ttl -= 1
        return output("h2")

    with playing(function) as net:
        (arrived,) = net.send("h1", udp())["h2"]
        assert arrived[22] == 63
        assert "ttl=64" in only(net)
        dying = bytearray(udp())
        dying[22] = 1
        assert not net.send("h1", bytes(dying))


def test_20_the_datapath_counts_it_down_without_a_look() -> None:
    with playing(lambda packet: dec_ttl(output("h3")) + output("h2") if packet.ip is not None else flood()) as net:
        for ends, at in ((("10.0.0.1", "10.0.0.2"), 22), (("fd00::1", "fd00::2"), 21)):
            for ttl in (64, 2, 255):
                frame = build.ethernet(A, B, build.udp(*ends, 1, 2, ttl=ttl))
                ((port, (arrived,)),) = net.send("h1", frame).items()
                assert (port, arrived[at]) == ("h2", ttl - 1)
        dying = build.ethernet(A, B, build.udp("fd00::1", "fd00::2", 1, 2, ttl=1))
        assert net.send("h1", dying) == {"h3": [dying]}
        assert net.masks() == {"eth_type"}
    with playing(lambda packet: dec_ttl() + output("h2")) as net:
        net.send("h1", build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")))
        assert "only IP packets have a TTL" in net.reports[0]


def test_21_the_packets_bytes_make_no_flow_and_its_length_has_an_action() -> None:
    with playing(lambda packet: output("h2") if len(packet.data) > 60 else drop()) as net:
        net.send("h1", udp())
        assert not net.flows()
        assert net.counters.uncached == 1
    with playing(lambda packet: check_pkt_len(60, output("h2"), output("h3"))) as net:
        assert set(net.send("h1", udp())) == {"h3"}
        assert set(net.send("h1", udp() + bytes(60))) == {"h2"}
        assert net.counters.upcalls == 1


def test_22_a_hash_in_python_reads_what_it_hashes_and_the_datapaths_reads_nothing() -> None:
    with playing(lambda packet: output(PORTS[hash((packet.ipv4.src, packet.udp.dst)) % 2 + 1])) as net:
        net.send("h1", udp())
        assert "src=10.0.0.1" in only(net)
        assert "udp(dst=53)" in only(net)

    with playing(lambda packet: select(_by_hash)) as net:
        for number in range(32):
            net.send("h1", udp(f"10.0.0.{number}"))
        assert len(net.flows()) <= 3  # one that hashes, one for each way


def _by_hash(packet: Any) -> Any:
    return output("h2") if packet.dp_hash & 1 == 0 else output("h3")


def test_19_tracking_a_connection_matches_that_the_packet_is_ip() -> None:
    with playing(lambda packet: ct(then=_tracked)) as net:
        assert set(net.send("h1", tcp(flags=2))) == {"h2"}
        assert not net.counters.refused
        assert not net.send("h1", build.ethernet(A, B, build.arp_request(A, "10.0.0.1", "10.0.0.2")))
        assert "only IP packets have connections" in net.reports[0]


def test_23_a_zone_that_comes_from_a_field_is_matched() -> None:
    def function(packet: Any) -> Any:
        return ct(zone=packet.ipv4.tos, then=_tracked)

    with playing(function) as net:
        assert set(net.send("h1", tcp(flags=2))) == {"h2"}
        assert any("tos=0" in match for match in net.flows())
        assert any("ct_state(+trk)" in match for match in net.flows())


def _tracked(packet: Any) -> Any:
    return output("h2") if packet.ct.state.trk else drop()


def test_24_the_original_direction_is_there_for_who_has_a_connection_and_reads_no_more() -> None:
    with playing(lambda packet: ct(then=_begun)) as net:
        assert set(net.send("h1", tcp(flags=2))) == {"h2"}
        assert set(net.send("h1", tcp(flags=2))) == {"h2"}, "of a state that nobody read"
        invalid = build.ethernet(A, B, build.ip("10.0.0.1", "10.0.0.2", 6, bytes(3)))
        assert set(net.send("h1", invalid)) == {"h3"}
        assert sum("ct_tuple4(proto=6,tp_dst=80)" in match for match in net.flows()) == 1
        assert net.masks() == {
            "eth_type",
            "ct_state(inv|trk),ct_tuple4(tp_dst,proto),eth_type",
            "ct_state(inv|trk),eth_type",
        }


def _begun(packet: Any) -> Any:
    begun = packet.ct.orig
    return output("h3") if begun is None or begun.tp_dst != 80 else ct(commit=True) + output("h2")


# D. Installing and changing


def test_30_several_packets_of_one_flow_in_a_batch_make_one() -> None:
    with playing(lambda packet: output("h2")) as net:
        assert len(net.send("h1", *[udp(dport=port) for port in range(20)])["h2"]) == 20
        assert net.counters.installed == 1
        assert not net.counters.refused


def test_31_a_flow_that_would_read_other_bits_is_taken_back() -> None:
    program = Program()
    strict = program.table("strict")
    program.forward(lambda packet: output("h2") if not strict.get("on") or packet.udp.dst == 53 else drop())
    with Playground(program, PORTS) as net:
        net.send("h1", udp())
        strict["on"] = True
        net.settle()
        assert not net.flows()
        assert net.runner.keeper.deleted[-1].reason == "the function reads other bits"
        assert net.counters.changed == 0


def test_32_what_is_stale_goes_before_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    macs = program.table("macs")

    def function(packet: Any) -> Any:
        macs[packet.eth.src] = packet.in_port
        return flood()

    program.forward(function)
    with Playground(program, PORTS) as net:
        net.send("h1", udp())
        batches: list[list[Any]] = []
        operate = net.datapath.operate
        monkeypatch.setattr(net.datapath, "operate", lambda todo: (batches.append(todo), operate(todo))[1])
        net.send("h2", udp())  # the station moved
        kinds = [type(operation) for batch in batches for operation in batch]
        assert kinds.index(Delete) < kinds.index(Put)


def test_33_a_change_between_a_decision_and_its_flow_is_not_missed() -> None:
    program = Program()
    way = program.table("way")
    way["out"] = "h2"
    program.forward(lambda packet: output(way["out"]))

    def change(*_: object) -> None:
        thread = threading.Thread(target=lambda: way.update(out="h3"))
        thread.start()
        thread.join()

    with Playground(program, PORTS, Options(on_flow=change)) as net:
        way["out"] = "h2"
        net.send("h1", udp())
        assert set(net.flows().values()) == {"h3"}


def test_34_taking_back_a_flow_leaves_its_successor() -> None:
    with playing(lambda packet: output("h2")) as net:
        net.send("h1", udp())
        (old,) = net.runner.keeper.flows
        net.runner.keeper.remove(old, "a test")
        net.settle()
        net.send("h1", udp())
        net.runner.keeper.remove(old, "again")
        net.settle()
        assert len(net.flows()) == 1


def test_36_recirculation_ids_are_the_same_after_a_restart_and_are_freed() -> None:
    ids = []
    for _ in range(2):
        with playing(lambda packet: recirculate(_tracked_or_not, 7)) as net:
            assert set(net.send("h1", udp())) == {"h2"}
            ids.append(sorted({flow.recirc_id for flow in net.runner.keeper.flows}))
            net.sleep(20)
            assert not net.flows()
            net.sleep(2)
            assert len(net.runner.decider.contexts) == 0
    assert ids[0] == ids[1]
    assert ids[0][0] == 0
    assert len(ids[0]) == 2


def _tracked_or_not(packet: Any, number: int) -> Any:
    return output("h2") if number == 7 else drop()


def test_37_traffic_keeps_alive_only_what_its_flow_has_seen() -> None:
    program = Program()
    macs = program.table("macs", idle=30)

    def function(packet: Any) -> Any:
        macs[packet.eth.src] = packet.in_port
        return flood()

    program.forward(function)
    with Playground(program, PORTS) as net:
        net.send("h1", udp())
        for _ in range(6):
            net.sleep(8)
            net.send("h1", udp())
        assert Mac(A) in macs  # 48 s, by traffic that never came up
        assert net.counters.upcalls == 1
        (flow,) = net.runner.keeper.flows
        ((table, key, entry),) = flow.shape.touched
        del macs[Mac(A)]
        table.refresh(key, entry, net.now)
        assert Mac(A) not in macs
        macs[Mac(A)] = 2
        later = net.now + 29
        table.refresh(key, entry, later)
        assert macs._entries[Mac(A)].used < later


def test_38_deciding_again_learns_nothing() -> None:
    program = Program()
    macs = program.table("macs")

    def function(packet: Any) -> Any:
        macs[packet.eth.src] = packet.in_port
        return flood()

    program.forward(function)
    with Playground(program, PORTS) as net:
        net.send("h1", udp())
        del macs[Mac(A)]
        net.settle()
        assert len(macs) == 0
        assert net.runner.keeper.deleted[-1].reason == "its packets would change a table"


def test_38_deciding_again_keeps_nothing_alive() -> None:
    program = Program()
    guests = program.table("guests", idle=30)
    program.forward(lambda packet: output("h2") if guests.touch(packet.eth.src) else drop())
    with Playground(program, PORTS, Options(idle=1000)) as net:
        assert not net.send("h1", udp())
        guests[Mac(A)] = True
        assert net.send("h1", udp())
        net.sleep(20)
        program.site.mark_stale(list(net.runner.keeper.flows))
        net.sleep(11)
        assert Mac(A) not in guests


def test_39_what_names_a_port_goes_with_it() -> None:
    program = Program()
    macs = program.table("macs")

    def function(packet: Any) -> Any:
        macs[packet.eth.src] = packet.in_port
        port = macs.get(packet.eth.dst)
        return flood() if port is None else output(port)

    program.forward(function)
    with Playground(program, PORTS) as net:
        net.send("h2", build.ethernet(B, A, build.udp("10.0.0.2", "10.0.0.1", 1, 2, b"")))
        net.send("h1", udp())
        net.remove_port("h2")
        assert Mac(B) not in macs
        assert set(net.flows().values()) == {"h3,br0"} or set(net.flows().values()) == {"br0,h3"}
        assert not [match for match in net.flows() if "in_port(h2)" in match]


def test_40_masks_are_bounded() -> None:
    program = Program()
    routes = program.lpm("routes")
    for length in range(1, 33):
        routes[f"128.0.0.0/{length}"] = "h2"
    program.forward(lambda packet: output(routes.lookup(packet.ipv4.dst, "h3")))
    with Playground(program, PORTS, Options(max_masks=4)) as net:
        for bit in range(32):
            net.send("h1", udp(dst=f"{128 | (1 << 31 - bit) >> 24 & 127}.{(1 << 31 - bit) >> 16 & 255}.1.1"))
            net.send("h1", udp(dst=f"128.0.{(1 << bit) >> 8 & 255}.{1 << bit & 255}"))
        assert net.counters.masks <= 8
        net.sleep(1)
        assert net.runner.decider.coarse


# And what is no trap of others


def test_an_unknown_decision_is_said() -> None:
    with playing(lambda packet: 2) as net:
        net.send("h1", udp())
        assert "expected a decision such as output(1)" in net.reports[0]


def test_what_the_datapath_refuses_is_said_once() -> None:
    with playing(lambda packet: act("set(tcp(dst=1)),2")) as net:
        for _ in range(3):
            assert not net.send("h1", udp())
        told = "the datapath refuses what the function decided: {} a flow: Invalid argument: set(tcp(...)) needs"
        assert [text for text in net.reports if text.startswith(told.format("putting"))] == net.reports[:1]
        assert len(net.reports) == 2, "of the flow, and of the packet"


def test_what_no_datapath_sets_is_said() -> None:
    def function(packet: Any) -> Any:
        packet.ipv4.proto = 6
        return output("h2")

    with playing(function) as net:
        net.send("h1", udp())
        assert "ProgramError: no datapath can set ipv4.proto" in net.reports[0]
    with pytest.raises(ProgramError, match="ttl"), playing(_too_much) as net:
        net.program.explain(udp())


def _too_much(packet: Any) -> Any:
    packet.ipv4.ttl = 300
    return output("h2")


def test_a_mirror_has_the_packet_as_it_came() -> None:
    def function(packet: Any) -> Any:
        packet.eth.dst = C
        return output("h2") + mirror("h3")

    with playing(function) as net:
        arrived = net.send("h1", udp())
        assert arrived["h3"] == [udp()]
        assert arrived["h2"][0][:6] == Mac(C)


def test_tags_are_pushed_popped_and_changed() -> None:
    def function(packet: Any) -> Any:
        if packet.vlan is None:
            packet.push_vlan(7, pcp=3)
            assert packet.vlan.vid == 7
        elif packet.vlan.vid == 5:
            packet.vlan.vid = 6
        else:
            packet.pop_vlan()
            assert packet.vlan is None
        return output("h2")

    def sent(net: Playground, *tags: int) -> bytes:
        layer = build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"")
        for vid in tags:
            layer = build.vlan(vid, layer)
        (arrived,) = net.send("h1", build.ethernet(A, B, layer))["h2"]
        return arrived[12:16]

    with playing(function) as net:
        assert sent(net) == bytes.fromhex("81006007")
        assert sent(net, 5) == bytes.fromhex("81000006")
        assert sent(net, 9)[:2] == b"\x08\x00"
        assert not net.reports


def test_labels_are_pushed_changed_and_popped() -> None:
    def function(packet: Any) -> Any:
        if packet.mpls is None:
            packet.push_mpls(17, tc=3, ttl=9)
        elif packet.mpls.label == 17:
            packet.mpls.label = 18
            packet.mpls.ttl -= 1
        else:
            packet.pop_mpls()
            return recirculate(inside)
        return output("h2")

    def inside(packet: Any) -> Any:
        return output("h2") if packet.ipv4 is not None and packet.udp.dst == 53 else drop()

    plain = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x")
    with playing(function) as net:
        frame = build.ethernet(A, B, plain)
        for label, tc, ttl in ((17, 3, 9), (18, 3, 8)):
            ((frame,),) = net.send("h1", frame).values()
            assert frame == build.ethernet(A, B, build.mpls(label, plain, tc=tc, ttl=ttl))
        assert net.send("h1", frame) == {"h2": [build.ethernet(A, B, plain)]}
        assert net.masks() == {
            "eth_type",
            "eth_type,mpls(label,ttl)",
            "eth_type,mpls(label/0x11)",
            "eth_type,ipv4(proto,frag),udp(dst)",
        }
        assert not net.reports
        two = build.ethernet(A, B, build.vlan(5, plain))
        assert not net.send("h1", two)
        assert "where there are no VLAN tags" in net.reports[0]


def test_labels_are_stacked() -> None:
    def function(packet: Any) -> Any:
        packet.push_mpls(1)
        packet.push_mpls(2)
        return output("h2")

    plain = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x")
    with playing(function) as net:
        assert net.send("h1", udp()) == {"h2": [build.ethernet(A, B, build.mpls(2, build.mpls(1, plain)))]}


def test_fragment_types_are_values() -> None:
    with playing(lambda packet: output("h2") if packet.ipv4.frag == FragType.NONE else drop()) as net:
        assert net.send("h1", udp())


def test_the_program_sends_packets_of_its_own() -> None:
    program = Program()

    def function(packet: Any) -> Any:
        if packet.arp is not None and packet.arp.op == 1:
            reply = build.arp_reply(B, str(packet.arp.tip), str(packet.arp.sha), str(packet.arp.sip))
            program.send(build.ethernet(B, str(packet.eth.src), reply), packet.in_port)
            return consume()
        return drop()

    program.forward(function)
    with Playground(program, PORTS) as net:
        request = build.ethernet(A, "ff:ff:ff:ff:ff:ff", build.arp_request(A, "10.0.0.1", "10.0.0.2"))
        for _ in range(2):
            (reply,) = net.send("h1", request)["h1"]
            assert reply[20:22] == b"\x00\x02"
        assert not net.flows()


def test_timers_and_ports_have_their_functions() -> None:
    program = Program()
    seen = program.table("seen")

    @program.every(5)
    def count() -> None:
        seen["ticks"] = seen.get("ticks", 0) + 1

    @program.on_port_added
    def added(number: int, name: str) -> None:
        seen[name] = number

    @program.on_port_removed
    def removed(number: int, name: str) -> None:
        seen.discard(name)

    program.forward(lambda packet: drop())
    with Playground(program, PORTS) as net:
        net.sleep(11)
        assert seen["ticks"] == 2
        assert seen["h2"] == 2
        net.remove_port("h2")
        assert "h2" not in seen
        assert net.add_port("h4") == seen["h4"]
