"""The library and the command line on the Pythons of newer Debian releases: tests of every floor of the house.

What runs these tests is the machine's own Python, and all of them run on it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from .conftest import ROOT, unable

TESTS = (
    "tests/conformance",
    "tests/test_exports.py",
    "tests/unit/netlink",
    "tests/unit/packet",
    "tests/unit/odp",
    "tests/unit/client",
    "tests/unit/userspace/test_server.py",
    "tests/unit/cli/test_entry.py",
    "tests/unit/cli/test_commands_on_userspace.py",
)
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def test_tests_pass_on_newer_pythons() -> None:
    found = subprocess.run([sys.executable, "tools/pythons.py"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        unable(found.stderr)
    versions: set[str] = set()
    for line in found.stdout.splitlines():
        python, site = line.split()
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{site}", "PYTHONDONTWRITEBYTECODE": "1"}
        version = subprocess.check_output([python, "-c", _VERSION], text=True).strip()
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"Python {version}: {done.stdout}{done.stderr}"
        assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 1000
        versions.add(version)
    assert len(versions) == 2
