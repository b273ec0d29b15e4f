"""The contestants' programs, copied into the guest's memory.

A lab's files are the host's, and each use of one is a conversation with the host: starting a program takes ten times
as long as on a machine of its own, where the files of programs in use are in memory. In a tmpfs they are.
"""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import dpif

_PACKAGES = ("collections", "encodings", "importlib", "json", "lib-dynload", "re")
"""What a command may import of the standard library, besides the modules that are one file."""


def install(directory: Path) -> dict[str, str]:
    """Copy both programs into a new `directory`; return the command lines by which they are called."""
    return {"dpif": _install_dpif(directory / "dpif"), "ovs-dpctl": _install_program("ovs-dpctl", directory / "ovs")}


def _install_dpif(home: Path) -> str:
    library = home / "lib" / f"python{sysconfig.get_python_version()}"
    standard = Path(sysconfig.get_path("stdlib"))
    for file in [*standard.glob("*.py"), *standard.glob(f"__pycache__/*.{sys.implementation.cache_tag}.pyc")]:
        _copy(file, library / file.relative_to(standard))
    for package in _PACKAGES:
        shutil.copytree(standard / package, library / package)
    shutil.copytree(Path(dpif.__file__).parent, library / "dpif", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(library / "dpif", quiet=1)  # as pip does, and no run may be spent on it
    interpreter = _install_program(str(Path(sys.executable).resolve()), home / "bin")
    script = home / "bin" / "run.py"
    script.write_text("import sys\nfrom dpif.cli import main\nsys.exit(main())\n")
    return f"PYTHONHOME={home} {interpreter} {script}"


def _install_program(name: str, directory: Path) -> str:
    """Copy a program with the libraries that it loads."""
    source = shutil.which(name)
    assert source is not None, f"{name} is not there"
    listed = subprocess.run(["ldd", source], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"=> (/\S+)", listed):
        _copy(Path(library), directory / "lib" / Path(library).name)
    _copy(Path(source), directory / Path(source).name)
    return f"LD_LIBRARY_PATH={directory}/lib {directory}/{Path(source).name}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
