"""Packages of any suite of Debian's archive, unpacked into the cache and not installed.

Owns the private package lists of each suite (in the cache, so that the machine's own stay as they are and no root
is needed), and the calls of apt and dpkg. The archive is the one that the machine's own lists come from. Must not
know what is in a package.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from dpif.lab import cache
from dpif.lab.errors import LabUnavailable
from dpif.lab.host import find

__all__ = ["PROGRAMS", "Suite", "mirror", "run"]

#: What this module runs, and the Debian package that has it.
PROGRAMS = {"apt-get": "apt", "dpkg": "dpkg"}

_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
_DAY = 24 * 60 * 60

#: apt's settings for one suite. Whatever else the machine says of it, a proxy say, holds here, too.
_SETTINGS = """\
Dir::State "{home}/state";
Dir::State::status "/dev/null";
Dir::Cache "{home}/cache";
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
APT::Sandbox::User "root";
"""


class Suite:
    """A suite of the archive, such as ``trixie``; an empty name stands for the machine's own sources."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def dependencies(self, package: str) -> str:
        """Return the line of packages on which `package` depends; raise `LabUnavailable` where it is not there."""
        shown = self.run("apt-cache", "show", "--no-all-versions", package)
        if shown.strip():
            lines = [line for line in shown.splitlines() if line.startswith("Depends:")]
            return lines[0].removeprefix("Depends:").strip() if lines else ""
        if self.name:
            raise LabUnavailable(f"no kernel for the lab: Debian {self.name} has no {package}")
        raise LabUnavailable(f"no kernel for the lab: the package lists have no {package}; as root: apt-get update")

    def unpack(self, package: str, target: Path) -> str:
        """Fetch `package` and unpack it into the folder `target`; return its version."""
        self.run("apt-get", "download", package, cwd=target.parent)
        (archive,) = target.parent.glob(f"{package}_*.deb")
        run("dpkg", "--extract", str(archive), str(target))
        archive.unlink()
        return archive.name.split("_")[1].replace("%3a", ":")

    def run(self, program: str, *argv: str, cwd: Path | None = None) -> str:
        """Run a program of apt's on this suite and return what it prints; raise `LabUnavailable` when it fails."""
        return run(program, *self._options(), *argv, cwd=cwd)

    def _options(self) -> Sequence[str]:
        """Return what makes apt look at this suite, its lists brought up to date when they are a day old."""
        if not self.name:
            return ()
        home = cache.folder("apt", self.name)
        options = ("-c", str(home / "apt.conf"))
        with cache.locked(home):
            fresh = home / "updated"
            if not fresh.exists() or time.time() - fresh.stat().st_mtime > _DAY:
                _update(home, self.name, options)
                fresh.touch()
        return options


def _update(home: Path, suite: str, options: Sequence[str]) -> None:
    for part in ("state/lists/partial", "cache/archives/partial"):
        (home / part).mkdir(parents=True, exist_ok=True)
    (home / "apt.conf").write_text(_SETTINGS.format(home=home))
    (home / "sources.list").write_text(f"deb{_signed_by()} {mirror()} {suite} main\n")
    run("apt-get", *options, "update", "-q", "--error-on=any")


def mirror() -> str:
    """Return the address of the archive that this machine uses for Debian itself."""
    fields = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", fields, "Identifier: Packages").splitlines():
        origin, codename, component, address = line.split("|")
        if (origin, component) == ("Debian", "main") and "-" not in codename:
            return address
    raise LabUnavailable("no kernel for the lab: this machine's package lists name no archive of Debian")


def _signed_by() -> str:
    found = [path for path in _KEYRINGS if os.path.exists(path)]
    return f" [signed-by={found[0]}]" if found else ""


def run(*argv: str, cwd: Path | None = None) -> str:
    """Run a program and return what it prints; raise `LabUnavailable` with its last words when it fails."""
    program = find(argv[0])
    if program is None:
        raise LabUnavailable(f"no kernel for the lab: it comes from Debian's archive, and there is no {argv[0]} here")
    done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["failed"]
        advice = "; as root: apt-get update" if argv[0].startswith("apt") and "-c" not in argv else ""
        raise LabUnavailable(f"no kernel for the lab: {argv[0]}: {said[-1]}{advice}")
    return done.stdout
