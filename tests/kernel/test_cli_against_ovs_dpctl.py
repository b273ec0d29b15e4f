"""``dpif`` and ``ovs-dpctl`` given the same command lines on the same kernel print the same and exit the same.

The command lines, and where the two are meant to differ, are in ``cli_scenario.txt``. ``ovs-dpctl`` is the one that
is installed and, on the newest kernel, also the newest of Debian, which ``DPIF_NEWEST_OVS`` names the folder of. To
start a program takes half a second on old kernels of the lab.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif.cli import main
from dpif.testing import netns

from .conftest import is_newest, on_the_newest_kernel

SCENARIO = Path(__file__).with_name("cli_scenario.txt")


class Outcome(NamedTuple):
    """What a command line printed on stdout, and its exit status."""

    stdout: str
    status: int


class Step(NamedTuple):
    """A command line of the scenario; ``reason`` is why the two differ there."""

    line: int
    words: str
    reason: str


Tool = Callable[[list[str]], Outcome]


class Dpctl:
    """An ``ovs-dpctl``; ``versions`` are its own and the kernel's, for the conditions of the scenario."""

    def __init__(self, program: str) -> None:
        self._program = program
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        self.versions = {"ovs-dpctl": _version(shown), "Linux": _version(os.uname().release)}

    def __call__(self, argv: list[str]) -> Outcome:
        done = subprocess.run([self._program, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return Outcome(done.stdout, done.returncode)

    def differs(self, mark: str) -> str:
        """Return the reason that a mark gives, nothing where its condition does not hold."""
        found = re.fullmatch(r"(?:\[(.+?)\] )?(.+)", mark)
        assert found is not None, mark
        return found[2] if all(map(self._holds, (found[1] or "").split(", "))) else ""

    def _holds(self, condition: str) -> bool:
        if not condition:
            return True
        name, sign, version = condition.split()
        own = self.versions[name]
        return {"<": own < _version(version), ">=": own >= _version(version)}[sign]


def _version(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", text)
    assert found is not None, text
    return int(found[1]), int(found[2])


def _dpctls() -> list[str]:
    newest = os.environ.get("DPIF_NEWEST_OVS")
    return ["ovs-dpctl", *([f"{newest}/ovs-dpctl"] if newest and is_newest() else [])]


@pytest.fixture(params=_dpctls(), ids=lambda program: "newest" if "/" in program else "installed")
def dpctl(request: pytest.FixtureRequest) -> Dpctl:
    return Dpctl(request.param)


@on_the_newest_kernel
def test_the_newest_is_compared_with() -> None:
    assert len(_dpctls()) == 2, "DPIF_NEWEST_OVS=$(python tools/newest_ovs.py) names the newest"


def dpif(argv: list[str]) -> Outcome:
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(io.StringIO()) as stderr:
        status = main(argv)
    assert "internal error" not in stderr.getvalue(), stderr.getvalue()
    assert stderr.getvalue().count("\n") >= (status != 0), "a failure is explained"
    return Outcome(stdout.getvalue(), status)


def run(tool: Tool, differs: Callable[[str], str]) -> Iterator[tuple[Step, Outcome]]:
    """Run the scenario with one tool; `differs` gives the reason of a mark that holds."""
    reason = ""
    is_here = True
    for number, line in enumerate(SCENARIO.read_text().splitlines(), 1):
        if line.startswith("# -- "):
            is_here = is_newest() or not line.endswith(" (newest kernel)")
        match line[:2]:
            case "# " | "#":
                continue
            case _ if not is_here:
                continue
            case "! ":
                netns.run("sh", "-c", line[2:])
            case "> ":
                send(*line[2:].split())
            case "~ ":
                reason = reason or differs(line[2:])
            case _ if line or reason:
                yield Step(number, line, reason), tool(shlex.split(line))
                reason = ""


def send(device: str, packet: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((device, 0))
        sender.send(bytes.fromhex(packet))


@contextlib.contextmanager
def start() -> Iterator[None]:
    """Make what the scenario starts with, and take everything away at the end."""
    pairs = (("v0", "w0"), ("v1", "w1"))
    try:
        for port, end in pairs:
            netns.ip("link", "add", port, "type", "veth", "peer", "name", end)
            netns.ip("link", "set", end, "up")
        yield
    finally:
        for name in netns.run("ovs-dpctl", "dump-dps").split():
            netns.run("ovs-dpctl", "del-dp", name)
        for port, _ in pairs:
            netns.delete_link(port)


def comparable(step: Step, outcome: Outcome) -> Outcome:
    lines = re.sub(r"used:[0-9.]+s", "used:SOME", outcome.stdout).splitlines()
    return outcome._replace(stdout="\n".join(sorted(lines) if "dump-flows" in step.words else lines))


def run_from_start(tool: Tool, differs: Callable[[str], str]) -> list[tuple[Step, Outcome]]:
    with start():
        return [(step, comparable(step, outcome)) for step, outcome in run(tool, differs)]


@pytest.fixture
def quiet_kernel() -> Iterator[None]:
    """No IPv6 on new devices: they would send packets of their own."""
    setting = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


@pytest.mark.timeout(600)
def test_the_scenario(quiet_kernel: None, dpctl: Dpctl) -> None:
    expected = run_from_start(dpctl, dpctl.differs)
    found = run_from_start(dpif, dpctl.differs)
    assert len(expected) > 100
    if wrong := describe(expected, found):
        pytest.fail(wrong, pytrace=False)


def describe(expected: list[tuple[Step, Outcome]], found: list[tuple[Step, Outcome]]) -> str:
    """Return in words where the two do not agree though they should, or agree though they should not."""
    wrong = []
    for (step, theirs), (_, ours) in zip(expected, found, strict=True):
        if (theirs == ours) == bool(step.reason):
            verdict = "agree, but should not" if theirs == ours else f"{theirs} became {ours}"
            wrong.append(f"line {step.line}: {step.words}: {verdict}")
    return "\n".join(wrong)
