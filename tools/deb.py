"""Builds a Debian package of this tree: ``python tools/deb.py DIRECTORY`` (``make deb``).

It holds what the wheel holds, where Debian has it, and units of systemd. Debian's own tools for Python packages want
the build system in Debian's version, which is older than ours; so this takes a wheel apart, and `dpkg-deb` packs it.
The same tree gives the same package. Its maintainer is ``$DEBFULLNAME <$DEBEMAIL>`` where these are set.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from dpif import __version__

ROOT = Path(__file__).parent.parent
DEBIAN = ROOT / "packaging" / "debian"
UNITS = ROOT / "packaging" / "systemd"
PACKAGES = "usr/lib/python3/dist-packages"
DOC = "usr/share/doc/dpif"
ELSEWHERE = {"usr/share/zsh/site-functions": "usr/share/zsh/vendor-completions"}
"""Where Debian has what a wheel has in another place."""
SCRIPT = """\
#!/usr/bin/python3
from dpif.__main__ import run

if __name__ == "__main__":
    run()
"""
_TIME = "1580601600"
"""Of the files, as in the wheel, unless SOURCE_DATE_EPOCH says another."""


def main() -> int:
    """Build the package; print its path."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dpif-deb-") as work:
        tree = Path(work, "tree")
        _unpack(_wheel(Path(work)), tree)
        _add_files(tree)
        _describe(tree)
        print(_pack(tree, target / f"dpif_{__version__}_all.deb"))
    return 0


def _wheel(work: Path) -> Path:
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work))
    (wheel,) = work.glob("*.whl")
    return wheel


def _unpack(wheel: Path, tree: Path) -> None:
    """Put the wheel's files where Debian has them; the record of pip's is left out, for dpkg keeps one."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree / PACKAGES)
    (data,) = (tree / PACKAGES).glob("*.data")
    shutil.move(data / "data" / "share", tree / "usr" / "share")
    shutil.rmtree(data)
    for here, there in ELSEWHERE.items():
        shutil.move(tree / here, tree / there)
    for record in (tree / PACKAGES).glob("*.dist-info/RECORD"):
        record.unlink()


def _add_files(tree: Path) -> None:
    _write(tree / "usr/bin/dpif", SCRIPT, mode=0o755)
    _write(tree / "usr/lib/systemd/system/dpif-serve.service", (UNITS / "dpif-serve.service").read_text())
    _write(tree / "usr/lib/systemd/user/dpif-serve.service", (UNITS / "dpif-serve-user.service").read_text())
    for name in ("README.md", "CHANGELOG.md"):
        _write(tree / DOC / name, (ROOT / name).read_text(encoding="utf-8"))
    shutil.copytree(UNITS / "examples", tree / DOC / "examples" / "dpif-serve.service.d")
    for page in (ROOT / "docs").glob("*.md"):
        _write(tree / DOC / "docs" / page.name, page.read_text(encoding="utf-8"))
    _write(tree / DOC / "copyright", (DEBIAN / "copyright").read_text() + _licence_of_captures())
    for page in (tree / "usr/share/man").rglob("*.[1-9]"):
        page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()


def _licence_of_captures() -> str:
    """Return the text beside them, as a field goes on in a file of Debian's: a space further in, no line empty."""
    quoted = re.findall(r"^> ?(.*)$", (ROOT / "src/dpif/_data/README.md").read_text(), re.MULTILINE)
    return "".join(f" {line or '.'}\n" for line in quoted)


def _describe(tree: Path) -> None:
    """Add what dpkg wants to know."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files)
    size = sum(path.stat().st_size for path in files) // 1024
    email = os.environ.get("DEBEMAIL")
    maintainer = os.environ.get("DEBFULLNAME", "The dpif authors") + (f" <{email}>" if email else "")
    control = (DEBIAN / "control").read_text().format(version=__version__, maintainer=maintainer, size=size)
    _write(tree / "DEBIAN" / "control", control)
    _write(tree / "DEBIAN" / "md5sums", sums)
    for script in ("postinst", "prerm"):
        _write(tree / "DEBIAN" / script, (DEBIAN / script).read_text(), mode=0o755)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _pack(tree: Path, package: Path) -> Path:
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    os.environ.setdefault("SOURCE_DATE_EPOCH", _TIME)
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package))
    return package


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"deb: {command[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
