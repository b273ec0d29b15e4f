"""Whether QEMU can use the processor itself (KVM) here, found out by booting a kernel with it.

Owns the probe and what is remembered of it. That ``/dev/kvm`` is there says little: within a virtual machine it may
fail, or hang for ever. So a kernel has to come as far as its own complaint that it was given no root, within a few
seconds. The answer holds until the host boots anew.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from dpif.lab import cache
from dpif.lab.host import find

__all__ = ["ARGUMENTS", "forget_it", "usable"]

#: What QEMU is told to use it.
ARGUMENTS = ("-accel", "kvm", "-cpu", "host")

_DEVICE = "/dev/kvm"
_DEADLINE = 8.0
"""Seconds; it takes one where it works."""
_WORDS = b"Unable to mount root"


def usable(image: Path) -> bool:
    """Whether a machine with the kernel `image` boots by KVM. The first call since the host booted tries it."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return False
    answer = _remembered()
    if answer is None:
        answer = _boots(image)
        _remember(answer)
    return answer


def forget_it() -> None:
    """Note that it does not work after all."""
    _remember(False)


def _boots(image: Path) -> bool:
    machine = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256M", "-serial", "stdio"]
    kernel = ["-kernel", str(image), "-append", "console=ttyS0 panic=-1"]
    argv = [str(find("qemu-system-x86_64")), *ARGUMENTS, *machine, *kernel]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DEADLINE,
            check=False,
            start_new_session=True,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return _WORDS in done.stdout


def _remembered() -> bool | None:
    try:
        boot, answer = (cache.folder("lab") / "kvm").read_text().split()
        return answer == "yes" if boot == _this_boot() else None
    except (OSError, ValueError):
        return None


def _remember(answer: bool) -> None:
    def write(path: Path) -> None:
        path.write_text(f"{_this_boot()} {'yes' if answer else 'no'}\n")

    with contextlib.suppress(OSError):  # the next one tries it again
        cache.make_file(cache.folder("lab") / "kvm", write)


def _this_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
