"""``--output``: tables in a pipe, CSV, and other names for what there is."""

from __future__ import annotations

import csv
import io
import json
from importlib import resources
from typing import Any

import pytest

from dpif.cli.command_table import BY_NAME
from dpif.cli.formats import FORMATS
from dpif.cli.output.csv import COLUMNS, CsvOutput
from dpif.packet import build
from dpif.userspace import UserspaceSystem

from .conftest import Run

SCHEMA = resources.files("dpif") / "_data" / "json-schema.json"
UDP = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1000, 53))
ARP = "in_port(1),eth(),eth_type(0x0806),arp()"


@pytest.fixture
def busy(br0: str, system: UserspaceSystem, run: Run) -> str:
    """A datapath with two flows, a connection and a limit."""
    run("add-flow", br0, ARP, "set(eth(src=02:00:00:00:00:01)),2")
    run("add-flow", br0, "in_port(1),eth(),eth_type(0x0800),ipv4()", "ct(commit)")
    run("ct-set-limits", "default=9", "zone=5,limit=7", "zone=6,limit=8")
    system.device("h1").send(UDP)
    return br0


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def test_flows(busy: str, run: Run) -> None:
    ran = run("dump-flows", "--output", "csv", "--sort", "in_port,eth_type", busy)
    assert (ran.status, ran.stderr) == (0, "")
    first, second = rows(ran.stdout)
    assert list(first) == ["ufid", "match", "packets", "bytes", "used", "tcp_flags", "actions"]
    assert first["actions"] == "ct(commit)"
    assert (first["packets"], second["packets"], second["used"], second["ufid"]) == ("1", "0", "", "")
    assert second["actions"] == "set(eth(src=02:00:00:00:00:01)),2"
    assert second["match"].startswith("in_port(1),eth()")
    assert len(rows(run("dump-flows", "--output=csv", "--limit=1", busy).stdout)) == 1
    assert rows(run("dump-flows", "--output=csv", busy, "filter=ipv4.src == 1.2.3.4").stdout) == []


def test_ports(busy: str, run: Run) -> None:
    ports = rows(run("show", "-s", "--output", "csv", busy).stdout)
    assert [(port["name"], port["ports.number"], port["ports.name"]) for port in ports] == [
        (busy, "0", "br0"),
        (busy, "1", "h1"),
        (busy, "2", "h2"),
    ]
    assert ports[1]["ports.statistics.rx_packets"] == "1"
    assert {port["ports.statistics.rx_packets"] for port in rows(run("show", "--output=csv").stdout)} == {""}


def test_connections_and_limits(busy: str, run: Run) -> None:
    (connection,) = rows(run("dump-conntrack", "--output", "csv").stdout)
    assert [connection[name] for name in ("protocol", "orig.src", "orig.src_port", "zone", "tcp.state")] == [
        "udp",
        "10.0.0.1",
        "1000",
        "0",
        "",
    ]
    assert (
        run("ct-get-limits", "--output", "csv").stdout == "zones.zone,zones.limit,zones.connections\n5,7,0\n6,8,0\n"
    )
    assert (
        run("cache-get-size", "--output", "csv").stdout
        == "name,caches.name,caches.size\nnetdev@br0,masks-cache,256\n"
    )
    assert run("dump-dps", "--output", "csv").stdout == "name\nnetdev@br0\n"


def members(schema: Any) -> set[str]:
    """Return the names of all members that a schema has anywhere."""
    if isinstance(schema, list):
        return set().union(*map(members, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())).union(*map(members, schema.values()))


def test_columns_are_members_of_the_json() -> None:
    known = members(json.loads(SCHEMA.read_text()))
    assert set(COLUMNS) <= set(BY_NAME)
    for name, columns in COLUMNS.items():
        for column in columns.split():
            assert known.issuperset(column.split(".")), (name, column)


@pytest.mark.parametrize(
    "value", ["plain", 'with "quotes"', "a,b", "two\nlines", " blank", "", None, 0, False, ["a", "b"]]
)
def test_every_value_reads_back(value: object) -> None:
    text = "\n".join(CsvOutput("get-flow").value({"match": value, "ufid": "u"}))
    (row,) = rows(text)
    expected = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    assert (row["ufid"], row["match"], row["actions"]) == ("u", expected, "")


def test_tables_in_a_pipe(busy: str, run: Run) -> None:
    for wanted in (("--output", "table"), ("--output=wide",), ("--wide",)):
        shown = run("show", *wanted, busy).stdout.splitlines()
        assert "  port  name  type" in shown
        assert run("dump-conntrack", *wanted).stdout.split()[:3] == ["protocol", "source", "destination"]
        assert run("dump-flows", *wanted, busy).stdout.count("\n") == 2
    assert "  port 1: h1" in run("show", busy).stdout


@pytest.mark.parametrize(("name", "option"), [("json", "--json"), ("json-lines", "--json-lines")])
def test_other_names(busy: str, run: Run, name: str, option: str) -> None:
    for command in ("show", "dump-dps", "dump-conntrack"):
        assert run(command, "--output", name) == run(command, option)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "--output", "xml"), f"--output takes {', '.join(FORMATS[:-1])} or json-lines, not 'xml'"),
        (("show", "--json", "--output", "csv"), "are two formats; give one"),
        (("doctor", "--output", "csv"), "'doctor' command has no CSV; these have: "),
        (("add-dp", "netdev@x", "--output", "csv"), "'add-dp' command has no CSV"),
        (("dump-flows", "--tree", "--output", "csv"), "--tree has no CSV; --output json tells it"),
        (("switch", "netdev@br0", "--output", "json"), "prints text, and has no JSON"),
        (("show", "--output"), "requires an argument (FORMAT)"),
    ],
)
def test_mistakes(br0: str, run: Run, words: tuple[str, ...], said: str) -> None:
    ran = run(*words)
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_results_of_a_batch_are_json(busy: str, run: Run, tmp_path: Any) -> None:
    file = tmp_path / "batch"
    file.write_text("dump-dps --output csv\n")
    assert run("batch", str(file)).stdout == "name\nnetdev@br0\n"
    assert "are two formats; give one" in run("batch", "--json", str(file)).stdout
