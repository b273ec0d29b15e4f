"""The lab's kernel as an ordinary process: user-mode Linux, on the host's own files.

Owns the binary's place, its command line and its memory. The guest's root is the host's ("hostfs"),
with the host user's rights whoever the guest thinks that it is. The lines of `Devices` are serial lines, each
made of pipes to the host.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dpif.lab.guest import Devices
from dpif.lab.host import GUEST_PROGRAMS, find, missing_packages, parse_memory, require_packages
from dpif.lab.kernel import Kernel, Lines

__all__ = ["UserModeLinux"]

MODULES_DIR = Path("/usr/lib/uml/modules")

_PROGRAMS = {"linux.uml": "user-mode-linux", **GUEST_PROGRAMS}


class UserModeLinux:
    """A `Machine`: up in a few seconds, with one CPU."""

    devices = Devices(input="/dev/ttyS0", output="/dev/ttyS0", errors="/dev/ttyS1", control="/dev/ttyS2")
    boot_seconds = 120.0  # two on an idle host
    hidden: tuple[str, ...] = ()

    def prepare(self) -> Path:
        """Return the guest's directory of modules; raise `LabUnavailable` unless the lab is installed."""
        missing = missing_packages(_PROGRAMS)
        if not MODULES_DIR.is_dir():
            missing.add("user-mode-linux")
        require_packages(missing)
        return MODULES_DIR

    def boot(self, init: Path, directory: Path, memory: str, lines: Lines) -> Kernel:
        """Start the kernel with `init` as its process 1; its own files go to `directory`."""
        arguments = [
            f"mem={memory}",
            "rootfstype=hostfs",
            "rw",
            "quiet",
            f'init="{init}"',
            f"uml_dir={directory}/",
            "con=null",
            f"con0=null,fd:{lines.console}",
            "ssl=null",
            f"ssl0=fd:{lines.input},fd:{lines.output}",
            f"ssl1=null,fd:{lines.errors}",
            f"ssl2=fd:{lines.control},null",
        ]
        env = {"PATH": os.defpath, "HOME": str(directory), "TMPDIR": _memory_directory(memory)}
        return Kernel([str(find("linux.uml")), *arguments], env, directory, lines)


def _memory_directory(memory: str) -> str:
    """Return a directory for the guest's memory, which is an unlinked sparse file: in RAM if it fits there."""
    size = parse_memory(memory)
    for directory in ("/dev/shm", tempfile.gettempdir(), "/var/tmp"):
        if os.access(directory, os.W_OK | os.X_OK) and _can_hold(directory, size):
            return directory
    return tempfile.gettempdir()


def _can_hold(directory: str, size: int) -> bool:
    """Whether `size` bytes fit and may be mapped as code, which containers often forbid in /dev/shm."""
    filesystem = os.statvfs(directory)
    executable = not filesystem.f_flag & os.ST_NOEXEC
    return executable and filesystem.f_bavail * filesystem.f_frsize >= size
