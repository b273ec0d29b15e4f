"""Fetch the newest Open vSwitch tools of Debian, to compare with, and print the folder that has them to run here.

    PATH=$(python tools/newest_ovs.py):$PATH ovs-dpctl --version

They are unpacked into the lab's cache, with all the libraries that they want: each tool in the folder is a script
that starts it by their own loader. Nothing is installed, and what is in the cache is used without asking again.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from dpif.lab import LabUnavailable, cache
from dpif.lab.archive import Suite

_SUITE = "sid"
_PACKAGES = ("openvswitch-switch", "openvswitch-common")
_LIBRARY = re.compile(r"(?:lib|zlib)[a-z0-9.+-]*")
_TOOLS = {
    "ovs-dpctl": "usr/bin/ovs-dpctl",
    "ovs-appctl": "usr/bin/ovs-appctl",
    "ovs-vswitchd": "usr/lib/openvswitch-switch/ovs-vswitchd",
}
_SCRIPT = """\
#!/bin/sh
exec "{loader}" --library-path "{libraries}" --argv0 {name} "{program}" "$@"
"""


def main() -> int:
    """Print the folder; return the exit status."""
    try:
        print(fetch())
    except (LabUnavailable, OSError) as error:
        print(f"newest_ovs: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> Path:
    """Return the folder of scripts."""
    root = cache.folder("peers") / f"openvswitch-{_SUITE}"
    if not root.is_dir():
        cache.make_folder(root, lambda made: _fill(made, root))
    return root / "bin"


def _fill(made: Path, final: Path) -> None:
    suite = Suite(_SUITE)
    for package in _with_libraries(suite):
        suite.unpack(package, made)
    libraries = sorted({path.parent for path in made.rglob("*.so.*")})
    (loader,) = {path.resolve() for path in made.rglob("ld-linux-*.so.*")}
    (made / "bin").mkdir()
    for name, program in _TOOLS.items():
        script = made / "bin" / name
        script.write_text(
            _SCRIPT.format(
                loader=final / loader.relative_to(made.resolve()),
                libraries=":".join(str(final / path.relative_to(made)) for path in libraries),
                name=name,
                program=final / program,
            )
        )
        script.chmod(0o755)
    for heavy in ("usr/share", "usr/lib/python3"):
        shutil.rmtree(made / heavy, ignore_errors=True)


def _with_libraries(suite: Suite) -> list[str]:
    """Return the packages of the tools and all libraries that they want, of these the libraries, and so on."""
    found = list(_PACKAGES)
    for package in found:
        names = [name.strip().split()[0] for name in suite.dependencies(package).split(",") if name.strip()]
        found += [name for name in names if _LIBRARY.fullmatch(name) and name not in found]
    return found


if __name__ == "__main__":
    sys.exit(main())
