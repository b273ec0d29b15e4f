"""Debian's kernel, unpacked into the cache and not installed, for a machine that boots a file.

Owns where it lies (``kernels`` in the lab's `cache`): one folder for each package, named after it. What is there is
used without asking again; to get a newer kernel, remove it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dpif._typing import NamedTuple
from dpif.lab import archive, cache, kernels
from dpif.lab.archive import Suite
from dpif.lab.errors import LabUnavailable
from dpif.lab.telling import Tell, silent

__all__ = ["PROGRAMS", "DebianKernel", "get"]

#: What this module runs, and the Debian package that has it.
PROGRAMS = {**archive.PROGRAMS, "depmod": "kmod", "modprobe": "kmod"}

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
        beside_modules = self.modules_dir / self.release / "vmlinuz"  # since 7.0
        return beside_modules if beside_modules.exists() else self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules_dir(self) -> Path:
        """The directory that has one directory of modules for each release."""
        return _above_lib(self.root) / "lib" / "modules"

    def with_dependencies(self, modules: Iterable[str]) -> list[Path]:
        """Return the files of `modules` and of what they need, in an order in which they can be loaded."""
        argv = ["modprobe", "-d", str(_above_lib(self.root)), "-S", self.release, "--show-depends", "-a"]
        lines = archive.run(*argv, *modules).splitlines()
        files = [line.removeprefix("insmod").strip() for line in lines if line.startswith("insmod")]
        return [Path(file) for file in dict.fromkeys(files)]


def get(name: str | None = None, tell: Tell = silent) -> DebianKernel:
    """Return a kernel by its name in the lab, else that of this machine's own Debian; fetch it when it is not here.

    Raises `LabUnavailable`.
    """
    if name is not None:
        return kernels.first_there(name, lambda suite, place: _of_suite(suite, place, tell), tell)
    try:
        return _of_suite(Suite(), cache.folder("kernels"), tell)
    except LabUnavailable:
        raise
    except OSError as error:
        raise LabUnavailable(f"no kernel for the lab: {error}") from None


def _of_suite(suite: Suite, place: Path, tell: Tell) -> DebianKernel:
    there = [DebianKernel(path) for path in place.glob("linux-image-*")]
    if there:
        return max(there, key=lambda kernel: kernel.root.stat().st_mtime)
    name = _first_dependency(suite, _METAPACKAGE, r"linux-image-\S+")
    tell(f"fetching {name} of Debian, once")
    kernel = DebianKernel(place / name)

    def fill(made: Path) -> None:
        for package in _parts(suite, name, kernel.release):
            suite.unpack(package, made)
        archive.run("depmod", "-b", str(_above_lib(made)), kernel.release)

    cache.make_folder(kernel.root, fill)
    return kernel


def _first_dependency(suite: Suite, package: str, pattern: str) -> str:
    found = re.search(pattern, suite.dependencies(package))
    if found is None:
        raise LabUnavailable(f"no kernel for the lab: {package} names none")
    return found[0]


def _parts(suite: Suite, package: str, release: str) -> list[str]:
    """Return the packages that make up a kernel: one, or, since 7.0, those of its image, its modules and the rest."""
    parts = rf"linux-(?:base|binary|modules)-{re.escape(release)}"
    return [package, *re.findall(parts, suite.dependencies(package))]


def _above_lib(root: Path) -> Path:
    """Return the folder whose ``lib`` has the modules: ``/usr`` in newer packages."""
    return root / "usr" if (root / "usr" / "lib" / "modules").is_dir() else root
