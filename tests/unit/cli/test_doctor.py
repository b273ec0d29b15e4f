"""``dpif doctor`` on datapaths in user space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dpif.apps.doctor.findings import notice, ok, problem
from dpif.cli.commands.doctor import Diagnosis, Section

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
    assert "start ovs-vswitchd" in stdout


def test_all_datapaths_without_being_named(run: Run, br0: str) -> None:
    _, stdout, _ = run("doctor")
    assert f"  ok       datapaths: {br0}\n" in stdout


def test_a_datapath_that_is_not_there(run: Run, br0: str) -> None:
    status, stdout, stderr = run("doctor", "netdev@br9")
    assert status == 1
    assert stdout.startswith("this host:\n")
    assert stderr.startswith("dpif: opening datapath netdev@br9 failed (No such device)")
