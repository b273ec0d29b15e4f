"""The commands that run until they are told to end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import dpif
from dpif import lab
from dpif.demo.recorded import CAPTURE
from dpif.packet import capture
from dpif.testing.waiting import eventually
from dpif.userspace import Limits, UserspaceSystem

from .command_line import command_line
from .conftest import Run

FRAME = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002")


@contextmanager
def running(*words: str, left: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a command line in a process of its own, from its first line on stderr on."""
    with subprocess.Popen(
        command_line(*words, left=left), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            first = process.stderr.readline()
            assert "Ctrl-C ends it" in first, first + process.stderr.read()
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Do as Ctrl-C does; return the exit status and the rest of what the process said."""
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


def test_serve_says_where_and_ends_by_a_signal(tmp_path: Path, run: Run) -> None:
    path = str(tmp_path / "socket")
    with running("serve", "--socket", path) as server:
        assert run("--socket", path, "add-dp", "netdev@br0") == (0, "", "")
        assert run("--socket", path, "dump-dps").stdout == "netdev@br0\n"
        assert "a server listens there already" in run("serve", "--socket", path).stderr
        assert interrupt(server) == (0, "", "")
    assert not Path(path).exists()


def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path, run: Run) -> None:
    """As in ``dpif serve & dpif add-dp netdev@br0``; where the datapath is the word that may be left out, too."""
    path = str(tmp_path / "socket")
    with subprocess.Popen(command_line("serve", "--socket", path), stderr=subprocess.PIPE) as server:
        try:
            while not Path(
                path
            ).exists():  # as long as a machine takes to start it; what follows has its time from us
                assert server.poll() is None
            assert run("--socket", path, "add-dp", "netdev@br0") == (0, "", "")
        finally:
            server.terminate()


def test_a_client_may_come_before_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "socket")
    started: list[subprocess.Popen[bytes]] = []

    def start_one(_seconds: float) -> None:
        if not started:
            started.append(subprocess.Popen(command_line("serve", "--socket", path), stderr=subprocess.PIPE))
        assert started[0].stderr is not None
        assert b"Ctrl-C ends it" in started[0].stderr.readline()

    monkeypatch.setattr("dpif.netlink.unix.time.sleep", start_one)
    try:
        with dpif.open("netdev@br0", create=True, socket=path) as datapath:
            assert str(datapath) == "netdev@br0"
    finally:
        for server in started:
            server.terminate()
            server.communicate()


def test_where_no_server_comes_it_says_so(tmp_path: Path, run: Run) -> None:
    ran = run("--socket", str(tmp_path / "socket"), "show", "netdev@br0")
    assert ran.status == 1
    assert "start one with: dpif serve" in ran.stderr


def test_serve_detached_and_stopped(tmp_path: Path, run: Run) -> None:
    path = str(tmp_path / "socket")

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command_line("--socket", path, *words), capture_output=True, text=True, check=False)

    done = command("serve", "--detach")
    try:
        assert (done.returncode, done.stdout) == (0, "")
        assert re.fullmatch(
            rf"dpif: serving datapaths at {path}, .*, as process \d+; 'dpif serve --stop' ends it\n", done.stderr
        )
        assert run("--socket", path, "add-dp", "netdev@br0") == (0, "", "")
        refused = command("serve", "--detach")
        assert refused.returncode == 1
        assert "a server listens there already" in refused.stderr
    finally:
        stopped = command("serve", "--stop")
    assert stopped.returncode == 0
    assert stopped.stderr.startswith("dpif: stopped process ")
    assert not Path(path).exists()
    again = command("serve", "--stop")
    assert (again.returncode, again.stderr) == (1, f"dpif: nothing to stop: no server listens at {path}\n")


HELD = """
import os, sys
from dpif.cli import context, main
from dpif.userspace import server

here, go_on = map(int, sys.argv[1:3])
serve, note = server.serve, context.Context.note

def hold():
    os.write(here, b"x")
    os.read(go_on, 1)

def serving(*arguments, ready, **options):
    serve(*arguments, ready=lambda path: (hold(), ready(path)), **options)

def noting(context, text):
    hold()
    note(context, text)

if sys.argv[3] == "server":
    server.serve = serving
else:
    context.Context.note = noting
sys.exit(main(sys.argv[4:]))
"""
"""A command line that stops, in its server or by itself, just before this tells that it is ready; it says so."""


@pytest.mark.parametrize(
    ("held", "number"),
    [
        ("server", signal.SIGINT),
        ("server", signal.SIGTERM),
        ("server", signal.SIGKILL),
        ("command", signal.SIGINT),
    ],
)
def test_no_detached_server_is_left_by_a_command_that_ends_before_it_told(
    tmp_path: Path, held: str, number: signal.Signals
) -> None:
    path = tmp_path / "socket"
    (is_here, here), (told, go_on) = os.pipe(), os.pipe()
    words = [str(here), str(told), held, "--socket", str(path), "serve", "--detach"]
    with subprocess.Popen(
        [sys.executable, "-c", HELD, *words], pass_fds=(here, told), stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(here)
        os.close(told)
        assert os.read(is_here, 1) == b"x"
        assert path.exists()
        process.send_signal(number)
        assert process.wait() != 0
        if held == "server":
            os.write(go_on, b"x")
        assert os.read(is_here, 1) == b"", "all that had the other end have ended"
        assert process.stderr is not None
        assert "serving" not in process.stderr.read()
    assert not path.exists()
    os.close(is_here)
    os.close(go_on)


def test_a_detached_server_that_fails_says_why(tmp_path: Path, run: Run) -> None:
    words = ("serve", "--detach", "--local-ip", "nowhere", "--socket", str(tmp_path / "socket"))
    done = subprocess.run(command_line(*words), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("dpif: --local-ip: 'nowhere'")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["serve", "switch"])
def test_a_signal_that_a_parent_left_blocked_ends_it(br0: str, tmp_path: Path, command: str) -> None:
    words = ("serve", "--socket", str(tmp_path / "socket")) if command == "serve" else ("switch", br0)
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
    with running(*words, left=blocked) as process:
        assert interrupt(process)[0] == 0


def test_two_servers_are_joined_by_a_tunnel(tmp_path: Path, run: Run) -> None:
    """Without privilege, by the host's loopback device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.2", 0))
        udp_port = probe.getsockname()[1]
    sent, received, arp = tmp_path / "sent.pcap", tmp_path / "received.pcap", "eth(),eth_type(0x0806),arp()"
    with capture.Writer(str(sent)) as writer:
        writer.write(FRAME)
    west, east = (partial(run, "--socket", f"{tmp_path}/{name}") for name in ("west", "east"))
    with (
        running("serve", "--socket", f"{tmp_path}/west", "--local-ip", "127.0.0.1"),
        running("serve", "--socket", f"{tmp_path}/east", "--local-ip", "127.0.0.2"),
    ):
        for dpif in (west, east):
            assert dpif("add-dp", "netdev@br0", f"vx0,type=vxlan,dst_port={udp_port}") == (0, "", "")
        assert f"(vxlan: dst_port={udp_port}, packet_type=ptap)" in west("show").stdout
        east("add-if", "netdev@br0", f"out,type=dummy,tx_pcap={received}")
        east("add-flow", "netdev@br0", f"tunnel(tun_id=7,src=127.0.0.1,dst=127.0.0.2,ttl=9),in_port(1),{arp}", "2")
        west("add-flow", "netdev@br0", f"in_port(2),{arp}", "set(tunnel(tun_id=7,dst=127.0.0.2,ttl=9)),1")
        west("add-if", "--play", "netdev@br0", f"in,type=dummy,rx_pcap={sent}")
        eventually(lambda: [packet.data for packet in capture.read(str(received))] == [FRAME])


def test_serve_wants_addresses(run: Run) -> None:
    assert "--local-ip: 'here' does not appear to be" in run("serve", "--local-ip", "here").stderr


def test_serve_has_bounds(run: Run, tmp_path: Path) -> None:
    for setting, complaint in (
        ("flow=1", f"there is no bound 'flow', but {', '.join(Limits._fields)}"),
        ("flows", "--max flows: not a number: ''"),
        ("flows=" + "9" * 5000, "--max flows: not a number: '9999"),
        ("flows=\u0664", "--max flows: not a number"),
    ):
        assert complaint in run("serve", "--max", setting).stderr
    dpif = partial(run, "--socket", f"{tmp_path}/bounded")
    with running("serve", "--socket", f"{tmp_path}/bounded", "--max", "flows=1", "--max", "masks=9"):
        dpif("add-dp", "netdev@br0")
        flow = "in_port(1),eth(),eth_type(0x080{})"
        assert dpif("add-flow", "netdev@br0", flow.format(1), "2").stderr == ""
        assert "room for 1 flows" in dpif("add-flow", "netdev@br0", flow.format(2), "2").stderr


def test_the_switch_makes_a_datapath_and_takes_it_away(system: UserspaceSystem, run: Run) -> None:
    with running("switch", "netdev@br0", "h1", "h2") as switch:
        assert run("show").stdout.endswith("  port 1: h1\n  port 2: h2\n")
        system.device("h1").send(FRAME)
        while not run("dump-flows").stdout:
            assert switch.poll() is None
        status, stdout, stderr = interrupt(switch)
    assert (status, stderr) == (0, "")
    assert "ports 3" in stdout.splitlines()[-1]
    assert run("dump-dps").stdout == ""


def test_the_switch_leaves_what_was_there(br0: str, run: Run) -> None:
    with running("switch", br0, "h3") as switch:
        assert run("show").stdout.endswith("  port 3: h3\n")
        assert interrupt(switch)[0] == 0
    assert run("show").stdout.endswith("  port 2: h2\n")


def test_the_switch_may_keep_what_it_made(system: UserspaceSystem, run: Run) -> None:
    with running("switch", "--keep", "netdev@br0", "h1") as switch:
        assert interrupt(switch)[0] == 0
    assert run("show").stdout.endswith("  port 1: h1\n")


def test_a_switch_that_cannot_start(br0: str, run: Run) -> None:
    ran = run("switch", br0, "nosuchdevice")
    assert ran.status == 1
    assert ran.stderr.splitlines()[-1].startswith(f"dpif: switching on {br0} (No such device)")


@pytest.mark.parametrize("options", [(), ("--keep",)])
@pytest.mark.parametrize("port", ["nosuchdevice", "p1,type=dummy,rx_pcap=nosuchfile", "p1,type=dumy", "p1,port_no=x"])
def test_a_switch_that_cannot_start_leaves_nothing(
    system: UserspaceSystem, run: Run, options: tuple[str, ...], port: str
) -> None:
    ran = run("switch", *options, "netdev@new", "h1", port)
    assert ran.status == 1
    assert ran.stderr.splitlines()[-1].startswith("dpif: switching on netdev@new")
    assert run("dump-dps").stdout == ""


def test_the_switch_answers_a_capture_packet_by_packet(system: UserspaceSystem, run: Run) -> None:
    """As many come up as flows are made: each is dealt with before the next."""
    system.namespace.clock = lambda: 1.0  # nobody gets impatient
    with running("switch", "netdev@br0", f"p1,type=dummy,rx_pcap={CAPTURE}") as switch:
        eventually(lambda: "lookups: hit:517 missed:35 lost:0\n  flows: 35\n" in run("show").stdout)
        assert interrupt(switch)[1].startswith("came up 35, by flows 517, lost 0 ")


def test_the_lab_gets_its_arguments(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def note(command: list[str], *, tell: Callable[[str], None], **settings: object) -> int:
        tell("going on")
        calls.append((command, settings))
        return 7

    monkeypatch.setattr(lab, "run", note)
    ran = run("lab", "-t", "9.5", "--module", "dummy", "--module", "vxlan", "ls", "-l")
    assert ran == (7, "", "dpif: lab: going on\n")
    assert run("lab", "--mem", "1G", "--qemu", "--cpus", "4", "--kernel", "6.12", "-v").status == 7
    assert run("lab", "--no-qemu").status == 7
    usual = {
        "timeout": None,
        "memory": "2G",
        "modules": (),
        "kernel": None,
        "qemu": None,
        "cpus": None,
        "verbose": False,
    }
    assert calls == [
        (["ls", "-l"], usual | {"timeout": 9.5, "modules": ["dummy", "vxlan"]}),
        ([], usual | {"memory": "1G", "qemu": True, "cpus": 4, "kernel": "6.12", "verbose": True}),
        ([], usual | {"qemu": False}),
    ]


def test_the_packages_of_the_lab_are_for_apt(run: Run) -> None:
    assert "user-mode-linux" in run("lab", "--packages").stdout.split()
    assert "qemu-system-x86" in run("lab", "--packages", "--qemu").stdout.split()


def test_a_number_of_cpus_that_is_none(run: Run) -> None:
    assert run("lab", "--qemu", "--cpus", "many") == (1, "", "dpif: not a number of CPUs: many\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [(lab.LabUnavailable("install user-mode-linux"), 125), (lab.LabFailed("it died"), 125), (lab.LabTimeout(3), 124)],
)
def test_a_lab_that_fails(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    def fail(command: list[str], **settings: object) -> int:
        raise error

    monkeypatch.setattr(lab, "run", fail)
    assert run("lab", "true") == (status, "", f"dpif: lab: {error}\n")
