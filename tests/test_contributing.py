"""CONTRIBUTING suffices: what it shows is done on a copy of the tree, word for word, and nothing is missing then.

Its blocks of differences are applied as they stand there, and the commands below them run; then the tests that would
miss something are asked. Of what was added the copy's own library tells.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COPIED = ("Makefile", "pyproject.toml", "src", "tools", "docs", "bench", "tests")
_BLOCK = re.compile(r"^```(diff|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)

ATTRIBUTE = """
import dpif
key, mask = dpif.parse_match("foo(5/0xf)")
assert (key.foo, mask.foo, dpif.format_key(key, mask)) == (5, 15, "foo(5/0xf)")
assert key.to_bytes().hex() == "0600210000050000", key.to_bytes().hex()
with dpif.Userspace() as us, us.open("br0", create=True) as dp:
    for match, actions in (("foo(5)", "drop"), ("foo(5/0)", "drop"), ("foo(0)", "drop"), ("", "set(foo(5))")):
        try:
            dp.flows.add(f"in_port(0),eth(),{match},eth_type(0x0806),arp()", actions)
        except dpif.NetlinkError as error:
            assert "foo" in str(error), error
        else:
            raise AssertionError(f"taken: {match} {actions}")
    assert len(list(dp.flows)) == 0
"""
ACTION = """
import dpif
from dpif.odp.actions import Foo, Output
assert dpif.parse_actions("foo(5),2") == (Foo(5), Output(2))
assert dpif.parse_actions("foo(5)").to_bytes().hex() == "08001d0005000000"
with dpif.Userspace() as us, us.open("br0", create=True) as dp:
    try:
        dp.flows.add("in_port(0),eth()", "foo(5)")
    except dpif.NetlinkError as error:
        assert "foo" in str(error), error
    else:
        raise AssertionError("taken")
"""
TESTS = (
    "tests/unit/odp/actions/test_actions_wire.py",
    "tests/unit/odp/text/test_forms.py",
    "tests/bench/test_workloads.py",
    "tests/test_docs.py",
    "tests/unit/cli/test_tables.py",
    "tests/unit/cli/test_json.py",
    "tests/unit/cli/test_looks_touch_no_disk.py",
    "tests/unit/cli/test_counting.py",
)
"""The modules whose tests ask for what is there to be complete; of them those that are named by `NAMES`."""
NAMES = "kind or whatever or foo or count or up_to_date or page_of_json or unique or vector or fits or lists_every"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which all was done that CONTRIBUTING shows."""
    tree = tmp_path_factory.mktemp("copy")
    unmade = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=unmade, symlinks=True)
        else:
            shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").symlink_to(sys.prefix)
    commands = []
    for kind, text in _BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()):
        if kind == "diff":
            apply(text, tree)
        else:
            commands += [line.removeprefix("$ ") for line in text.splitlines()]
    assert commands == ["make generated"] * 3
    run(tree, *commands[0].split())
    return tree


def apply(text: str, tree: Path) -> None:
    """Change files as a block of differences says: what it shows of a file must stand there once."""
    _, *pieces = _FILE.split(text)
    for path, piece in zip(pieces[::2], pieces[1::2], strict=True):
        file = tree / path
        for hunk in piece.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            assert {line[0] for line in lines} <= set(" +-\n"), hunk
            old = "".join(line[1:] or line for line in lines if line[0] in " -\n")
            new = "".join(line[1:] or line for line in lines if line[0] in " +\n")
            if old:
                there = file.read_text()
                assert there.count(old) == 1, f"{path} does not have this once:\n{old}"
                file.write_text(there.replace(old, new))
            else:
                assert not file.exists(), path
                file.write_text(new)


def run(tree: Path, *command: str) -> str:
    """Run a command in the copy, on its library; return what it printed."""
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("shown", [ATTRIBUTE, ACTION], ids=["attribute", "action"])
def test_what_was_added_works_and_the_datapath_in_user_space_refuses_it(copy: Path, shown: str) -> None:
    run(copy, sys.executable, "-c", shown)


def test_the_help_has_the_command(copy: Path) -> None:
    assert "Count the ports of a datapath." in run(copy, sys.executable, "-m", "dpif", "help", "count-ports")
    assert "count-ports" in run(copy, sys.executable, "-m", "dpif", "__complete", "--", "count")


def test_nothing_else_misses_what_was_added(copy: Path) -> None:
    ran = run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", *TESTS, "-k", NAMES)
    passed = re.findall(r"^PASSED (.+)", ran, re.MULTILINE)
    for name in ("[foo(5/0xff)]", "[foo(5)]", "[count-ports]", "[count-ports netdev@br0]"):
        assert any(test.endswith(name) for test in passed), name


def test_it_is_in_style(copy: Path) -> None:
    for command in (("check",), ("format", "--check")):
        run(copy, sys.executable, "-m", "ruff", *command, "--no-cache", "src", "tests")
