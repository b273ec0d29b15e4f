"""Samples that tc takes, which every kernel with psample has, whatever its datapath can do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dpif
from dpif.packet.constants import ETH_P_IP
from dpif.testing import netns
from dpif.testing.conformance.packets import UDP4
from dpif.testing.kernel import VethHost, load_module

RATE = 1


@pytest.fixture
def host() -> Iterator[VethHost]:
    """A host whose packets tc samples where they come in, as group 5, the first 40 bytes of each."""
    if not load_module("psample"):
        pytest.skip("this kernel has no module psample")
    made = VethHost("tcs0")
    try:
        netns.run("tc", "qdisc", "add", "dev", made.name, "clsact")
        sample = ("action", "sample", "rate", str(RATE), "group", "5", "trunc", "40")
        netns.run("tc", "filter", "add", "dev", made.name, "ingress", "matchall", *sample)
        yield made
    finally:
        made.remove()


def test_samples_are_heard_without_a_datapath(host: VethHost) -> None:
    with dpif.samples(groups=[5]) as samples, dpif.samples(groups=[6]) as others:
        host.send(UDP4)
        (sample,) = samples.poll(2)
        assert others.poll(0.1) == []
    assert (sample.group, sample.packet, sample.length, sample.protocol) == (5, UDP4[:40], len(UDP4), ETH_P_IP)
    assert (sample.rate, sample.is_probability, sample.probability) == (RATE, False, 1.0)
    assert sample.in_ifindex == int(Path(f"/sys/class/net/{host.name}/ifindex").read_text())
    assert sample.cookie is None


def test_the_command_prints_them(host: VethHost) -> None:
    command = [sys.executable, "-m", "dpif", "psample", "--count", "1", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Ctrl-C ends it" in process.stderr.readline()
        host.send(UDP4)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert stdout.startswith("group:5, rate:1/1, in_ifindex:")
    assert stdout.endswith(f"length:{len(UDP4)}, packet:{UDP4[:40].hex()}\n")


def test_to_listen_takes_rights() -> None:
    """Since Linux 6.7, and stable releases of older ones since then."""
    if not load_module("psample"):
        pytest.skip("this kernel has no module psample")
    command = ["setpriv", "--bounding-set=-net_admin", sys.executable, "-c", "import dpif; dpif.samples().close()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "PermissionDenied: join multicast group" in done.stderr
