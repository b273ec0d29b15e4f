"""``dump-flows`` with an order and a limit, on a userspace datapath that is served."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run


@pytest.fixture
def many(br0: str, run: Run, tmp_path: Path) -> str:
    """A datapath with flows for more than one datagram, their destinations 10.0.0.0 to 10.0.1.143, in no order."""
    file = tmp_path / "many"
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(400)]
    file.write_text("".join(f"in_port(1),eth(),eth_type(0x0800),ipv4(dst={a}) 2\n" for a in addresses))
    assert run("add-flows", br0, str(file)).status == 0
    return br0


def addresses_of(text: str) -> list[str]:
    return re.findall(r"10[.]0[.][0-9.]+", text)


def test_flows_in_order(many: str, run: Run) -> None:
    found = addresses_of(run("dump-flows", many, "--sort", "ipv4.dst").stdout)
    assert found == sorted(found, key=IPv4Address)
    assert len(found) == 400
    assert addresses_of(run("dump-flows", many, "--sort=-ipv4.dst").stdout) == found[::-1]
    first = run("dump-flows", many, "--sort", "packets,ipv4.dst:desc", "--limit=2", "--names")
    assert addresses_of(first.stdout) == ["10.0.1.143", "10.0.1.142"]
    assert first.stdout.startswith("in_port(h1)")
    last = run("dump-flows", many, "-m", "--sort", "ipv4.dst", "--limit", "3", "filter=ipv4.dst in 10.0.1.0/24")
    assert addresses_of(last.stdout) == ["10.0.1.0", "10.0.1.1", "10.0.1.2"]


@pytest.mark.parametrize("words", [(), ("filter=ipv4",), ("--sort=in_port",), ("filter=ip", "-m")])
def test_some_flows(many: str, run: Run, words: tuple[str, ...]) -> None:
    for limit in (0, 1, 3):
        assert len(run("dump-flows", many, "--limit", str(limit), *words).stdout.splitlines()) == limit
    shown = json.loads(run("dump-flows", many, "--json", "--limit", "2", *words).stdout)
    assert (len(shown["flows"]), shown["complete"]) == (2, True)
    assert run("dump-flows", many, "--limit", "1000", *words).stdout.count("\n") == 400


def test_orders_and_limits_that_cannot_be(br0: str, run: Run) -> None:
    misspelt = run("dump-flows", br0, "--sort", "packtes")
    assert misspelt.status == 1
    assert misspelt.stderr.startswith("dpif: parsing --sort (syntax error at packtes: unknown field")
    assert "it has no value" in run("dump-flows", br0, "--sort", "udp").stderr
    for limit in ("x", "-1", ""):
        assert run("dump-flows", br0, "--limit", limit).status == 2


FLOWS = """\
recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no) ct(zone=1),recirc(0x1)
recirc_id(0x1),in_port(1),ct_state(+trk+est),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0) 2
recirc_id(0x1),in_port(1),ct_state(+trk+new),eth(),eth_type(0x0800),ipv4(frag=no) ct(commit),recirc(0x2)
recirc_id(0),in_port(2),eth(),eth_type(0x0806),arp() drop
recirc_id(0x7),in_port(2),eth(),eth_type(0x0806),arp() 1
"""


@pytest.fixture
def paths(br0: str, run: Run, tmp_path: Path) -> str:
    """A datapath with flows that recirculate."""
    file = tmp_path / "paths"
    file.write_text(FLOWS)
    assert run("add-flows", br0, str(file)) == (0, "", "")
    return br0


def test_a_tree(paths: str, run: Run) -> None:
    status, shown, _ = run("dump-flows", paths, "--tree", "--names", "--sort", "ct_state")
    lines = shown.splitlines()
    assert status == 0
    assert lines[:5] == [
        "packets  bytes   used  flow",
        "                       in_port(h1)",
        "      0      0  never    eth_type(0x0800),ipv4(frag=no), actions:ct(zone=1),recirc(0x1)",
        "      0      0  never      recirc_id(0x1),ct_state(+new+trk), actions:ct(commit),recirc(0x2)",
        "                             recirc_id(0x2): no flows",
    ]
    assert lines[5].endswith("      recirc_id(0x1),ct_state(+est+trk),ipv4(proto=6,frag=no), actions:h2")
    assert [line[23:] for line in lines[6:]] == [
        "in_port(h2)",
        "  eth_type(0x0806), actions:drop",
        "recirc_id(0x7): not reached from any port",
        "  recirc_id(0x7),in_port(h2),eth_type(0x0806), actions:h1",
    ]


def test_a_part_of_a_tree(paths: str, run: Run) -> None:
    assert run("dump-flows", paths, "--tree", "filter=ct_state in +est").stdout.count("\n") == 4
    assert run("dump-flows", paths, "--tree", "--limit", "1").stdout.endswith(" ... and 1 more at the top\n")
    assert run("dump-flows", paths, "--tree", "filter=packets > 0").stdout == "packets  bytes  used  flow\n"


def test_a_tree_as_json(paths: str, run: Run, check_json: Any) -> None:
    document = check_json.document(run("dump-flows", paths, "--tree", "--json", "--sort=ct_state").stdout)
    (first, second), (unreached,) = document["ports"], document["unreached"]
    assert (document["datapath"], document["hidden"]) == (paths, 0)
    assert (first["in_port"], second["in_port"], unreached["recirc_id"]) == (1, 2, 7)
    (branch,) = first["flows"][0]["branches"]
    assert [flow["branches"] for flow in branch["flows"]] == [[{"recirc_id": 2, "flows": [], "elsewhere": False}], []]


def test_flows_that_a_filter_picks_are_deleted(many: str, run: Run, check_json: Any) -> None:
    assert run("del-flows", many, "filter=ipv4.dst in 10.0.1.0/24") == (
        0,
        f"deleted 144 of 400 flows of {many}\n",
        "",
    )
    assert set(addresses_of(run("dump-flows", many).stdout)) == {f"10.0.0.{number}" for number in range(256)}
    document = check_json.document(run("--json", "del-flows", "filter=ip,nw_dst=10.0.0.5", many).stdout)
    assert document == {
        "version": 1,
        "command": "del-flows",
        "datapath": many,
        "flows": 256,
        "deleted": 1,
        "failed": 0,
    }
    assert run("del-flows", "filter=udp.dst == 7") == (0, f"deleted 0 of 255 flows of {many}\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("filter=",), "filter= is empty; all flows are deleted by: dpif del-flows netdev@br0"),
        (("filter=udp", "filter=udp"), "more than one filter; usage: dpif del-flows [dp] [file] [filter=..]"),
        (("file", "filter=udp"), "there is no datapath file, but there is netdev@br0"),
        (("filter=nonsense",), "parsing filter (syntax error at nonsense"),
        (("filter=packets == x",), "parsing filter"),
    ],
)
def test_what_is_no_filter_deletes_nothing(many: str, run: Run, words: tuple[str, ...], complaint: str) -> None:
    ran = run("del-flows", *words)
    assert (ran.status != 0, ran.stdout) == (True, "")
    assert complaint in ran.stderr
    assert run("dump-flows", many).stdout.count("\n") == 400
