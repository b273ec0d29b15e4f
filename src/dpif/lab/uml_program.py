"""The program that user-mode Linux is: the one that is installed, or one of another suite of Debian.

Owns where they lie and what they need to run here: a program of a newer Debian wants a newer libc than this machine
may have, so that one is unpacked beside it. What is in the cache is used without asking again; to get a newer one,
remove it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from dpif._typing import NamedTuple
from dpif.lab import cache, elf, kernels
from dpif.lab.archive import Suite
from dpif.lab.errors import LabUnavailable
from dpif.lab.host import find
from dpif.lab.telling import Tell, silent

__all__ = ["PACKAGE", "UmlProgram", "get"]

PACKAGE = "user-mode-linux"

_INSTALLED_MODULES = Path("/usr/lib/uml/modules")


class UmlProgram(NamedTuple):
    """A user-mode Linux that can be started."""

    path: Path
    modules_dir: Path
    release: str
    """Such as 6.1.140."""
    libc: Path | None = None
    """The folder of the libc that it wants, with its loader; None: the system's will do."""

    @property
    def version(self) -> tuple[int, ...]:
        """The first two numbers of the release."""
        return tuple(int(number) for number in self.release.split(".")[:2])

    def prepare(self, directory: Path) -> dict[str, str]:
        """Let it be started in `directory`; return the variables that it needs."""
        return _with_libc(directory, self.libc)


def get(name: str | None = None, tell: Tell = silent) -> UmlProgram:
    """Return the program that is installed, unless the lab's kernel `name` is another one: that is fetched.

    Raises `LabUnavailable`.
    """
    installed = _installed()
    if name is None:
        if installed is None:
            raise LabUnavailable(f"the lab is not installed here; as root: apt-get install {PACKAGE}")
        return installed
    if installed is not None and installed.release.startswith(f"{name}."):
        return installed
    return kernels.first_there(name, lambda suite, place: _of_suite(suite, place, tell), tell)


def _installed() -> UmlProgram | None:
    path = find("linux.uml")
    if path is None or not _INSTALLED_MODULES.is_dir():
        return None
    return UmlProgram(Path(path), _INSTALLED_MODULES, _release(Path(path), None))


def _of_suite(suite: Suite, place: Path, tell: Tell) -> UmlProgram:
    there = sorted(place.glob(f"{PACKAGE}-*"), key=lambda path: path.stat().st_mtime)
    if not there:
        tell(f"fetching {PACKAGE} of Debian {suite.name}, once")
        root = place / f"{PACKAGE}-{suite.name}"
        cache.make_folder(root, lambda made: _fill(suite, made))
        there = [root]
    root = there[-1]
    libc = root / "libc"
    return UmlProgram(
        root / "usr/bin/linux.uml",
        root / "usr/lib/uml/modules",
        (root / "release").read_text(),
        libc if libc.is_dir() else None,
    )


def _fill(suite: Suite, made: Path) -> None:
    suite.unpack(PACKAGE, made)
    program = made / "usr/bin/linux.uml"
    wanted = re.search(r"libc6 \(>= ([\d.]+)\)", suite.dependencies(PACKAGE))
    libc = None
    if wanted is not None and _numbers(wanted[1]) > _numbers(_libc_here()):
        libc = made / "libc"
        _unpack_libc(suite, made / "libc6", libc)
        program.write_bytes(elf.with_own_loader(program.read_bytes()))
    (made / "release").write_text(_release(program, libc))


def _unpack_libc(suite: Suite, unpacked: Path, libc: Path) -> None:
    """Unpack the libc of `suite`, and leave the folder `libc` with its libraries and loader."""
    suite.unpack("libc6", unpacked)
    (found,) = {path.parent for path in unpacked.rglob("libc.so.6")}
    found.rename(libc)
    loader = next(libc.glob("ld-linux-*.so.*"))
    (libc / elf.LOADER).symlink_to(loader.name)
    shutil.rmtree(unpacked)


def _with_libc(directory: Path, libc: Path | None) -> dict[str, str]:
    if libc is None:
        return {}
    (directory / elf.LOADER).symlink_to(libc / elf.LOADER)
    return {"LD_LIBRARY_PATH": str(libc)}


def _release(program: Path, libc: Path | None) -> str:
    """Ask the program for its release."""
    with tempfile.TemporaryDirectory(prefix="dpif-lab-") as directory:
        env = {"PATH": os.defpath, **_with_libc(Path(directory), libc)}
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, cwd=directory, env=env, check=False
            )
        except OSError as error:
            raise LabUnavailable(f"no kernel for the lab: {program}: {error}") from None
    if done.returncode or not re.match(r"\d+\.\d+", done.stdout):
        raise LabUnavailable(f"no kernel for the lab: {program} does not run here: {done.stderr.strip()}")
    return done.stdout.strip()


def _libc_here() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except (ValueError, OSError):
        return ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
