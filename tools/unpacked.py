"""Programs of any Debian release, unpacked into the lab's cache and run by their own loader with their own libraries.

What `newest_ovs.py` and `pythons.py` share. Nothing is installed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dpif.lab.archive import Suite, run

_LIBRARY = re.compile(r"(?:lib|zlib)[a-z0-9.+-]*")
_SCRIPT = """\
#!/bin/sh
exec "{loader}" --library-path "{libraries}" --argv0 {name} "{program}" "$@"
"""


def unpack(suite: Suite, packages: Sequence[str], made: Path) -> None:
    """Unpack packages into the folder `made`, with all the libraries that they want."""
    wanted = _dependencies(suite, packages)
    found = list(packages)
    for package in found:
        found += [name for name in wanted[package] if _LIBRARY.fullmatch(name) and name not in found]
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        suite.run("apt-get", "download", *found, cwd=Path(folder))
        for archive in Path(folder).glob("*.deb"):
            run("dpkg", "--extract", str(archive), str(made))


def _dependencies(suite: Suite, packages: Sequence[str]) -> dict[str, list[str]]:
    """Return what packages depend on, what that depends on, and so on: asked at once, for each answer takes long."""
    no_others = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    found: dict[str, list[str]] = {}
    for line in suite.run("apt-cache", "depends", "--recurse", *no_others, *packages).splitlines():
        kind, _, name = line.strip(" |").partition(": ")
        if not line.startswith((" ", "<")):
            found[line] = names = []
        elif kind in ("Depends", "PreDepends"):
            names.append(name)
    return found


def write_script(script: Path, program: str, name: str, made: Path, final: Path) -> None:
    """Write what starts `program` under a name, when the folder `made` has been moved to `final`."""
    libraries = sorted({path.parent for path in made.rglob("*.so.*")})
    (loader,) = {path.resolve() for path in made.rglob("ld-linux-*.so.*")}
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        _SCRIPT.format(
            loader=final / loader.relative_to(made.resolve()),
            libraries=":".join(str(final / path.relative_to(made)) for path in libraries),
            name=name,
            program=final / program,
        )
    )
    script.chmod(0o755)
