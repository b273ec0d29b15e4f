"""What a person at a terminal sees: colour, port names, and what Ctrl-C does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dpif.testing.waiting import eventually

from .command_line import command_line
from .conftest import Run
from .terminal import CTRL_C, Terminal, run_on_terminal, without_colour, without_progress

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
NUMBERS = "in_port(1),eth(),eth_type(0x0806), packets:0, bytes:0, used:never, actions:2\n"
NAMES = NUMBERS.replace("in_port(1)", "in_port(h1)").replace(":2\n", ":h2\n")


@pytest.fixture
def one(br0: str, run: Run) -> str:
    """A datapath with one flow."""
    assert run("add-flow", br0, ARP, "2") == (0, "", "")
    return br0


@pytest.fixture
def big(br0: str, run: Run, tmp_path: Path) -> str:
    """A datapath with more flows than a terminal's buffer or a pipe holds as text."""
    file = tmp_path / "big"
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(1000)]
    file.write_text("".join(f"in_port(1),eth(),eth_type(0x0800),ipv4(dst={a}) 2\n" for a in addresses))
    assert run("add-flows", br0, str(file)).status == 0
    return br0


def count(run: Run, datapath: str) -> int:
    return run("dump-flows", datapath).stdout.count("\n")


# -- width

LONG = (
    "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
    "ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0,proto=17,frag=no),udp(src=1000,dst=53)"
)


def test_flows_are_folded_at_their_fields(br0: str, run: Run) -> None:
    assert run("add-flow", br0, LONG, "2") == (0, "", "")
    _, shown = run_on_terminal("dump-flows", "--no-names", br0, columns=80)
    lines = without_colour(shown).splitlines()
    assert lines == [
        "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),",
        "    ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0,proto=17,frag=no),",
        "    udp(src=1000,dst=53), packets:0, bytes:0, used:never, actions:2",
    ]
    copied = "\n".join(lines).partition(", packets")[0]
    assert run("del-flow", br0, copied) == (0, "", "")


def test_wide_flows_and_those_for_a_pipe_are_not_folded(br0: str, run: Run) -> None:
    assert run("add-flow", br0, LONG, "2") == (0, "", "")
    piped = run("dump-flows", br0).stdout
    assert piped.count("\n") == 1
    shown = run_on_terminal("dump-flows", "--no-names", "--wide", "--color=never", br0, columns=80)
    assert shown == (0, piped)
    assert run("dump-flows", "--wide", br0).stdout == piped


def test_a_tree_is_folded_below_its_flows(br0: str, run: Run) -> None:
    assert run("add-flow", br0, LONG, "2") == (0, "", "")
    _, shown = run_on_terminal("dump-flows", "--tree", "--color=never", br0, columns=80)
    assert shown.splitlines()[2:] == [
        "      0      0  never    eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),",
        "                             eth_type(0x0800),",
        "                             ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0,",
        "                             proto=17,frag=no),udp(src=1000,dst=53), actions:h2",
    ]


def test_a_demonstration_fits(tmp_path: Path) -> None:
    with Terminal("demo", columns=70) as terminal:
        terminal.read_until("2. The same switch")
        assert max(map(len, terminal.shown.splitlines())) <= 70


# -- nothing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dump-flows", "netdev@br0"), "no flows"),
        (("dump-flows", "--tree", "netdev@br0"), "no flows"),
        (("dump-flows", "netdev@br0", "filter=arp"), "no flows that the filter picks"),
        (("dump-conntrack", "netdev@br0"), "no connections"),
    ],
)
def test_a_person_is_told_of_an_empty_list(br0: str, run: Run, words: tuple[str, ...], said: str) -> None:
    assert run_on_terminal(*words) == (0, f"dpif: {said}\n")
    piped = run(*words)
    assert (piped.status, piped.stderr) == (0, "")
    assert piped.stdout == ("packets  bytes  used  flow\n" if "--tree" in words else "")
    assert "no " not in run_on_terminal(*words, "--json")[1]


def test_a_person_is_told_that_there_are_no_datapaths(br0: str, run: Run) -> None:
    assert run("del-dp", br0).status == 0
    for command in ("dump-dps", "show"):
        shown = run_on_terminal(command)[1]
        assert shown == "dpif: no datapaths; 'dpif add-dp dp0' makes one\n"
        assert run(command).stdout == ""


def test_a_list_that_failed_is_not_said_to_be_empty(br0: str) -> None:
    assert "no flows" not in run_on_terminal("dump-flows", "netdev@no")[1]
    assert "no datapaths" not in run_on_terminal("show", "netdev@no")[1]


def test_the_lab_says_that_it_boots(run: Run) -> None:
    words = ("lab", "--kernel", "none-such", "--", "true")
    status, shown = run_on_terminal(*words)
    assert status == 1
    assert shown.startswith(
        "dpif: lab: booting a Linux kernel; the files in it are this machine's, and can be written\n"
    )
    assert "booting" not in run(*words).stderr


# -- colour and names


def test_colour_and_names(one: str) -> None:
    status, shown = run_on_terminal("dump-flows", one)
    assert status == 0
    assert without_colour(shown) == NAMES
    assert "\x1b[36min_port\x1b[0m\x1b[35m(\x1b[0mh1\x1b[35m)\x1b[0m" in shown
    assert "\x1b[1;31mactions:\x1b[0mh2" in shown


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        (("--color=never", "--no-names"), {}, NUMBERS),
        (("--color", "never"), {}, NAMES),
        ((), {"NO_COLOR": "1"}, NAMES),
        ((), {"TERM": "dumb"}, NAMES),
    ],
)
def test_without_colour(one: str, words: tuple[str, ...], environ: dict[str, str], expected: str) -> None:
    assert run_on_terminal("dump-flows", one, *words, **environ) == (0, expected)


def test_colour_that_is_asked_for(one: str, run: Run) -> None:
    status, shown = run_on_terminal("dump-flows", one, "--color=always", NO_COLOR="1", TERM="dumb")
    assert (status, without_colour(shown)) == (0, NAMES)
    assert shown != NAMES
    assert without_colour(run("dump-flows", one, "--color=always").stdout) == NUMBERS
    assert "\x1b" in run("dump-flows", one, "--color=always").stdout
    assert run("dump-flows", one).stdout == NUMBERS


def test_json_is_the_same_everywhere(one: str, run: Run) -> None:
    words = ("dump-flows", one, "--json")
    assert run_on_terminal(*words) == (0, run(*words).stdout)
    assert run(*words, "--color=always") == run(*words)


def test_the_kinds_of_colour(one: str, run: Run) -> None:
    shown = run("--color=always", "show", one).stdout
    assert without_colour(shown) == run("show", one).stdout
    assert f"\x1b[1m{one}:\x1b[0m" in shown
    shown = run("--color=always", "parse-actions", "ct(zone=1),recirc(0x5)").stdout
    assert "\x1b[33mct\x1b[0m" in shown
    assert "\x1b[33mrecirc\x1b[0m" in shown
    assert "\x1b[1min_port(1)\x1b[0m" in run("--color=always", "dump-flows", one, "--tree").stdout


def test_a_colour_that_there_is_not(run: Run) -> None:
    status, _, stderr = run("--color=red", "dump-dps")
    assert (status, stderr) == (2, "dpif: --color takes auto, always or never, not 'red'\n")


# -- Ctrl-C, and readers that go


def test_ctrl_c_in_a_file_of_flows(br0: str, run: Run, tmp_path: Path) -> None:
    """What was read is carried out, the rest is not, and nothing is said."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with Terminal("add-flows", br0, str(fifo)) as terminal, fifo.open("w") as feed:
        feed.write(f"{ARP} 2\n{ARP.replace('(1)', '(2)')} 1\nin_port(3),eth(),")
        feed.flush()
        eventually(lambda: count(run, br0) == 2)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert without_progress(terminal.shown) == "^C"
    assert count(run, br0) == 2


def test_ctrl_c_in_a_long_list(big: str, run: Run) -> None:
    with Terminal("dump-flows", big, "-m") as terminal:
        terminal.read_until("recirc_id")
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert count(run, big) == 1000


def test_ctrl_c_ends_a_server(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Terminal("serve", "--socket", str(path)) as terminal:
        terminal.read_until("Ctrl-C ends it")
        terminal.type(CTRL_C)
        assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    assert not path.exists()


def test_ctrl_c_ends_a_switch(br0: str, run: Run) -> None:
    with Terminal("switch", br0) as terminal:
        terminal.read_until("Ctrl-C ends it")
        terminal.type(CTRL_C)
        assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    assert run("dump-dps").stdout == f"{br0}\n"


def test_the_line_of_a_switch_fits_the_terminal(br0: str) -> None:
    with Terminal("switch", br0, columns=30) as terminal:
        terminal.read_until("\x1b[K")
        terminal.type(CTRL_C)
        terminal.end()
    shown = terminal.shown.partition("\r")[2].partition("\x1b[K")[0]
    assert shown == "came up 0, by flows 0, lost 0"


def test_the_doctor_on_a_terminal(br0: str, run: Run) -> None:
    _, shown = run_on_terminal("doctor", br0, columns=60)
    assert "  \x1b[1;31mproblem\x1b[0m  no port has a listener\n" in shown
    assert f"\x1b[1m{br0}:\x1b[0m\n" in shown
    lines = without_colour(shown).splitlines()
    assert max(map(len, lines)) <= 60
    words = " ".join(shown.split()).replace("\x1b[36m->\x1b[0m", "->")
    assert "-> run a program that listens, such as dpif switch or dpif upcalls" in words
    assert max(map(len, run("doctor", br0).stdout.splitlines())) > 60


def test_a_reader_that_goes(big: str) -> None:
    command = command_line("dump-flows", big, "-m")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("recirc_id")
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == ""
