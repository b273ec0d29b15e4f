"""The Debian package, in a clean Debian of its own: installed there, used, and removed without a trace.

That Debian is a directory that ``mmdebstrap`` makes once, of the oldest release with a Python that dpif takes; it is
kept in the cache. It takes root to live in it: where CI=true that must be had, elsewhere these tests are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif import __version__
from dpif.cli.command_table import COMMANDS
from dpif.lab import cache
from dpif.lab.archive import mirror
from dpif.lab.errors import LabUnavailable

from .conftest import ROOT, unable

SUITE = "bookworm"
SERVED = """
set -e
dpif serve --socket /run/dpif.sock --detach
export DPIF_SOCKET=/run/dpif.sock
dpif add-dp netdev@br0
dpif add-flow netdev@br0 'in_port(0),eth(),eth_type(0x0806),arp()' drop
dpif dump-flows netdev@br0
dpif serve --stop
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree."""
    return build(tmp_path_factory.mktemp("deb"))


def build(target: Path) -> Path:
    """Build it as ``make deb`` does."""
    done = subprocess.run([sys.executable, "tools/deb.py", str(target)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a clean Debian."""
    archive = cache.folder("debian") / f"{SUITE}.tar"
    if os.getuid() != 0:
        unable("it takes root to live in a directory")
    with cache.locked(archive.parent):
        if not archive.exists():
            cache.make_file(archive, debootstrap)
    root = tmp_path_factory.mktemp("debian")
    subprocess.run(["tar", "-xf", str(archive), "-C", str(root)], check=True)
    yield root
    shutil.rmtree(root)


def debootstrap(archive: Path) -> None:
    """Make the archive of that Debian: what every one has, and Python."""
    try:
        source = f"deb {mirror()} {SUITE} main"
    except LabUnavailable as error:
        unable(str(error))
    if shutil.which("mmdebstrap") is None:
        unable("there is no mmdebstrap here (Debian: apt-get install mmdebstrap)")
    options = ["--format=tar", "--variant=essential", "--include=python3", "--quiet"]
    keep_small = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("locale", "i18n", "zoneinfo")]
    made = subprocess.run(["mmdebstrap", *options, *keep_small, SUITE, str(archive), source], capture_output=True)
    assert made.returncode == 0, made.stderr.decode()


def inside(root: Path, *command: str) -> str:
    """Run a command in that Debian; return what it prints."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    done = subprocess.run(["chroot", str(root), *command], env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_it_is_installed_used_and_removed_without_a_trace(package: Path, debian: Path) -> None:
    before = files(debian)
    shutil.copy(package, debian / "tmp" / "dpif.deb")
    inside(debian, "dpkg", "--install", "/tmp/dpif.deb")
    (debian / "tmp" / "dpif.deb").unlink()
    assert inside(debian, "dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "dpif") == (
        f"{__version__} installed"
    )
    assert inside(debian, "dpif", "--version") == f"dpif {__version__}\n"
    assert inside(debian, "dpif", "show", "--help").startswith("usage: dpif show ")
    assert inside(debian, "python3", "-c", "import dpif; print(dpif.parse_key('in_port(1)'))") == "in_port(1)\n"
    assert re.fullmatch(r"in_port\(0\),.*actions:drop\n", inside(debian, "sh", "-c", SERVED))
    page = inside(debian, "zcat", "/usr/share/man/man8/dpif.8.gz")
    assert all(command.name in page.replace("\\", "") for command in COMMANDS)
    assert inside(debian, "bash", "-c", ". /usr/share/bash-completion/completions/dpif && complete -p dpif")
    assert list((debian / "usr/lib/python3/dist-packages/dpif/__pycache__").iterdir())  # it starts fast
    inside(debian, "dpkg", "--purge", "dpif")
    assert files(debian) - before == set()


def files(root: Path) -> set[str]:
    """Return all files of a Debian but those that dpkg writes of itself."""
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    return {path for path in found if not path.startswith(("var/lib/dpkg/", "var/log/", "var/cache/"))}


def test_the_same_tree_gives_the_same_package(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == package.read_bytes()


@pytest.mark.parametrize(
    ("kind", "drop_in"), [("system", ""), ("system", "devices.conf"), ("system", "options.conf"), ("user", "")]
)
def test_systemd_takes_the_units(kind: str, drop_in: str, package: Path, tmp_path: Path) -> None:
    """With each of the examples; the command is what this machine has in place of the package's."""
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tree)], check=True)
    unit = tmp_path / "dpif-serve.service"
    text = (tree / "usr/lib/systemd" / kind / unit.name).read_text()
    assert "ExecStart=/usr/bin/dpif serve " in text
    unit.write_text(text.replace("/usr/bin/dpif", "/bin/true"))
    if drop_in:
        example = (tree / "usr/share/doc/dpif/examples/dpif-serve.service.d" / drop_in).read_text()
        (tmp_path / f"{unit.name}.d").mkdir()
        (tmp_path / f"{unit.name}.d" / drop_in).write_text(example.replace("/usr/bin/dpif", "/bin/true"))
    verify = ["systemd-analyze", "verify", f"--{kind}", "--man=no", str(unit)]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(verify, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_service_is_confined(package: Path, tmp_path: Path) -> None:
    """By systemd's own measure: 10 is a service that may do anything."""
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    unit = tmp_path / "usr/lib/systemd/system/dpif-serve.service"
    judge = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    done = subprocess.run(judge, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_are_command_lines_that_dpif_takes() -> None:
    from dpif.cli.arguments import parse

    lines = "".join(path.read_text() for path in (ROOT / "packaging" / "systemd").rglob("*.*") if path.is_file())
    commands = re.findall(r"^ExecStart=/usr/bin/dpif (.+)$", lines, re.MULTILINE)
    assert len(commands) >= 3
    assert {parse(command.split()).command.name for command in commands} == {"serve"}
