"""The command line as a process of its own, on the kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from dpif.testing import netns

UNPRIVILEGED = ["setpriv", "--bounding-set=-net_admin"]


def dpif(*words: str, under: Sequence[str] = ()) -> tuple[int, str, str]:
    command = [*under, sys.executable, "-m", "dpif", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def dp0() -> Iterator[str]:
    netns.run("ovs-dpctl", "add-dp", "dp0")
    yield "dp0"
    netns.run("ovs-dpctl", "del-dp", "dp0")


def test_show_prints_what_ovs_dpctl_does(dp0: str) -> None:
    assert dpif("show", dp0) == (0, netns.run("ovs-dpctl", "show", dp0), "")


def test_without_privileges_one_may_look(dp0: str) -> None:
    status, stdout, stderr = dpif("show", under=UNPRIVILEGED)
    assert (status, stderr) == (0, "")
    assert stdout.startswith("system@dp0:\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add-dp", "dp1"), "add_dp"),
        (("del-dp", "dp0"), "del_dp"),
        (("add-if", "dp0", "lo"), "adding lo to dp0 failed"),
        (("del-flows", "dp0"), "deleting all flows"),
        (("add-flow", "dp0", "in_port(0),eth(),eth_type(0x0806),arp()", "0"), "updating flow table"),
    ],
)
def test_without_privileges_one_may_not_write(dp0: str, words: tuple[str, ...], message: str) -> None:
    advice = "this needs root, or the capability CAP_NET_ADMIN: try it with sudo"
    assert dpif(*words, under=UNPRIVILEGED) == (1, "", f"dpif: {message} (Operation not permitted): {advice}\n")
