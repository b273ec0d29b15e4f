"""Mistakes that people make: each is told in one line that says what to do next."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from dpif.cli.context import Context
from dpif.cli.errors import describe, printable
from dpif.errors import ParseError, Unavailable, netlink_error
from dpif.netlink.connection import Connection

from .command_line import command_line
from .conftest import Run

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("show --tree", "it is one of dump-flows"),
        ("shwo --help", "did you mean 'show'?"),
        ("-t x show", "expected a number of seconds"),
        ("add-if netdev@br0 p9,type=dumy", "did you mean 'dummy'?"),
        ("add-if netdev@br0 p9,typ=dummy", "not configurable: typ; it takes type and port_no"),
        ("add-flow netdev@br0 tcp,tp_dst=80,bogus 2", "a flow is written as in in_port(1)"),
        ("add-flow netdev@br0 in_port(1),eth(),ipv4(dst=10.0.0.1) 2", "ipv4(...) needs eth_type(0x0800)"),
        ("add-flow netdev@br0 in_port(1),eth(),arp(op=1) 2", "arp(...) needs eth_type(0x0806) or eth_type(0x8035)"),
        ("add-flow netdev@br0 in_port(1),eth(),eth_type(0x0800),ipv4(dts=1.2.3.4) 2", "did you mean 'dst'?"),
        (f"add-flow netdev@br0 {ARP} zzz", "the ports are br0, h1, h2"),
        (f"add-flow netdev@br0 {ARP} h12", "did you mean 'h2'?"),
        ("dump-conntrack netdev@br0 zone=x", "expected a number up to 65535"),
        ("flush-conntrack netdev@br0 ct_nw_scr=1.2.3.4", "there are ct_nw_src"),
        ("ct-set-limits netdev@br0 zone=1", "expected default=L, or zone=N,limit=L"),
        ("cache-set-size netdev@br0 masks 512", "there is masks-cache"),
        ("ct-get-maxconns netdev@br0", "try 'ovs-appctl dpctl/ct-get-maxconns'"),
    ],
)
def test_the_next_step(br0: str, run: Run, words: str, advice: str) -> None:
    ran = run(*words.split())
    assert ran.status in (1, 2)
    assert (ran.stdout, ran.stderr.count("\n")) == ("", 1)
    assert advice in ran.stderr


OFCTL = "it is one of ovs-ofctl, which speaks OpenFlow"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("dump-flows netdev@br0 -O OpenFlow13", f"invalid option -- 'O' ({OFCTL})"),
        ("-O OpenFlow13 dump-flows", f"invalid option -- 'O' ({OFCTL})"),
        ("dump-flows --protocols=OpenFlow13", OFCTL),
        ("del-flows --strict netdev@br0", OFCTL),
        ("dump-ports br0", OFCTL),
        ("add-br br0", "it is one of ovs-vsctl"),
        ("ofproto/trace br0", "it is one of ovs-appctl"),
        ("dump-flows netdev@br0 tcp,tp_dst=80", "(to filter: filter='tcp,tp_dst=80')"),
        ("dump-flows netdev@br0 --file x", "unrecognized option '--file'; see"),
    ],
)
def test_what_is_another_tools_is_said_to_be(br0: str, run: Run, words: str, said: str) -> None:
    ran = run(*words.split())
    assert ran.status in (1, 2)
    assert said in ran.stderr
    assert "did you mean" not in ran.stderr


@pytest.mark.parametrize("command", ["add-flow", "mod-flow --may-create"])
@pytest.mark.parametrize(
    "words",
    [
        ("tcp,in_port=h1,tp_dst=80", "actions=output:h2"),
        ("tcp,in_port=1,tp_dst=80", "2"),
        ("priority=5,tcp,in_port=1,tp_dst=80,actions=output:2",),
        ("in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),tcp(dst=80),tcp_flags(0/0)", "output:2"),
    ],
)
def test_openflow_is_told_what_to_type_and_that_works(
    br0: str, run: Run, command: str, words: tuple[str, ...]
) -> None:
    if len(words) == 1 and command.startswith("mod"):
        return  # without actions those that there are stay
    refused = run(*command.split(), br0, *words)
    assert refused.status == 1
    assert "this is OpenFlow, which ovs-ofctl speaks" in refused.stderr
    typed = shlex.split(refused.stderr.partition("type: ")[2].partition(") (Invalid")[0])
    assert run(*command.split(), br0, *typed) == (0, "", "")
    assert run("dump-flows", "--no-names", br0).stdout.endswith(
        "tcp(dst=80), packets:0, bytes:0, used:never, actions:2\n"
    )


def test_openflow_in_files_and_alone(br0: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    file.write_text("priority=5, arp actions=output:2\narp,actions=2\narp output:2\n")
    said = run("add-flows", br0, str(file)).stderr.splitlines()
    for number, line in enumerate(said, 1):
        assert line.startswith(f"dpif: {file}:{number}: parsing flow key (this is OpenFlow")
        assert 'type: "eth(),eth_type(0x0806),arp()" 2)' in line
    assert len(said) == 3
    assert 'type: "eth(),eth_type(0x0806),arp()")' in run("del-flow", br0, "arp").stderr
    assert 'type: "push_vlan(vid=5,pcp=0),2")' in run("parse-actions", "mod_vlan_vid:5,output:2").stderr
    assert "this is OpenFlow" in run("add-flow", "arp,actions=2").stderr
    assert "this is OpenFlow" in run("normalize-actions", "arp", "2").stderr


def test_a_switch_on_a_port_that_is_not_there_changes_nothing(br0: str, run: Run) -> None:
    assert run("add-flow", br0, ARP, "2").status == 0
    before = run("show", br0).stdout
    assert "there is no device nope" in run("switch", br0, "h3", "nope").stderr
    assert run("show", br0).stdout == before
    assert "flows: 1\n" in before


def test_a_line_of_a_file_without_actions(br0: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    file.write_text(f"{ARP}\n")
    assert "skipped! (expected a flow, a space, and actions)" in run("add-flows", br0, str(file)).stderr
    file.write_text(f"{ARP} 2\n")
    assert "skipped! (expected a flow alone)" in run("del-flows", br0, str(file)).stderr


def test_actions_may_name_ports_as_they_are_shown(br0: str, run: Run, tmp_path: Path) -> None:
    assert run("add-flow", br0, ARP, "set(eth(src=02:00:00:00:00:01)),h2,1") == (0, "", "")
    file = tmp_path / "flows"
    file.write_text("in_port(h2),eth(),eth_type(0x0806),arp() h1\n")
    assert run("add-flows", br0, str(file)) == (0, "", "")
    shown = [line.partition("actions:")[2] for line in run("dump-flows", br0).stdout.splitlines()]
    assert shown == ["set(eth(src=02:00:00:00:00:01)),2,1", "1"]


def test_rubbish_does_not_reach_the_terminal(br0: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rubbish"
    file.write_bytes(b"in_port(1)\x1b[2J\x07\xff \x00\n")
    said = run("add-flows", br0, str(file)).stderr
    assert "\\x1b[2J\\x07" in said
    assert said.removesuffix("\n").isprintable()
    assert printable("a\tb\n\x9b") == "a\\tb\n\\x9b"
    assert ParseError("bad", "a\x1bb\tc", 4).caret() == "a b c\n    ^"


def test_what_the_kernel_does_not_explain() -> None:
    error = netlink_error(17)
    assert describe("adding", error, {17: "it is there"}) == "adding (File exists): it is there"
    assert describe("adding", netlink_error(17, explanation="taken"), {17: "it is there"}).endswith(": taken")
    assert describe("adding", error, {2: "it is not"}) == "adding (File exists)"


def test_a_kernel_without_datapaths(br0: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = Context.connect

    def refuse(self: Context, type: str, patience: float = 0.0) -> Connection:
        if type == "system":
            raise Unavailable("no kernel")
        return connect(self, type, patience)

    monkeypatch.setattr(Context, "connect", refuse)
    assert run("show", "br0").stderr == "dpif: opening datapath br0 failed: no kernel; or take netdev@br0\n"
    assert run("add-dp", "br1").stderr == "dpif: add_dp: no kernel\n"
    monkeypatch.setenv("DPIF_SOCKET", "/none")
    assert run("add-dp", "br1").stderr == "dpif: add_dp: no kernel; or make datapaths in user space: 'dpif serve'\n"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["list-commands", "--json"]])
def test_a_full_disk(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(command_line(*words), stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.stderr == "dpif: writing the output failed (No space left on device)\n"
    assert ran.returncode == 1


def test_a_full_disk_is_no_failure_of_the_datapath(br0: str, run: Run) -> None:
    assert run("add-flow", br0, ARP, "2").status == 0
    with open("/dev/full", "wb") as full:
        unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = command_line("dump-flows", br0)
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=unbuffered)
    assert ran.stderr == "dpif: writing the output failed (No space left on device)\n"


@pytest.mark.parametrize("streams", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_closed_streams(br0: str, streams: list[int]) -> None:
    command = command_line("show", br0, left=f"for stream in {streams}: os.close(stream)")
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert ran.stdout.startswith("" if 1 in streams else "netdev@br0:")


@pytest.mark.parametrize("command", ["batch", "add-flows"])
def test_nothing_can_be_read_from_a_closed_stdin(br0: str, command: str) -> None:
    ran = subprocess.run(command_line(command, "-", left="os.close(0)"), capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, 'dpif: Opening file "-" failed (the standard input is closed)\n')


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_the_bytes_of_a_name_are_printed_as_they_are(br0: str, encoding: str) -> None:
    """As ``ovs-dpctl`` does it: a name need not be text, and the locale says nothing of it."""
    name = b"\xc3\xa9\xff"
    subprocess.run([*command_line("add-if", br0), name + b",type=dummy"], check=True)
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(command_line("show", br0), capture_output=True, env=environ)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"port 3: " + name + b" (dummy)\n" in ran.stdout
