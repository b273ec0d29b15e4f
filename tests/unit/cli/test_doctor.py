"""``dpif doctor`` on datapaths in user space."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpif._open import open as open_datapath
from dpif.apps.doctor import examine_bounds
from dpif.apps.doctor.findings import notice, ok, problem
from dpif.cli.commands.doctor import Diagnosis, Section
from dpif.netlink.unix import PROTOCOL_VERSION, FrameKind, bounds_of_server, pack_frame
from dpif.userspace import UserspaceSystem

Run = Callable[..., Any]

DIAGNOSIS = Diagnosis(
    [
        Section("this host", [ok("rights", "all rights", {"cap_net_admin": True})]),
        Section(
            "system@dp0",
            [
                notice("mtu", "MTUs differ", "Long packets are dropped.", "make them equal"),
                problem("down", "the device is down", "Packets are lost.", "ip link set v0 up", subject="v0"),
            ],
        ),
    ]
)


def test_text() -> None:
    assert list(DIAGNOSIS.lines()) == [
        "this host:",
        "  ok       all rights",
        "system@dp0:",
        "  notice   MTUs differ",
        "           Long packets are dropped.",
        "           -> make them equal",
        "  problem  v0: the device is down",
        "           Packets are lost.",
        "           -> ip link set v0 up",
        "1 problem, 1 notice in 3 checks",
    ]


def test_data() -> None:
    data = DIAGNOSIS.data()
    assert data["level"] == "problem"
    assert data["sections"][0]["findings"] == [
        {
            "check": "rights",
            "level": "ok",
            "subject": None,
            "found": "all rights",
            "meaning": None,
            "advice": None,
            "facts": {"cap_net_admin": True},
        }
    ]
    assert [finding["subject"] for finding in data["sections"][1]["findings"]] == [None, "v0"]


def test_a_datapath_without_a_listener_is_a_problem(run: Run, br0: str) -> None:
    status, stdout, stderr = run("doctor", br0)
    assert (status, stderr) == (1, "")
    assert f"{br0}:\n" in stdout
    assert "  problem  no port has a listener\n" in stdout
    assert "-> run a program that listens, such as dpif switch or dpif upcalls\n" in stdout
    assert "vswitchd" not in stdout, "no service of the system has to do with it"


def test_a_datapath_in_user_space_that_is_well_has_no_findings(system: UserspaceSystem, run: Run, br0: str) -> None:
    """Neither the kernel's module nor rights are missed."""
    with open_datapath(br0) as dp, dp.upcalls():
        for words in (["doctor"], ["doctor", br0]):
            ran = run(*words)
            assert (ran.status, ran.stderr) == (0, "")
            assert "\n0 problems, 0 notices in " in ran.stdout
            assert "-> " not in ran.stdout


def test_all_datapaths_without_being_named(run: Run, br0: str) -> None:
    _, stdout, _ = run("doctor")
    assert f"  ok       datapaths: {br0}\n" in stdout


def test_a_datapath_that_is_not_there(run: Run, br0: str) -> None:
    status, stdout, stderr = run("doctor", "netdev@br9")
    assert status == 1
    assert stdout.startswith("this host:\n")
    assert stderr.startswith("dpif: opening datapath netdev@br9 failed (No such device)")


def test_it_tells_how_near_the_server_is_to_its_bounds(run: Run, br0: str, system: UserspaceSystem) -> None:
    assert run("add-flow", br0, "in_port(1),eth(),eth_type(0x0806),arp()", "2").status == 0
    stdout = run("doctor", br0).stdout
    server = stdout.partition("the server of netdev@:")[2].splitlines()[1:]
    assert server[0].startswith("  ok       clients: ")  # those before may just be going
    assert server[1:9] == [
        "  ok       queue: 0 of 4194304 bytes in the fullest queue",
        "  ok       queues: 0 of 67108864 bytes in all queues",
        "  ok       flows: 1 of 200000 in the fullest datapath",
        "  ok       masks: 1 of 1024 in the fullest datapath",
        "  ok       devices: 4 of 16384",
        "  ok       actions: 10000 for each packet",
        "  ok       connections: 0 of 65536",
        "  ok       policies: 0 of 1024",
    ]
    sections = json.loads(run("--json", "doctor").stdout)["sections"]
    assert [section["subject"] for section in sections] == ["this host", br0, "the server of netdev@"]


def test_what_is_said_of_bounds() -> None:
    bounds = {
        "clients": (79, 100),
        "masks": (80, 100),
        "queue": (100, 100),
        "lamps": (9, 9),
        "zero": (0, 0),
        "each": (None, 5),
    }
    found = {finding.subject: finding for finding in examine_bounds(bounds)}
    assert [finding.level.value for finding in found.values()] == [
        "ok",
        "notice",
        "problem",
        "problem",
        "problem",
        "ok",
    ]
    assert found["masks"].meaning == "There will be no room for more masks (ENOMEM)."
    assert found["queue"].advice.endswith("dpif serve --max queue=NUMBER")
    assert found["lamps"].facts == {"used": 9, "bound": 9}


def test_an_older_server_tells_of_no_bounds(tmp_path: Path) -> None:
    path = str(tmp_path / "old")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.send(pack_frame(FrameKind.HELLO, PROTOCOL_VERSION, 7))
                connection.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        assert bounds_of_server(path) == {}
        thread.join()
