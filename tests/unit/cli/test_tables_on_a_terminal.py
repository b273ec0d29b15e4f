"""What is a table on a terminal, and is the text of ovs-dpctl everywhere else."""

from __future__ import annotations

import pytest

from dpif.packet import build
from dpif.userspace import UserspaceSystem

from .conftest import Run
from .terminal import run_on_terminal, without_colour

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"


def table(*words: str, columns: int = 200) -> list[str]:
    """Return the lines that a terminal shows of a command that succeeds."""
    status, shown = run_on_terminal(*words, columns=columns)
    assert status == 0, shown
    return without_colour(shown).splitlines()


@pytest.fixture
def busy(br0: str, system: UserspaceSystem, run: Run) -> str:
    """A datapath with a tunnel, on which a packet went from h1 to h2."""
    assert run("add-if", br0, "tun0,type=vxlan,dst_port=4790").status == 0
    assert run("add-flow", br0, "in_port(1),eth(),eth_type(0x0800),ipv4()", "2").status == 0
    system.device("h1").send(build.ethernet(SRC, DST, build.udp("10.0.0.1", "10.0.0.2", 1000, 53)))
    return br0


@pytest.fixture
def connected(br0: str, system: UserspaceSystem, run: Run) -> str:
    """A datapath with a TCP connection in zone 0, and one of UDP in zone 5 whose source is translated."""
    match = "in_port({}),eth(),eth_type(0x0800),ipv4()"
    assert run("add-flow", br0, match.format(1), "ct(commit,mark=0x5/0xf)").status == 0
    assert run("add-flow", br0, match.format(2), "ct(commit,zone=5,nat(src=192.0.2.1))").status == 0
    assert run("add-flow", br0, "in_port(2),eth(),eth_type(0x86dd),ipv6()", "ct(commit,zone=7)").status == 0
    system.device("h1").send(build.ethernet(SRC, DST, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, flags=2)))
    system.device("h2").send(build.ethernet(SRC, DST, build.udp("10.0.0.1", "10.0.0.2", 1000, 53)))
    return br0


def test_ports(busy: str, run: Run) -> None:
    plain = run("show", busy).stdout.splitlines()
    shown = table("show", busy)
    counters = [line for line in plain if not line.startswith("  port ")]
    assert shown[: len(counters)] == counters
    assert shown[len(counters) :] == [
        "  port  name            type      configuration",
        "     0  br0             internal",
        "     1  h1              system",
        "     2  h2              system",
        "     3  vxlan_sys_4790  vxlan     dst_port=4790 packet_type=ptap",
    ]


def test_ports_with_counters(busy: str) -> None:
    shown = table("show", "-s", busy)[-13:]
    assert shown[0].split() == ["port", "name", "type", "packets", "bytes", "errors", "drops", "configuration"]
    assert shown[4:10] == [
        "     1  h1              system    rx             1     42       0      0",
        "                                  tx             0      0       0      0",
        "                                  upcalls        0              0",
        "     2  h2              system    rx             0      0       0      0",
        "                                  tx             1     42       0      0",
        "                                  upcalls        0              0",
    ]
    assert shown[10].endswith("  dst_port=4790 packet_type=ptap")


def test_what_a_port_is_set_to_never_stands_between_its_counters(busy: str) -> None:
    shown = table("show", "-s", busy, columns=80)
    at = next(number for number, line in enumerate(shown) if "vxlan_sys_4790" in line)
    assert [line.split()[0] for line in shown[at + 1 :]] == ["tx", "upcalls", "dst_port=4790"]
    assert shown[at].split()[2:4] == ["vxlan", "rx"]


def test_wide_rows_are_on_one_line_each(busy: str) -> None:
    assert table("show", "-s", "--wide", busy, columns=40) == table("show", "-s", busy)


def test_ports_on_a_narrow_terminal(busy: str) -> None:
    shown = table("show", "-s", busy, columns=60)
    assert max(map(len, shown)) <= 60
    at = shown.index("     1  h1              system")
    assert shown[at + 1 : at + 4] == [
        "      rx             1     42       0      0",
        "      tx             0      0       0      0",
        "      upcalls        0              0",
    ]


def test_connections(connected: str) -> None:
    title, tcp, udp = table("dump-conntrack", connected)
    assert title == "protocol  source         destination  zone  state     timeout  more"
    assert tcp.startswith("tcp       10.0.0.1:1000  10.0.0.2:80     0  SYN_SENT  ")
    assert tcp.endswith("s  mark=5")
    assert udp.startswith("udp       10.0.0.1:1000  10.0.0.2:53     5            ")
    assert udp.endswith("s  reply=10.0.0.2:53->192.0.2.1:1000")


def test_connections_with_statistics(connected: str) -> None:
    title, *_ = table("dump-conntrack", "-s", connected)
    assert title.split("  ")[-5:] == ["packets", "bytes", "reply packets", "reply bytes", "more"]


def test_connections_on_a_narrow_terminal(connected: str) -> None:
    shown = table("dump-conntrack", connected, columns=60)
    assert max(map(len, shown)) <= 60
    assert shown[:3] == [
        "protocol  source         destination",
        "    zone  state     timeout  more",
        "tcp       10.0.0.1:1000  10.0.0.2:80",
    ]


def test_no_connections(br0: str) -> None:
    assert table("dump-conntrack", br0) == ["dpif: no connections"]


def test_limits(br0: str, run: Run) -> None:
    assert run("ct-set-limits", "default=9", "zone=5,limit=7", "zone=300,limit=0").status == 0
    assert table("ct-get-limits") == [
        "default limit=9",
        "zone  limit  connections",
        "   5      7            0",
        " 300      0            0",
    ]
    assert run("ct-get-limits").stdout.startswith("default limit=9\nzone=5,limit=7,count=0\n")


def test_titles_are_brought_out_where_there_is_colour(connected: str) -> None:
    _, shown = run_on_terminal("dump-conntrack", connected)
    assert "\x1b[1mprotocol  source         destination  zone  state     timeout  more\x1b[0m\n" in shown
    assert "\x1b[36mmark\x1b[0m=5" in shown
    assert "\x1b" not in run_on_terminal("dump-conntrack", connected, NO_COLOR="1")[1]
    _, shown = run_on_terminal("show", connected)
    assert "\x1b[1m  port  name  type\x1b[0m\n" in shown


@pytest.mark.parametrize("command", ["show", "dump-conntrack", "ct-get-limits"])
def test_colour_does_not_ask_for_tables(connected: str, run: Run, command: str) -> None:
    run("ct-set-limits", "zone=5,limit=7")
    plain = run(command, connected).stdout
    assert without_colour(run(command, connected, "--color=always").stdout) == plain
    assert run_on_terminal(command, connected, "--color=never")[1] != plain


@pytest.mark.parametrize("command", ["show", "dump-conntrack", "ct-get-limits"])
def test_json_is_no_table(connected: str, command: str) -> None:
    assert run_on_terminal(command, connected, "--json")[1].startswith('{"version"')
