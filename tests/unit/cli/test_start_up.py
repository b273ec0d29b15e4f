"""What a short command line may import, and the budgets of its processor time, which is nearly all for imports."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

BENCH = Path(__file__).parents[3] / "bench" / "start_up.py"
RUN = """
import gc, sys
before = set(sys.modules)
from dpif.cli import main
status = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
print(*[kept.__forward_arg__ for kept in gc.get_objects() if type(kept).__name__ == "ForwardRef"], file=sys.stderr)
sys.exit(status)
"""

VERSION = {
    "dpif",
    "dpif._lazy",
    "dpif._typing",
    "dpif._version",
    "dpif.cli",
    "dpif.cli.endings",
    "dpif.cli.entry",
    "dpif.cli.errors",
    "dpif.errors",
}
SHOW = VERSION | {
    "dpif._open",
    "dpif.cli.arguments",
    "dpif.cli.commands",
    "dpif.cli.commands.caches",
    "dpif.cli.command",
    "dpif.cli.command_table",
    "dpif.cli.program_commands",
    "dpif.cli.context",
    "dpif.cli.options",
    "dpif.cli.commands.show",
    "dpif.cli.output",
    "dpif.cli.output.port_view",
    "dpif.cli.output.tunnels",
    "dpif.cli.reading",
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
    "contextvars",
    "dataclasses",
    "difflib",
    "gettext",
    "importlib",
    "inspect",
    "ipaddress",
    "json",
    "locale",
    "logging",
    "pathlib",
    "re",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "typing",
    "uuid",
    "warnings",
}
"""Modules of the standard library that have each been on this path, and cost more than they gave."""
NEEDED_FOR_FLOWS = ("dpif.odp.actions", "dpif.odp.lines", "dpif.odp.model", "dpif.odp.constants.key", "dpif.packet")
"""Where the values and the texts of flows are made."""
UNUSED_BY_DUMP = {
    "dpif.cli.commands.flows",
    "dpif.client.operations",
    "dpif.odp.actions.ct",
    "dpif.odp.actions.nested",
    "dpif.odp.actions.tunnel_push",
    "dpif.odp.actions.userspace",
    "dpif.odp.constants.packet",
    "dpif.odp.constants.vport",
    "dpif.odp.text.matches",
    "dpif.odp.messages.flow_rows",
    "dpif.odp.messages.packet",
    "dpif.odp.model.nsh",
    "dpif.odp.model.scanner",
    "dpif.odp.model.spelling",
    "dpif.odp.model.tunnel",
    "dpif.packet.constants",
}
"""What reads texts, encodes flows or makes values of them, and the keys and actions of which there are none here."""


def loaded_by(*words: str) -> tuple[str, set[str]]:
    """Return what a command line printed, and the modules that it loaded.

    Of annotations that are text it may make nothing: a NamedTuple has each of them compiled, and to start the
    compiler takes a millisecond. So those of these modules that have NamedTuples do without `__future__`.
    """
    done = subprocess.run([sys.executable, "-I", "-c", RUN, *words], capture_output=True, text=True, check=True)
    modules, compiled, *rest = done.stderr.split("\n")
    assert rest == [""]
    assert not compiled
    return done.stdout, set(modules.split())


def test_version() -> None:
    printed, modules = loaded_by("--version")
    assert printed.startswith("dpif ")
    assert {name for name in modules if name.startswith("dpif")} == VERSION
    assert modules & (COSTLY | {"signal", "select"}) == set()


def test_show(br0: str) -> None:
    printed, modules = loaded_by("show", br0)
    assert "port 2: h2" in printed
    assert {name for name in modules if name.startswith("dpif")} == SHOW
    assert modules & COSTLY == set()


def test_dump_flows(br0: str) -> None:
    """Of a table without flows, what shows flows stays where it is; of one that has some, what reads texts."""
    _, modules = loaded_by("dump-flows", br0)
    assert {name for name in modules if name.startswith(NEEDED_FOR_FLOWS)} == set()
    assert modules & (COSTLY | UNUSED_BY_DUMP) == set()


def test_dump_flows_of_a_table_that_has_some(br0: str, run: Run) -> None:
    assert run("add-flow", br0, "in_port(1),eth(),eth_type(0x1234)", "2") == (0, "", "")
    _, modules = loaded_by("dump-flows", br0)
    assert "dpif.odp.lines.compiled" in modules
    assert modules & (COSTLY | {"dpif.client.operations", "dpif.odp.model.scanner", "dpif.odp.text"}) == set()


@pytest.mark.parametrize(
    "made", ["parse_actions('ct(commit)')", "Actions.from_bytes(bytes.fromhex('08000c0004000100'))"]
)
def test_a_rare_action_is_imported_when_it_is_met(made: str) -> None:
    """In a process of its own, for here a test has imported it."""
    run = f"from dpif.odp.actions import Actions, parse_actions; print(*map(type, {made}))"
    done = subprocess.run([sys.executable, "-I", "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "<class 'dpif.odp.actions.ct.Ct'>\n"


def test_budgets() -> None:
    """Twice the best of several runs may be spoilt by a busy machine, thrice is our fault."""
    bench = runpy.run_path(str(BENCH))
    for _ in range(3):
        times = bench["measure"](runs=12)
        over = {
            name: times[name] / times[bench["BARE"]]
            for name, budget in bench["BUDGETS"].items()
            if times[name] > budget * times[bench["BARE"]]
        }
        if not over:
            return
    pytest.fail(f"times of the bare interpreter: {over}, budgets: {bench['BUDGETS']}")
