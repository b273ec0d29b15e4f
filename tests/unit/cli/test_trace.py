"""Traces through the flows of a datapath, and of a file."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Run

FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)"


def test_a_packet_goes_through_the_flows_of_a_datapath(run: Run, br0: str) -> None:
    assert run("add-flow", br0, FLOW, "push_vlan(vid=5,pcp=0),2").status == 0
    ran = run("trace", "--no-names", br0, "udp 10.0.0.1:1000 > 10.0.0.2:53 in 1")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-2:] == ["Result:", "  1: out of port 2"]
    assert "push_vlan(vid=5,pcp=0)" in ran.stdout


def test_of_a_miss_it_tells_what_comes_near(run: Run, br0: str) -> None:
    assert run("add-flow", br0, FLOW, "2").status == 0
    ran = run("trace", br0, "udp 10.0.0.1:1000 > 10.0.0.2:54 in 1")
    assert "wants udp(dst=53); the packet has udp(dst=54), as it came in" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "  -: miss: goes up to user space"


def test_it_is_told_as_json(run: Run, br0: str) -> None:
    assert run("add-flow", br0, "in_port(1),eth(),eth_type(0x0806),arp()", "drop").status == 0
    (told,) = json.loads(run("trace", "--json", br0, "arp who-has 10.0.0.2 tell 10.0.0.1 in 1").stdout)["traces"]
    (result,) = told["results"]
    assert (result["steps"], result["outcome"].partition(" by ")[0]) == ([1], "dropped")


def test_flows_of_a_file_are_a_part_of_all_perhaps(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "flows.txt"
    flow = "recirc_id(0),in_port(eth0),eth(), packets:1, bytes:60, used:1.0s, actions:eth1,pop_vlan"
    path.write_text(f"# a dump\n{flow}\n{flow}(\n")
    ran = run("trace", f"file@{path}", "in_port(eth0),eth()")
    assert ran.status == 0
    assert f"{path}:3: expected" in ran.stderr
    assert "1 line of" in ran.stderr
    assert run("trace", "--strict", f"file@{path}", "in_port(eth0),eth()").status == 1
    assert ran.stdout.splitlines()[-1] == "  1: out of port eth1"
    ran = run("trace", f"file@{path}", "in_port(eth7),eth()")
    assert ran.stdout.splitlines()[-2].startswith("  -: no flow of recirc_id(0) matches in this dump")


def test_mistakes_are_told(run: Run, br0: str, tmp_path: Path) -> None:
    assert "no conntrack state" in run("trace", "--ct-next", "old", br0, "in_port(1)").stderr
    assert "is not known of connections" in run("trace", "--ct", "age=1", br0, "in_port(1)").stderr
    assert "--hash takes a number" in run("trace", "--hash", "x", br0, "in_port(1)").stderr
    assert "there is no port 'nobody'" in run("trace", br0, "udp 10.0.0.1:1 > 10.0.0.2:2 in nobody").stderr
    assert "reading" in run("trace", f"file@{tmp_path / 'none'}", "in_port(1)").stderr
    assert run("trace", br0, "in_prt(1)").status == 1
