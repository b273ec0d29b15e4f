"""Registers that a processor has and an older user-mode Linux does not keep: found out, and completed by a library.

Owns who needs the library (``xstate.c`` beside this module says what it does), its making with the compiler at hand,
and its place in the cache.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from dpif.lab import cache
from dpif.lab.errors import LabUnavailable

__all__ = ["COMPILER_PACKAGES", "FIRST_WITHOUT", "library", "processor_has_more"]

#: The Debian packages that compile the library.
COMPILER_PACKAGES = ("gcc", "libc6-dev")

#: The first user-mode Linux that keeps whatever a processor has.
FIRST_WITHOUT = (6, 13)

_SOURCE = Path(__file__).with_name("xstate.c")
_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-O2", "-Wall", "-shared", "-fPIC")


def processor_has_more(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has registers that user-mode Linux did not keep before 6.13: those of AMX."""
    try:
        return "amx_tile" in cpuinfo.read_text().split()
    except OSError:
        return False


def library() -> Path:
    """Return the library to load before user-mode Linux; compile it when it is not there yet.

    Raises `LabUnavailable`, which says what to install, where it cannot be made.
    """
    source = _SOURCE.read_bytes()
    try:
        target = cache.folder("lab") / f"xstate-{hashlib.sha256(source).hexdigest()[:16]}.so"
        if not target.exists():
            cache.make_file(target, _compile)
    except LabUnavailable:
        raise
    except OSError as error:
        raise LabUnavailable(f"{_why()}, which could not be kept: {error}") from None
    return target


def _compile(target: Path) -> None:
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    install = f"as root: apt-get install {' '.join(COMPILER_PACKAGES)}"
    if compiler is None:
        raise LabUnavailable(f"{_why()}; {install}")
    argv = [compiler, *_FLAGS, "-o", str(target), "-x", "c", str(_SOURCE), "-x", "none", "-ldl"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), "it failed")
        raise LabUnavailable(f"{_why()}, but {Path(compiler).name} says: {said.strip()}; {install}")


def _why() -> str:
    version = ".".join(map(str, FIRST_WITHOUT))
    return f"this processor has AMX, for which user-mode Linux before {version} needs a library compiled here"
