"""The lab's kernel as an ordinary process: user-mode Linux, on the host's own files.

Owns the binary's place, its command line and its memory. The guest's root is the host's ("hostfs"),
with the host user's rights whoever the guest thinks that it is. The lines of `Devices` are serial lines, each
made of pipes to the host.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from dpif.errors import ParseError
from dpif.lab.errors import LabUnavailable
from dpif.lab.guest import Devices
from dpif.lab.kernel import Kernel, Lines

__all__ = ["DEVICES", "MODULES_DIR", "boot", "require"]

DEVICES = Devices(input="/dev/ttyS0", output="/dev/ttyS0", errors="/dev/ttyS1", control="/dev/ttyS2")
MODULES_DIR = Path("/usr/lib/uml/modules")

#: What must be on the host (the guest runs the host's programs), and the Debian package that has it.
_PROGRAMS = {
    "linux.uml": "user-mode-linux",
    "modprobe": "kmod",
    "ip": "iproute2",
    "mount": "mount",
    "setsid": "util-linux",
    "stty": "coreutils",
}
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def require() -> None:
    """Raise `LabUnavailable` unless all that the lab needs is installed."""
    missing = {package for name, package in _PROGRAMS.items() if _find(name) is None}
    if not MODULES_DIR.is_dir():
        missing.add("user-mode-linux")
    if missing:
        packages = " ".join(sorted(missing))
        raise LabUnavailable(f"the lab is not installed here; as root: apt-get install {packages}")


def boot(init: Path, directory: Path, memory: str, lines: Lines) -> Kernel:
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
    return Kernel([str(_find("linux.uml")), *arguments], env, directory, lines)


def _find(program: str) -> str | None:
    """Return the path of `program`; ordinary users have no sbin directories on their PATH."""
    return shutil.which(program, path=_SEARCH_PATH)


def _memory_directory(memory: str) -> str:
    """Return a directory for the guest's memory, which is an unlinked sparse file: in RAM if it fits there."""
    size = _parse_memory(memory)
    for directory in ("/dev/shm", tempfile.gettempdir(), "/var/tmp"):
        if os.access(directory, os.W_OK | os.X_OK) and _can_hold(directory, size):
            return directory
    return tempfile.gettempdir()


def _can_hold(directory: str, size: int) -> bool:
    """Whether `size` bytes fit and may be mapped as code, which containers often forbid in /dev/shm."""
    filesystem = os.statvfs(directory)
    executable = not filesystem.f_flag & os.ST_NOEXEC
    return executable and filesystem.f_bavail * filesystem.f_frsize >= size


def _parse_memory(text: str) -> int:
    """Return the bytes of `text`, such as 512M."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if match is None:
        raise ParseError(f"not a size of memory: {text}", hint="such as 512M or 2G")
    return int(match[1]) * _UNITS[match[2]]
