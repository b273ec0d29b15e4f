"""The lab's kernel as an ordinary process: user-mode Linux, on the host's own files.

Owns the program's command line and its memory; `uml_program` says which program, `xstate` what some processors need
besides. The guest's root is the host's ("hostfs"), with the host user's rights whoever the guest thinks that it is.
The lines of `Devices` are serial lines, each made of pipes to the host.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dpif.lab import archive, uml_program, xstate
from dpif.lab.guest import Devices
from dpif.lab.host import GUEST_PROGRAMS, missing_packages, parse_memory, require_packages
from dpif.lab.kernel import Kernel, Lines
from dpif.lab.telling import Tell
from dpif.lab.uml_program import UmlProgram

__all__ = ["UserModeLinux"]


class UserModeLinux:
    """A `Machine`: up in a few seconds, with one CPU. `kernel` is a name of the lab's, else what is installed."""

    name = "user-mode Linux"
    devices = Devices(input="/dev/ttyS0", output="/dev/ttyS0", errors="/dev/ttyS1", control="/dev/ttyS2")
    boot_seconds = 120.0  # two on an idle host
    hidden: tuple[str, ...] = ()

    def __init__(self, kernel: str | None = None) -> None:
        self._kernel = kernel
        self._program: UmlProgram | None = None
        #: Libraries to load before the program.
        self.preload: list[Path] = []

    def packages(self) -> set[str]:
        """Return the Debian packages that it takes on this machine."""
        wanted = set(GUEST_PROGRAMS.values())
        wanted |= {uml_program.PACKAGE} if self._kernel is None else set(archive.PROGRAMS.values())
        return wanted | (set(xstate.COMPILER_PACKAGES) if xstate.processor_has_more() else set())

    def prepare(self, tell: Tell) -> Path:
        """Return the guest's directory of modules; raise `LabUnavailable` unless all that it needs is here."""
        programs = {"linux.uml": uml_program.PACKAGE} if self._kernel is None else archive.PROGRAMS
        require_packages(missing_packages({**programs, **GUEST_PROGRAMS}))
        self._program = uml_program.get(self._kernel, tell)
        if xstate.processor_has_more() and self._program.version < xstate.FIRST_WITHOUT:
            self.preload.append(xstate.library())
        return self._program.modules_dir

    def describe(self) -> str:
        """Return what was prepared, in words."""
        assert self._program is not None
        with_library = " with the library for this processor's registers" if self.preload else ""
        return f"{self.name} {self._program.release} ({self._program.path}){with_library}"

    def boot(self, init: Path, directory: Path, memory: str, lines: Lines) -> Kernel:
        """Start the kernel with `init` as its process 1; its own files go to `directory`."""
        assert self._program is not None
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
        if self.preload:
            env["LD_PRELOAD"] = ":".join(map(str, self.preload))
        env |= self._program.prepare(directory)
        return Kernel([str(self._program.path), *arguments], env, directory, lines)


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
