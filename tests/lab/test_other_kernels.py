"""The lab's other kernels, and processors with AMX: each test boots. (The tests of dpif itself run on them, too.)"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpif import lab
from dpif.lab import kernels, xstate
from dpif.lab.runner import run_on
from dpif.lab.uml import UserModeLinux

pytestmark = pytest.mark.lab

AMX_HOST = Path(__file__).parents[1] / "unit" / "lab" / "c" / "amx_host.c"


def output_on(machine: UserModeLinux, tmp_path: Path, *command: str) -> str:
    with open(tmp_path / "out", "w+b") as out:
        status = run_on(
            machine,
            command,
            deadline=time.monotonic() + 110,
            streams=(subprocess.DEVNULL, out, out),
            env=dict(os.environ),
            cwd=os.getcwd(),
        )
    text = (tmp_path / "out").read_text()
    assert status == 0, text
    return text.strip()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", kernels.NAMES)
def test_each_boots_with_openvswitch_and_can_load_more(name: str, tmp_path: Path) -> None:
    told: list[str] = []
    script = "modprobe -d /run/lab vxlan && grep -c '^openvswitch\\|^vxlan' /proc/modules && uname -r"
    with open(tmp_path / "out", "w+b") as out:
        status = lab.run(
            ["sh", "-c", script], kernel=name, stdin=subprocess.DEVNULL, stdout=out, tell=told.append, verbose=True
        )
    assert status == 0
    modules, release = (tmp_path / "out").read_text().split()
    assert modules == "2"
    assert f"user-mode Linux {release} (" in told[-1]
    if not any("not to be had" in line for line in told):
        assert name == "newest" or release.startswith(f"{name}.")


@pytest.fixture
def amx_host(tmp_path: Path) -> Path:
    """A library that makes this host look as one whose processor has AMX."""
    library = tmp_path / "amx_host.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, AMX_HOST], check=True)
    return library


def test_with_amx_it_does_not_boot_by_itself_and_says_why(amx_host: Path, tmp_path: Path) -> None:
    machine = UserModeLinux()
    machine.preload.append(amx_host)
    with pytest.raises(lab.NotBooted, match=r"^the lab did not start: this processor has registers.*gcc libc6-dev$"):
        output_on(machine, tmp_path, "true")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kernel", [None, *kernels.NAMES])
def test_with_amx_the_library_lets_it_boot(amx_host: Path, tmp_path: Path, kernel: str | None) -> None:
    machine = UserModeLinux(kernel)
    if kernel != "newest":
        machine.preload.append(xstate.library())
    machine.preload.append(amx_host)
    # Whatever uses floating point for long enough is interrupted, and goes on with its own registers.
    command = [sys.executable, "-c", "import math; print(math.fsum(math.sqrt(n) for n in range(300000)))"]
    assert output_on(machine, tmp_path, *command) == subprocess.check_output(command, text=True).strip()


def test_where_processes_may_not_be_traced_that_is_said(tmp_path: Path) -> None:
    source = tmp_path / "forbids.c"
    source.write_text(
        "#include <errno.h>\nlong ptrace(int request, ...) { (void)request; errno = EPERM; return -1; }\n"
    )
    library = tmp_path / "forbids.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    machine = UserModeLinux()
    machine.preload.append(library)
    with pytest.raises(lab.NotBooted, match="processes may not trace one another here"):
        output_on(machine, tmp_path, "true")
