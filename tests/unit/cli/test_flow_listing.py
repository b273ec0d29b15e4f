"""``dump-flows`` with an order and a limit, on a userspace datapath that is served."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from .conftest import Run


@pytest.fixture
def many(br0: str, run: Run, tmp_path: Path) -> str:
    """A datapath with flows for more than one datagram, their destinations 10.0.0.0 to 10.0.1.143, in no order."""
    file = tmp_path / "many"
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(400)]
    file.write_text("".join(f"in_port(1),eth(),eth_type(0x0800),ipv4(dst={a}) 2\n" for a in addresses))
    assert run("add-flows", br0, str(file)).status == 0
    return br0


def addresses_of(text: str) -> list[str]:
    return re.findall(r"10[.]0[.][0-9.]+", text)


def test_flows_in_order(many: str, run: Run) -> None:
    found = addresses_of(run("dump-flows", many, "--sort", "ipv4.dst").stdout)
    assert found == sorted(found, key=IPv4Address)
    assert len(found) == 400
    assert addresses_of(run("dump-flows", many, "--sort=-ipv4.dst").stdout) == found[::-1]
    first = run("dump-flows", many, "--sort", "packets,ipv4.dst:desc", "--limit=2", "--names")
    assert addresses_of(first.stdout) == ["10.0.1.143", "10.0.1.142"]
    assert first.stdout.startswith("in_port(h1)")
    last = run("dump-flows", many, "-m", "--sort", "ipv4.dst", "--limit", "3", "filter=ipv4.dst in 10.0.1.0/24")
    assert addresses_of(last.stdout) == ["10.0.1.0", "10.0.1.1", "10.0.1.2"]


@pytest.mark.parametrize("words", [(), ("filter=ipv4",), ("--sort=in_port",), ("filter=ip", "-m")])
def test_some_flows(many: str, run: Run, words: tuple[str, ...]) -> None:
    for limit in (0, 1, 3):
        assert len(run("dump-flows", many, "--limit", str(limit), *words).stdout.splitlines()) == limit
    shown = json.loads(run("dump-flows", many, "--json", "--limit", "2", *words).stdout)
    assert (len(shown["flows"]), shown["complete"]) == (2, True)
    assert run("dump-flows", many, "--limit", "1000", *words).stdout.count("\n") == 400


def test_orders_and_limits_that_cannot_be(br0: str, run: Run) -> None:
    misspelt = run("dump-flows", br0, "--sort", "packtes")
    assert misspelt.status == 1
    assert misspelt.stderr.startswith("dpif: parsing --sort (syntax error at packtes: unknown field")
    assert "it has no value" in run("dump-flows", br0, "--sort", "udp").stderr
    for limit in ("x", "-1", ""):
        assert run("dump-flows", br0, "--limit", limit).status == 2
