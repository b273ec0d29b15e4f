"""Caches, conntrack and refusals, on a userspace datapath, which has few of them; on the kernel see tests/kernel."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from dpif.cli.commands.conntrack import Counts
from dpif.cli.commands.ct_limits import Limits, parse_zone_limit
from dpif.cli.errors import CommandError
from dpif.conntrack.table import Statistics
from dpif.odp.messages.ct_limit import ZoneLimit
from dpif.packet import build
from dpif.userspace import UserspaceSystem

from .conftest import Run


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("ct-bkts", "starting conntrack dump (Operation not supported)"),
        ("dump-conntrack-exp zone=5", "starting conntrack expectations dump (Operation not supported)"),
        ("ct-get-sweep-interval", "failed to get the sweep interval (Operation not supported)"),
        ("ct-set-sweep-interval 30", "failed to set the sweep interval (Operation not supported)"),
        ("ct-set-sweep-interval 0", "invalid sweep value (Invalid argument)"),
        ("ipf-set-min-frag v4", "'ipf-set-min-frag' command requires at least 2 arguments"),
        ("ipf-set-min-frag v4 x", "parameter missing for minimum fragment size (Invalid argument)"),
        ("ipf-set-max-nfrags 5", "setting maximum fragments failed (Operation not supported)"),
    ],
)
def test_what_a_userspace_datapath_has_not(br0: str, run: Run, words: str, text: str) -> None:
    ran = run(*words.split())
    assert ran.status != 0
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"dpif: {text}")
    assert ran.stderr.count("\n") == 1


def test_connections(br0: str, system: UserspaceSystem, run: Run) -> None:
    for in_port, zone in ((1, 0), (2, 5)):
        run("add-flow", br0, f"in_port({in_port}),eth(),eth_type(0x0800),ipv4()", f"ct(commit,zone={zone})")
    for device, port in (("h1", 1000), ("h2", 1000), ("h2", 1001)):
        datagram = build.udp("10.0.0.1", "10.0.0.2", port, 53)
        system.device(device).send(build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram))
    orig, reply = "src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53", "src=10.0.0.2,dst=10.0.0.1,sport=53,dport=1000"
    first = f"udp,orig=({orig}),reply=({reply})"
    assert run("dump-conntrack").stdout.splitlines()[:2] == [first, f"{first},zone=5"]
    assert len(run("dump-conntrack", br0, "zone=5").stdout.splitlines()) == 2
    shown = run("dump-conntrack", "--sort=-sport,zone", "--limit", "2").stdout.splitlines()
    assert [line.partition("sport=")[2][:4] for line in shown] == ["1001", "1000"]
    assert run("dump-conntrack", "--limit", "1").stdout == f"{first}\n"
    assert run("dump-conntrack", "--json", "--sort", "zone", "--limit", "1").stdout.count('"zone":0') == 1
    assert "a number of connections, not 'x'" in run("dump-conntrack", "--limit", "x").stderr
    assert "parsing --sort (syntax error at sprot: unknown field" in run("dump-conntrack", "--sort", "sprot").stderr
    assert run("ct-stats-show").stdout == "Connections Stats:\n    Total: 3\n  UDP: 3\n"
    last = json.loads(run("dump-conntrack", "--json", "--sort=-sport", "--limit=1").stdout)["connections"][0]
    assert run("flush-conntrack", br0, *last["match"].split()).status == 0
    assert run("dump-conntrack").stdout == f"{first}\n{first},zone=5\n"
    assert run("flush-conntrack", br0, "zone=5") == (0, "", "")
    assert run("dump-conntrack").stdout == f"{first}\n"
    assert run("flush-conntrack") == (0, "", "")
    assert run("dump-conntrack") == (0, "", "")


@pytest.mark.parametrize("size", [str((1 << 31) + 1), "9" * 60])
def test_a_cache_of_a_size_that_no_datapath_has(br0: str, run: Run, size: str) -> None:
    ran = run("cache-set-size", br0, "masks-cache", size)
    assert ran.status == 1
    assert ran.stderr.endswith(" entries are too many (at most 2147483648)\n")


def test_conntrack_limits(br0: str, run: Run) -> None:
    assert run("ct-set-limits", "default=9", "zone=5,limit=7") == (0, "", "")
    assert run("ct-get-limits").stdout == "default limit=9\nzone=5,limit=7,count=0\n"
    assert run("ct-del-limits", "zone=5") == (0, "", "")
    assert run("ct-get-limits", "zone=5").stdout == "default limit=9\nzone=5,limit=9,count=0\n"


def test_several_datapaths_must_be_told_apart(br0: str, run: Run) -> None:
    run("add-dp", "netdev@br1")
    for command in ("dump-conntrack", "flush-conntrack", "ct-get-limits", "ct-get-nconns"):
        assert "multiple datapaths, specify one" in run(command).stderr
    assert run("flush-conntrack", "netdev@br1", "zone=1") == (0, "", "")


def test_words_that_mean_nothing(br0: str, run: Run) -> None:
    assert run("dump-conntrack", br0, "bogus").stderr == "dpif: invalid argument bogus (Invalid argument)\n"
    assert run("dump-conntrack", br0, "zone=x").stderr == (
        "dpif: failed to parse zone (Invalid argument): expected a number up to 65535\n"
    )
    assert run("ct-del-limits", br0).stderr == "dpif: too few arguments (Invalid argument)\n"
    assert run("ct-del-limits", "default", "bogus").stderr == "dpif: invalid argument bogus (Invalid argument)\n"


@pytest.mark.parametrize("words", ["flush-conntrack", "cache-set-size dp0 masks-cache 1", "ct-set-limits default=1"])
def test_read_only(br0: str, run: Run, words: str) -> None:
    assert "does not work in read only mode" in run("--read-only", *words.split()).stderr


def test_caches(br0: str, run: Run) -> None:
    assert run("cache-get-size").stdout == run("cache-get-size", br0).stdout
    assert run("cache-get-size", br0).stdout.startswith("netdev@br0:\n")
    assert run("cache-set-size", br0, "masks-cache", "x").stderr == "dpif: size is malformed (Invalid argument)\n"
    assert "Opening datapath nope failed" in run("cache-get-size", "nope").stderr


@pytest.mark.parametrize("text", ["zone=1,limit=5", "limit=5,zone=1", "zone=0x1,limit=5,"])
def test_a_limit_of_a_zone(text: str) -> None:
    assert parse_zone_limit(text) == (1, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bogus", "field bogus missing value"),
        ("zone=1", "failed to parse zone limit"),
        ("", "failed to parse zone limit"),
        ("zone=1,limit=", "field limit missing value"),
        ("zone=65536,limit=1", "failed to parse field zone"),
        ("zone=1,limit=4294967296", "failed to parse field limit"),
        ("zone=1,limit=5,x=3", "invalid zone limit field: x"),
    ],
)
def test_a_limit_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_zone_limit(text)
    assert str(caught.value).startswith(f"{reason} (Invalid argument)")


def test_limits_as_text() -> None:
    assert list(Limits(10, [ZoneLimit(5, 3, 2)]).lines()) == ["default limit=10", "zone=5,limit=3,count=2"]


def test_counts_as_text() -> None:
    statistics = Statistics(
        19,
        Counter({6: 3, 17: 4, 136: 1, 132: 1, 1: 5, 33: 1, 2: 1, 58: 1, 47: 2}),
        Counter({"TIME_WAIT": 1, "CLOSED": 2}),
    )
    assert list(Counts(statistics, more=True).lines()) == [
        "Connections Stats:",
        "    Total: 19",
        "  TCP: 3",
        "    Conn per TCP states:",
        "\t  [CLOSED]=2",
        "\t  [TIME_WAIT]=1",
        "  UDP: 4",
        "  UDPLITE: 1",
        "  SCTP: 1",
        "  ICMP: 5",
        "  DCCP: 1",
        "  IGMP: 1",
        "  Other: 2",
    ]
    nothing = Statistics(0, Counter(), Counter())
    assert list(Counts(nothing, more=True).lines()) == ["Connections Stats:", "    Total: 0"]
