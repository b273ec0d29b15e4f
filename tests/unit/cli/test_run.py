"""The command ``run``: programs from files, over captures and on datapaths, and what is said when one is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dpif
from dpif.cli import main
from dpif.packet import build, capture
from dpif.program.load import load
from dpif.program.program import Program
from dpif.program.testing import Playground
from dpif.testing.waiting import PATIENCE
from dpif.userspace import Server, UserspaceSystem

from .conftest import Run

SWITCH = Path(__file__).parents[3] / "examples/learning_switch.py"
DROP = "from dpif.program import *\nprogram = Program()\nprogram.forward(lambda packet: drop())\n"
CAPTURE = Path(dpif.__file__).parent / "_data/lan.pcap"


def write(directory: Path, text: str) -> str:
    path = directory / "program.py"
    path.write_text(text)
    return str(path)


@contextlib.contextmanager
def running(*words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command line beside the test, which ends it whatever happens."""
    command = [sys.executable, "-m", "dpif", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_capture_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--pcap", str(CAPTURE), "--out-dir", str(tmp_path / "out"), str(SWITCH), "a", "b"]
    status = main(["run", "--json", *words])
    report = json.loads(capsys.readouterr().out)
    assert status == 0
    assert report["packets"] == 552
    assert 0 < report["came_up"] < 552
    assert report["hit_rate"] == pytest.approx(1 - report["came_up"] / 552)
    assert report["failed"] == 0
    written = list(capture.read(tmp_path / "out/b.pcap"))
    assert len(written) == report["out"]["b"] > 0


def test_explained_are_the_lines_that_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--explain", "--pcap", str(CAPTURE), str(SWITCH)]) == 0
    out = capsys.readouterr().out
    (line,) = [at for at, text in enumerate(SWITCH.read_text().splitlines(), 1) if "stations.get(" in text]
    assert f"learning_switch.py:{line}: eth.dst" in out
    assert "\ntaken back, idle: recirc_id(0),in_port(1),eth(" in out
    assert "packets 552" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "has no program; write 'program = Program()'"),
        ("from dpif.program import Program\na = Program()\nb = Program()\n", "several programs (a, b)"),
        ("from dpif.program import Program\nprogram = Program()\n", "put @program.forward in front"),
        ("def f(:\n", "SyntaxError"),
        ("\n1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert main(["run", write(tmp_path, text), "--pcap", str(CAPTURE)]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["nowhere.py"], 1, "nowhere.py: No such file or directory"),
        ([str(SWITCH), "--out-dir", "out"], 2, "--out-dir goes with --pcap"),
        ([str(SWITCH), "--pcap", "nowhere.pcap"], 1, "nowhere.pcap"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str
) -> None:
    assert main(["run", *words]) == status
    assert said in capsys.readouterr().err


def test_a_program_that_is_saved_is_taken_over(tmp_path: Path) -> None:
    path = write(tmp_path, DROP)
    with running("run", path) as process:
        assert process.stderr is not None
        assert "Ctrl-C ends it" in process.stderr.readline()
        Path(path).write_text("def\n")
        assert "what ran before goes on: line 1: SyntaxError" in process.stderr.readline()
        Path(path).write_text(DROP.replace("drop", "flood"))
        assert "was saved, and is running" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_reloading_keeps_tables_and_the_flows_that_stay_the_same(tmp_path: Path) -> None:
    text = SWITCH.read_text()
    path = write(tmp_path, text)
    program = load(path)
    with Playground(program, ["h1", "h2"]) as net:
        a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
        net.send("h1", build.ethernet(a, b, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"")))
        net.send("h2", build.ethernet(b, a, build.udp("10.0.0.2", "10.0.0.1", 2, 1, b"")))
        before = net.flows()
        installed = net.counters.installed
        net.runner.replace(load(write(tmp_path, text + "\n# saved\n")))
        net.settle()
        assert net.flows() == before
        assert net.counters.installed == installed
        assert len(net.runner.program.tables["stations"]) == 2
        changed = text.replace("return output(port) if port != packet.in_port else drop()", "return drop()")
        net.runner.replace(load(write(tmp_path, changed)))
        net.settle()
        assert set(net.flows().values()) == {"drop"}
        assert net.counters.installed == installed
        assert isinstance(net.runner.program, Program)


def test_ctrl_c_takes_away_what_it_made(tmp_path: Path) -> None:
    socket = str(tmp_path / "dpif.sock")
    environ = {**os.environ, "DPIF_SOCKET": socket}
    dpif_ = [sys.executable, "-m", "dpif"]
    subprocess.run([*dpif_, "serve", "--detach"], env=environ, check=True, capture_output=True)
    try:
        words = ["run", str(SWITCH), "netdev@br0", "p1,type=dummy"]
        with running(*words, env=environ) as process:
            assert process.stderr is not None
            assert "Ctrl-C ends it" in process.stderr.readline()
            shown = subprocess.run([*dpif_, "show", "netdev@br0"], env=environ, capture_output=True, text=True)
            assert "p1 (dummy)" in shown.stdout
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        shown = subprocess.run([*dpif_, "dump-dps", "netdev@"], env=environ, capture_output=True, text=True)
        assert "br0" not in shown.stdout
    finally:
        subprocess.run([*dpif_, "serve", "--stop"], env=environ, check=True, capture_output=True)


@pytest.mark.parametrize("options", [[], ["--keep"]])
@pytest.mark.parametrize("port", ["nowhere", "p1,type=dumy", "p1,port_no=x", "p1,type=dummy,rx_pcap=nowhere.pcap"])
def test_what_cannot_start_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    port: str,
) -> None:
    socket = str(tmp_path / "dpif.sock")
    monkeypatch.setenv("DPIF_SOCKET", socket)
    with UserspaceSystem() as system, Server(system, socket) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert main(["run", *options, str(SWITCH), "netdev@br0", port]) == 1
            assert "running on netdev@br0" in capsys.readouterr().err
            assert main(["dump-dps"]) == 0
            assert capsys.readouterr().out == ""
        finally:
            server.stop()
            thread.join()


def test_it_ends_with_its_datapath(tmp_path: Path) -> None:
    environ = {**os.environ, "DPIF_SOCKET": str(tmp_path / "dpif.sock")}
    dpif_ = [sys.executable, "-m", "dpif"]
    subprocess.run([*dpif_, "serve", "--detach"], env=environ, check=True, capture_output=True)
    try:
        with running("run", str(SWITCH), "netdev@br0", env=environ) as process:
            assert process.stderr is not None
            assert "Ctrl-C ends it" in process.stderr.readline()
            subprocess.run([*dpif_, "del-dp", "netdev@br0"], env=environ, check=True)
            assert process.wait(PATIENCE) == 1
            assert process.stderr.read().startswith("dpif: running on netdev@br0 (No such device)")
    finally:
        subprocess.run([*dpif_, "serve", "--stop"], env=environ, check=True, capture_output=True)


@pytest.mark.parametrize("count", ["0", "x", "65", "9" * 30])
def test_a_number_of_workers_that_is_none(run: Run, count: str) -> None:
    ran = run("run", "--workers", count, str(SWITCH))
    assert ran.status == 2
    assert ran.stderr.startswith("dpif: --workers takes a number from 1 to 64, not '")


def test_workers_need_a_datapath_that_they_reach(run: Run) -> None:
    ran = run("run", "--workers", "2", str(SWITCH))
    assert ran.status == 2
    assert "--workers needs a datapath that several processes reach" in ran.stderr


def test_a_function_that_fails_is_told_by_its_own_lines_with_the_packet(run: Run, tmp_path: Path) -> None:
    file, played = tmp_path / "fails.py", tmp_path / "in.pcap"
    file.write_text(
        "from dpif.program import Program, output\nprogram = Program()\n\n@program.forward\n"
        "def forward(packet):\n    return output(packet.ipv4.dst)\n"
    )
    with capture.Writer(played) as writer:
        writer.write(build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.arp_request(
            "02:00:00:00:00:01", "10.0.0.1", "10.0.0.2")), 0.0)  # fmt: skip
    ran = run("run", "--pcap", str(played), str(file))
    assert ran.status == 1
    told = [line.removeprefix("dpif: run: ") for line in ran.stderr.splitlines()]
    assert told[:3] == [
        "Traceback (most recent call last):",
        f'  File "{file}", line 6, in forward',
        "    return output(packet.ipv4.dst)",
    ]
    assert told[-2] == "AttributeError: 'NoneType' object has no attribute 'dst'"
    assert told[-1].startswith("with the packet recirc_id(0),")
    assert "arp(sip=10.0.0.1" in told[-1]


def test_a_program_without_a_function_is_told_what_it_lacks(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "nothing.py"
    file.write_text("from dpif.program import Program\nprogram = Program()\n")
    assert run("run", str(file)).stderr == (
        f"dpif: {file}: the program has no function: put @program.forward in front of one that takes a packet\n"
    )
