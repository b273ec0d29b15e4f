"""What the host brings to a lab: its programs, by the Debian packages that have them, and its memory.

Owns the search for programs, the message that says what to install, and the spelling of sizes. `Machine` is what
the two kinds of lab have in common; must not know either.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from dpif._typing import Protocol
from dpif.errors import ParseError
from dpif.lab.errors import LabUnavailable
from dpif.lab.guest import Devices
from dpif.lab.kernel import Kernel, Lines
from dpif.lab.telling import Tell

__all__ = ["GUEST_PROGRAMS", "Machine", "find", "missing_packages", "parse_memory", "require_packages"]

#: What a guest runs of the host's programs, and the Debian package that has each.
GUEST_PROGRAMS = {
    "modprobe": "kmod",
    "ip": "iproute2",
    "mount": "mount",
    "setsid": "util-linux",
    "stty": "coreutils",
}
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Machine(Protocol):
    """A kind of lab: what runs the guest's kernel."""

    #: What it is called where people read it.
    name: str
    #: The guest's names of its lines to the host.
    devices: Devices
    #: Seconds after which a guest that is not up will never be.
    boot_seconds: float
    #: Directories of the host that the guest replaces by empty ones of its own, besides /run.
    hidden: tuple[str, ...]

    def packages(self) -> set[str]:
        """Return the Debian packages that it takes on this machine."""
        ...

    def prepare(self, tell: Tell) -> Path:
        """Return the guest's directory of modules; raise `LabUnavailable` unless all that it needs is here.

        What takes long (a kernel that is fetched) is said to `tell`.
        """
        ...

    def describe(self) -> str:
        """Return what was prepared, in words."""
        ...

    def boot(self, init: Path, directory: Path, memory: str, lines: Lines) -> Kernel:
        """Start the kernel with `init` as its process 1; its own files go to `directory`."""
        ...


def find(program: str) -> str | None:
    """Return the path of `program`; ordinary users have no sbin directories on their PATH."""
    return shutil.which(program, path=SEARCH_PATH)


def missing_packages(programs: dict[str, str]) -> set[str]:
    """Return the packages of those `programs` (name: package) that are not here."""
    return {package for name, package in programs.items() if find(name) is None}


def require_packages(missing: Iterable[str]) -> None:
    """Raise `LabUnavailable`, which says how to install them, unless nothing is `missing`."""
    packages = " ".join(sorted(missing))
    if packages:
        raise LabUnavailable(f"the lab is not installed here; as root: apt-get install {packages}")


def parse_memory(text: str) -> int:
    """Return the bytes of `text`, such as 512M."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if match is None:
        raise ParseError(f"not a size of memory: {text}", hint="such as 512M or 2G")
    return int(match[1]) * _UNITS[match[2]]
