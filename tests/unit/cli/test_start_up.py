"""What a short command line may import: its time is that of its imports. `bench/start_up.py` measures it."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUN = """
import sys
before = set(sys.modules)
from dpif.cli import main
status = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(status)
"""

VERSION = {"dpif", "dpif._lazy", "dpif._version", "dpif.cli", "dpif.cli.entry", "dpif.cli.errors", "dpif.errors"}
SHOW = VERSION | {
    "dpif._open",
    "dpif.cli.arguments",
    "dpif.cli.caches",
    "dpif.cli.commands",
    "dpif.cli.context",
    "dpif.cli.devices",
    "dpif.cli.options",
    "dpif.cli.show",
    "dpif.cli.tunnels",
    "dpif.client",
    "dpif.client.datapath",
    "dpif.client.port",
    "dpif.client.port_numbers",
    "dpif.client.ports",
    "dpif.client.tunnels",
    "dpif.netlink",
    "dpif.netlink.ack",
    "dpif.netlink.attributes",
    "dpif.netlink.connection",
    "dpif.netlink.constants",
    "dpif.netlink.exchange",
    "dpif.netlink.generic",
    "dpif.netlink.message",
    "dpif.netlink.policy",
    "dpif.netlink.transport",
    "dpif.netlink.unix",
    "dpif.odp",
    "dpif.odp.constants",
    "dpif.odp.constants.datapath",
    "dpif.odp.constants.vport",
    "dpif.odp.messages",
    "dpif.odp.messages.base",
    "dpif.odp.messages.datapath",
    "dpif.odp.messages.vport",
}
COSTLY = {
    "argparse",
    "ast",
    "asyncio",
    "concurrent",
    "dataclasses",
    "difflib",
    "gettext",
    "inspect",
    "ipaddress",
    "json",
    "locale",
    "logging",
    "pathlib",
    "shutil",
    "subprocess",
    "tempfile",
    "traceback",
    "uuid",
}
"""Modules of the standard library that have each been on this path, and cost more than they gave."""


def modules_of(*words: str) -> tuple[str, set[str]]:
    """Return what a command line printed, and the modules that it loaded."""
    done = subprocess.run([sys.executable, "-I", "-c", RUN, *words], capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.split())


def test_version() -> None:
    printed, modules = modules_of("--version")
    assert printed.startswith("dpif ")
    assert {name for name in modules if name.startswith("dpif")} == VERSION
    assert modules & (COSTLY | {"socket"}) == set()


@pytest.mark.parametrize("switches", [(), ("-s",)])
def test_show(br0: str, switches: tuple[str, ...]) -> None:
    printed, modules = modules_of("show", *switches, br0)
    assert "port 2: h2" in printed
    assert {name for name in modules if name.startswith("dpif")} <= SHOW
    assert modules & COSTLY == set()
