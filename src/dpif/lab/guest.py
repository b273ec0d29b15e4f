"""What host and guest share: a private directory with the guest's scripts and the command's exit status.

Owns the names and the contents of those files (``init.sh`` beside this module is the other half). Must not
know what runs the guest's kernel: that is told by `Devices` and by a directory of modules.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from dpif._typing import NamedTuple

__all__ = ["Devices", "has_booted", "has_started", "read_status", "write_scripts"]

#: Loaded before the command starts.
DEFAULT_MODULES = ("openvswitch", "veth")


class Devices(NamedTuple):
    """The guest's names of the four lines to the host: stdin, stdout, stderr and the terminal's size."""

    input: str
    output: str
    errors: str
    control: str


def write_scripts(
    directory: Path,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    modules: Sequence[str],
    modules_dir: Path,
    hidden: Sequence[str],
    devices: Devices,
    terminal: bool,
) -> Path:
    """Fill `directory` with all that the guest reads; return the path of the script for its process 1."""
    settings = {
        "modules": " ".join([*DEFAULT_MODULES, *modules]),
        "modules_dir": str(modules_dir),
        "hidden": " ".join(hidden),
        "kept": cwd if any(Path(place) in Path(cwd).parents for place in hidden) else "",
        "terminal": "yes" if terminal else "no",
        **devices._asdict(),
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings.items()]
    _write(directory / "settings", "".join(lines))
    _write(directory / "command", _command_script(command, env, cwd))
    init = directory / "init"
    _write(init, Path(__file__).with_name("init.sh").read_text())
    init.chmod(0o700)
    return init


def has_booted(directory: Path) -> bool:
    """Whether the kernel came as far as its process 1."""
    return (directory / "booted").exists()


def has_started(directory: Path) -> bool:
    """Whether the guest is up, so that the command runs or has run."""
    return (directory / "ready").exists()


def read_status(directory: Path) -> int | None:
    """Return the command's exit status (128 + n when signal n ended it); None when the guest left none."""
    try:
        return int((directory / "status").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _command_script(command: Sequence[str], env: Mapping[str, str], cwd: str) -> str:
    """Return a shell script. ``env`` sets the variables: a shell refuses names like ``BASH_FUNC_x%%``."""
    variables = {**env, "DPIF_LAB": "1"}
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return f"cd {shlex.quote(cwd)} || exit 125\nexec {shlex.join(['env', '-i', *assignments, *command])}\n"


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode(errors="surrogateescape"))
