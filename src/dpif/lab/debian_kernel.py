"""Debian's kernel, unpacked into a cache directory and not installed, for a machine that boots a file.

Owns the cache (``$XDG_CACHE_HOME/dpif/kernels``, else under ~/.cache): one directory for each package, named after
it, that appears there complete or not at all. What is there is used without asking again; to get a newer kernel,
remove it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dpif._typing import NamedTuple
from dpif.lab.errors import LabUnavailable
from dpif.lab.host import find

__all__ = ["PROGRAMS", "DebianKernel", "newest"]

#: What this module runs, and the Debian package that has it.
PROGRAMS = {"apt-get": "apt", "dpkg": "dpkg", "depmod": "kmod", "modprobe": "kmod"}

_METAPACKAGE = "linux-image-amd64"


class DebianKernel(NamedTuple):
    """An unpacked kernel package."""

    root: Path

    @property
    def release(self) -> str:
        """The kernel's release, such as 6.1.0-30-amd64."""
        return self.root.name.removeprefix("linux-image-")

    @property
    def image(self) -> Path:
        """The file to boot."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules_dir(self) -> Path:
        """The directory that has one directory of modules for each release."""
        return self.root / "lib" / "modules"

    def with_dependencies(self, modules: Iterable[str]) -> list[Path]:
        """Return the files of `modules` and of what they need, in an order in which they can be loaded."""
        argv = ["modprobe", "-d", str(self.root), "-S", self.release, "--show-depends", "-a", *modules]
        lines = _run(*argv).splitlines()
        files = [line.removeprefix("insmod").strip() for line in lines if line.startswith("insmod")]
        return [Path(file) for file in dict.fromkeys(files)]


def newest() -> DebianKernel:
    """Return the newest kernel in the cache; download one when there is none. Raises `LabUnavailable`."""
    cache = _cache_directory()
    there = [DebianKernel(path) for path in cache.glob("linux-image-*")]
    if there:
        return max(there, key=lambda kernel: kernel.root.stat().st_mtime)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return _download(cache)
    except OSError as error:
        raise LabUnavailable(f"no kernel for the lab: {error}") from None


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dpif" / "kernels"


def _download(cache: Path) -> DebianKernel:
    """Fetch and unpack the package that Debian's metapackage stands for now."""
    with tempfile.TemporaryDirectory(prefix="partial-", dir=cache) as partial:
        name = _current_package()
        _run("apt-get", "download", name, cwd=partial)
        (archive,) = Path(partial).glob("*.deb")
        unpacked = DebianKernel(Path(partial) / name)
        _run("dpkg", "--extract", str(archive), str(unpacked.root))
        _run("depmod", "-b", str(unpacked.root), unpacked.release)
        kernel = DebianKernel(cache / name)
        with contextlib.suppress(OSError):  # somebody else was faster
            unpacked.root.rename(kernel.root)
    return kernel


def _current_package() -> str:
    shown = _run("apt-cache", "show", "--no-all-versions", _METAPACKAGE)
    for line in shown.splitlines():
        if line.startswith("Depends:"):
            return line.split()[1]
    raise LabUnavailable(f"no kernel for the lab: {_METAPACKAGE} names none; as root: apt-get update")


def _run(*argv: str, cwd: str | None = None) -> str:
    program = find(argv[0])
    done = subprocess.run([program or argv[0], *argv[1:]], capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["failed"]
        advice = "; as root: apt-get update" if argv[0].startswith("apt") else ""
        raise LabUnavailable(f"no kernel for the lab: {argv[0]}: {said[-1]}{advice}")
    return done.stdout
