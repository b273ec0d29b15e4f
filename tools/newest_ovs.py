"""Fetch the newest Open vSwitch tools of Debian, to compare with, and print the folder that has them to run here.

    PATH=$(python tools/newest_ovs.py):$PATH ovs-dpctl --version

They are unpacked into the lab's cache, with all the libraries that they want: each tool in the folder is a script
that starts it by their own loader. Nothing is installed, and what is in the cache is used without asking again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from unpacked import unpack, write_script

from dpif.lab import LabUnavailable, cache
from dpif.lab.archive import Suite

_SUITE = "sid"
_PACKAGES = ("openvswitch-switch", "openvswitch-common")
_TOOLS = {
    "ovs-dpctl": "usr/bin/ovs-dpctl",
    "ovs-appctl": "usr/bin/ovs-appctl",
    "ovs-vswitchd": "usr/lib/openvswitch-switch/ovs-vswitchd",
}


def main() -> int:
    """Print the folder; return the exit status."""
    try:
        print(fetch())
    except (LabUnavailable, OSError) as error:
        print(f"newest_ovs: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> Path:
    """Return the folder of scripts."""
    root = cache.folder("peers") / f"openvswitch-{_SUITE}"
    if not root.is_dir():
        cache.make_folder(root, lambda made: _fill(made, root))
    return root / "bin"


def _fill(made: Path, final: Path) -> None:
    unpack(Suite(_SUITE), _PACKAGES, made)
    for name, program in _TOOLS.items():
        write_script(made / "bin" / name, program, name, made, final)
    for heavy in ("usr/share", "usr/lib/python3"):
        shutil.rmtree(made / heavy, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
