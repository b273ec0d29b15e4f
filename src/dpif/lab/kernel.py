"""The process that a guest's kernel is: started, watched, and ended with all that belongs to it.

Owns the process group and its guard; must not know which program it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dpif._typing import NamedTuple

__all__ = ["Kernel", "Lines"]

#: Waits for the end of its stdin, then tidies up after a lab whose caller was killed.
_GUARD = 'read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2"'


class Lines(NamedTuple):
    """The guest's ends of the pipes, as file descriptors: it reads `input` and `control`, writes the rest."""

    input: int
    control: int
    output: int
    errors: int
    console: int


class Kernel:
    """A running kernel, in a process group and a session of its own. Always `end` it.

    Its own output goes to the console line. A guard stands beside it, a shell that outlives this process by a
    moment should this one be killed: nobody else holds the other end of the guard's stdin.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], directory: Path, lines: Lines) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=lines.console,
            stderr=lines.console,
            pass_fds=tuple(lines),
            start_new_session=True,
            cwd=directory,
            env=env,
        )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "dpif-lab-guard", str(self._process.pid), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def has_ended(self) -> bool:
        """Whether the kernel is gone. It is not reaped here, so that its process group stays its own."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def end(self) -> None:
        """End the kernel, its helpers and the guest's processes (each is a process of the host), at once."""
        self._guard.kill()
        self._guard.wait()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
