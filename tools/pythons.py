"""Fetch the Pythons of newer Debian releases, to test with, and print where each is and what it imports from.

    python tools/pythons.py

A line has the interpreter, which starts by its own loader, and a folder of the packages that the tests need. Both are
kept in the lab's cache; nothing is installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from unpacked import unpack, write_script

from dpif.lab import LabUnavailable, cache
from dpif.lab.archive import Suite

_SUITES = ("trixie", "sid")
_PACKAGES = ("pytest", "pytest-timeout", "hypothesis", "jsonschema", "scapy", "numpy", "pyarrow")
"""What the tests import that are run by it."""


def main() -> int:
    """Print the lines; return the exit status."""
    try:
        for python, site in fetch():
            print(python, site)
    except (LabUnavailable, OSError, subprocess.CalledProcessError) as error:
        print(f"pythons: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> Iterator[tuple[Path, Path]]:
    """Yield each interpreter and its folder of packages."""
    for suite in map(Suite, _SUITES):
        (name,) = re.findall(r"python3\.\d+", suite.dependencies("python3"))[:1]
        root = cache.folder("pythons") / name
        if not root.is_dir():
            cache.make_folder(root, lambda made, suite=suite, name=name, root=root: _fill(made, suite, name, root))
        yield root / "usr" / "bin" / "python", root / "site"


def _fill(made: Path, suite: Suite, name: str, final: Path) -> None:
    unpack(suite, (name, f"{name}-minimal"), made)
    # Python finds its library beside what it is called by.
    write_script(made / "usr" / "bin" / "python", f"usr/bin/{name}", '"$0"', made, final)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary=:all:"]
    options = ["--target", str(made / "site"), "--python-version", name.removeprefix("python")]
    subprocess.run([*pip, *options, *_PACKAGES], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
