"""The second lane as its callers see it. Each test boots it, which takes a while, so there are few."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpif import lab

pytestmark = pytest.mark.qemu_host

LAB = [sys.executable, "-m", "dpif.lab", "--qemu"]


def test_streams_status_and_the_callers_directory(tmp_path: Path) -> None:
    private = tmp_path / "private files"
    here = tmp_path / "here"
    private.mkdir()
    here.mkdir()
    data = bytes(range(256)) * 1000
    script = """
        echo "$(nproc) $(id -u) $(uname -n) $DPIF_LAB $(pwd)" >&2
        test -t 0 || test -t 1 || test -t 2 || test -d /sys/module/openvswitch && echo seen >file
        ip link add d0 type dummy && ip -brief link show d0 >/dev/null && ls /tmp/.. >/dev/null && cat; exit 3
    """
    done = subprocess.run(
        [*LAB, "--cpus", "3", "--mem", "1G", "--", "sh", "-c", script],
        input=data,
        capture_output=True,
        check=False,
        timeout=110,
        cwd=here,
        env={**os.environ, "TMPDIR": str(private)},
    )
    assert done.stderr.decode().splitlines() == [f"3 0 lab 1 {here}"]
    assert done.returncode == 3
    assert done.stdout == data
    assert (here / "file").read_text() == "seen\n"
    assert list(private.iterdir()) == []


def test_the_timeout_ends_it() -> None:
    done = subprocess.run(
        [*LAB, "--timeout", "1", "--", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (124, b"dpif lab: not done after 1 s; the lab was ended\n")


def test_an_unknown_module_is_told() -> None:
    with pytest.raises(lab.LabFailed, match=r"did not start(.|\n)*Module nonesuch not found"):
        lab.run(["true"], qemu=True, modules=["nonesuch"], stdin=subprocess.DEVNULL)
