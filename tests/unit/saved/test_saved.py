"""Saved dumps: each kind of text that tools print of a datapath, read back as values."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

import dpif
from dpif.conntrack.constants import Status
from dpif.conntrack.text import format_entry
from dpif.saved.names import FIRST_OWN

GOLDEN = Path(__file__).parents[2] / "golden"
DUMPS, OTHERS = GOLDEN / "dumps", GOLDEN / "saved"
FLOW = "recirc_id(0),in_port(1),eth(),eth_type(0x0806), packets:3, bytes:126, used:0.500s, actions:2"
NAMED = "recirc_id(0),in_port(h1),eth(),eth_type(0x0806), packets:0, bytes:0, used:never, actions:h2,ct_clear,drop"


def of(*texts: str, strict: bool = False) -> dpif.SavedDatapath:
    """Return what is saved in these texts."""
    return dpif.load(*map(io.StringIO, texts), strict=strict)


@pytest.mark.parametrize("path", sorted(DUMPS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_line_with_actions_of_a_published_dump_is_a_flow(path: Path) -> None:
    saved = dpif.load(path)
    lines = [line for line in path.read_text().splitlines() if "actions:" in line and line[0] != "#"]
    assert [flow.packets for flow in saved.flows] == [int(line.split("packets:")[1].split(",")[0]) for line in lines]
    assert not list(saved.faults)


def test_flows_are_typed_and_tell_what_their_line_does() -> None:
    saved = dpif.load(DUMPS / "icmpv6-ns-tc-offload.txt")
    first, *rest = saved.flows
    assert first.told["dp"] == "tc"
    assert [flow.told["dp"] for flow in rest] == ["ovs", "ovs"]
    assert str(first.ufid) == "ufid:fa080783-115c-46bf-b605-2b1e8a1e9b1e"
    assert first.key.in_port == FIRST_OWN
    assert saved.ports.names()[FIRST_OWN] == "p1"
    assert first.number == 3


def test_ports_that_show_listed_have_their_numbers() -> None:
    saved = dpif.load(DUMPS / "openstack-sosreport.txt", OTHERS / "openstack-sosreport-show.txt")
    assert saved.ports["ens7"].number == 4
    assert saved.ports[7].type == "vxlan"
    assert "tap0e778df8-ca" in saved.ports
    assert next(iter(saved.flows)).key.in_port == 4
    assert saved.stats is not None
    assert (saved.stats.hit, saved.stats.missed, saved.stats.flows, saved.stats.masks) == (36830, 4948, 7, 7)
    stats = saved.ports["ens7"].stats
    assert stats is not None
    assert (stats.rx_packets, stats.tx_bytes) == (37915, 29979)
    with pytest.raises(dpif.NoSuchObject, match="nothing"):
        saved.ports["nothing"]


def test_connections_are_read_back() -> None:
    path = OTHERS / "openstack-sosreport-conntrack.txt"
    entries = list(dpif.load(path).conntrack)
    assert [format_entry(entry, more=True) for entry in entries] == path.read_text().splitlines()[1:]
    assert {(entry.zone, entry.status) for entry in entries} == {(3, Status.CONFIRMED)}


@pytest.mark.parametrize(
    "line",
    [
        "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1,dport=80,packets=5,bytes=60),"
        "reply=(src=10.0.0.2,dst=10.0.0.9,sport=80,dport=1,packets=4,bytes=50),start=2026-01-02T03:04:05.678,id=7,"
        "zone=1,status=SEEN_REPLY|ASSURED|CONFIRMED|SRC_NAT,timeout=300,mark=5,labels=0x10,"
        "protoinfo=(state_orig=FIN_WAIT_1,state_reply=FIN_WAIT_1,wscale_orig=7,wscale_reply=8,"
        "flags_orig=WINDOW_SCALE|SACK_PERM,flags_reply=0),helper=ftp,"
        "parent=(src=10.0.0.1,dst=10.0.0.2,sport=2,dport=21)",
        "icmpv6,orig=(src=fc00::1,dst=fc00::2,id=9,type=128,code=0),reply=(src=fc00::2,dst=fc00::1,id=9,type=129,code=0),"
        "id=0,status=0,timeout=0",
        "sctp,orig=(src=1.1.1.1,dst=1.1.1.2,sport=1,dport=2),reply=(src=1.1.1.2,dst=1.1.1.1,sport=2,dport=1),"
        "id=0,status=0,timeout=0,protoinfo=(state=ESTABLISHED,vtag_orig=5,vtag_reply=0)",
    ],
)
def test_connections_with_all_details_are_read_back(line: str) -> None:
    (entry,) = of(line).conntrack
    assert format_entry(entry, more=True, statistics=True) == line


def test_other_lines_stand_between() -> None:
    text = f"# a remark: recirc_id(0)\r\nflow-dump from the main thread:\r\n{FLOW}\r\n\r\n"
    text += f"2026-01-01T00:00:00Z|00001|x|{FLOW}\n"
    text += f"2026-01-01T00:00:00Z|7|dpif|WARN|system@x: failed to put[create] (File exists) {FLOW}\n"
    saved = of(text)
    assert [flow.number for flow in saved.flows] == [3, 5]
    assert len(saved.flows) == 2
    assert not list(saved.faults)


@pytest.mark.parametrize(
    "line",
    [
        "in_port(1),eth(),eth_type(0x0806), used:0.500s, bytes:126, packets:3, offload_packets:1, actions:2",
        "in_port(1),eth(),eth_type(0x0806), actions:2, packets:3, bytes:126, used:0.500s",
        "in_port(1),eth(),eth_type(0x0806), packets:3, bytes:126, used:0.5s, offloaded:yes, dp:tc, new:x, actions:2",
    ],
)
def test_what_has_a_name_stands_in_any_order(line: str) -> None:
    (flow,) = of(line).flows
    (expected,) = of(FLOW).flows
    assert (flow.packets, flow.bytes, flow.actions) == (3, 126, expected.actions)
    assert flow.format() == FLOW.replace("recirc_id(0),", "")


def test_lines_are_printed_again_with_what_they_told() -> None:
    line = (
        "ufid:fa080783-115c-46bf-b605-2b1e8a1e9b1e, in_port(1),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,"
        "dst=00:00:00:00:00:00/00:00:00:00:00:00),eth_type(0x0806),arp(sip=0.0.0.0/0.0.0.0,tip=0.0.0.0/0.0.0.0,op=0/0,"
        "sha=00:00:00:00:00:00/00:00:00:00:00:00,tha=00:00:00:00:00:00/00:00:00:00:00:00), packets:3, bytes:126, "
        "used:99999999.500s, flags:S, offloaded:yes, dp:tc, actions:2, dp-extra-info:miniflow_bits(4,1)"
    )
    assert list(of(line).flows.lines(verbose=True)) == [line]


def test_a_line_that_cannot_be_read_is_left_out_and_told_of_once() -> None:
    told: list[str] = []
    file = io.StringIO(f"{FLOW}\nin_port(1),eth(\n{FLOW.replace('eth()', 'eht()')}\n{FLOW}\n")
    saved = dpif.load(file, report=lambda fault: told.append(str(fault)))
    assert [flow.number for flow in saved.flows] == [1, 4]
    assert [flow.number for flow in saved.flows] == [1, 4]
    assert [fault.line for fault in saved.faults] == [2, 3]
    assert told == list(map(str, saved.faults))
    assert told[0].startswith("<file>:2: expected actions:")
    with pytest.raises(dpif.ParseError, match="<file>:2: "):
        list(of("\nin_port(1),eth(\n", strict=True).flows)


def test_a_word_that_is_no_action_is_a_port() -> None:
    saved = of(NAMED)
    (flow,) = saved.flows
    assert dict(saved.ports.names()) == {FIRST_OWN: "h1", FIRST_OWN + 1: "h2"}
    assert flow.format(port_names=saved.ports.names()) == NAMED


def test_filters_know_the_names_and_the_time_of_the_dump() -> None:
    saved = of(f"{FLOW}\n{NAMED}")
    assert [flow.number for flow in saved.flows.dump(filter="in_port == h1")] == [2]
    assert [flow.number for flow in saved.flows.dump(filter="used < 1")] == [1]


def test_packed_files_and_open_ones_are_read_alike(tmp_path: Path) -> None:
    packed = tmp_path / "flows.gz"
    packed.write_bytes(gzip.compress(f"{FLOW}\n".encode()))
    assert len(dpif.load(packed).flows) == 1
    with packed.open("rb") as file:
        assert len(dpif.load(file).flows) == 1
    packed.write_bytes(packed.read_bytes()[:-9])
    damaged = dpif.load(packed)
    list(damaged.flows)
    assert ["cannot be unpacked" in fault.reason for fault in damaged.faults] == [True]
    with pytest.raises(FileNotFoundError):
        dpif.load(tmp_path / "missing")


def test_a_directory_is_known_by_what_its_files_have(tmp_path: Path) -> None:
    deep = tmp_path / "sos_commands" / "openvswitch"
    deep.mkdir(parents=True)
    (deep / "a").write_text((DUMPS / "openstack-sosreport.txt").read_text())
    (deep / "b").write_text(f"{FLOW}\n" * 1000)  # larger, without identifiers
    (deep / "c").write_text((OTHERS / "openstack-sosreport-show.txt").read_text())
    (tmp_path / "d").write_text((OTHERS / "openstack-sosreport-conntrack.txt").read_text())
    (tmp_path / "e").write_bytes(bytes(1000))
    saved = dpif.load(tmp_path)
    assert (len(saved.flows), len(saved.ports), len(saved.conntrack)) == (7, 13, 12)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file in it"):
        dpif.load(tmp_path / "empty")
