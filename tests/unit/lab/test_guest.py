from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dpif.lab import guest

DEVICES = guest.Devices("/dev/in", "/dev/out", "/dev/err", "/dev/control")


def write(directory: Path, command: list[str], env: dict[str, str] | None = None, cwd: str = "/") -> Path:
    return guest.write_scripts(
        directory,
        command,
        env={"PATH": os.defpath, **(env or {})},
        cwd=cwd,
        modules=["tun"],
        modules_dir=Path("/lib/some where"),
        hidden=["/tmp"],
        devices=DEVICES,
        terminal=False,
    )


def run_command(directory: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", directory / "command"], capture_output=True, check=False)


AWKWARD = ["", " ", "a b", "it's", '"', "$HOME", "`id`", "\\", "a\nb", "*", "-n", os.fsdecode("é".encode()), "\udcff"]


def test_the_command_gets_its_arguments_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, ["printf", "%s\\0", *AWKWARD])
    expected = b"".join(os.fsencode(argument) + b"\0" for argument in AWKWARD)
    assert run_command(tmp_path).stdout == expected


@pytest.mark.parametrize("value", AWKWARD)
def test_the_command_gets_its_environment_as_it_is(tmp_path: Path, value: str) -> None:
    write(tmp_path, ["printenv", "BASH_FUNC_x%%"], env={"BASH_FUNC_x%%": value})
    assert run_command(tmp_path).stdout == os.fsencode(value) + b"\n"


def test_the_environment_has_nothing_else_but_the_mark(tmp_path: Path) -> None:
    write(tmp_path, ["env"], env={"A": "1"})
    assert set(run_command(tmp_path).stdout.decode().splitlines()) == {f"PATH={os.defpath}", "A=1", "DPIF_LAB=1"}


def test_the_command_runs_in_the_directory(tmp_path: Path) -> None:
    there = tmp_path / "it's here"
    there.mkdir()
    write(tmp_path, ["pwd"], cwd=str(there))
    assert run_command(tmp_path).stdout.decode() == f"{there}\n"


def test_a_directory_that_the_guest_cannot_see_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, ["pwd"], cwd="/nonesuch")
    result = run_command(tmp_path)
    assert result.returncode == 125
    assert b"/nonesuch" in result.stderr


def test_the_settings_are_shell_variables(tmp_path: Path) -> None:
    init = write(tmp_path, ["true"])
    assert os.access(init, os.X_OK)
    script = f'. "{tmp_path}/settings"; printf "%s\\n" "$modules" "$modules_dir" "$terminal" "$input" "$control"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [
        "openvswitch veth tun",
        "/lib/some where",
        "no",
        "/dev/in",
        "/dev/control",
    ]


@pytest.mark.parametrize(("cwd", "kept"), [("/tmp/a b/c", "/tmp/a b/c"), ("/tmp", ""), ("/tmpfile", ""), ("/", "")])
def test_the_callers_directory_is_kept_where_its_place_is_hidden(tmp_path: Path, cwd: str, kept: str) -> None:
    write(tmp_path, ["true"], cwd=cwd)
    script = f'. "{tmp_path}/settings"; printf "%s\\n" "$hidden" "$kept"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["/tmp", kept]


def test_the_init_script_is_well_formed(tmp_path: Path) -> None:
    subprocess.run(["sh", "-n", write(tmp_path, ["true"])], check=True)


def test_start_and_status_are_told_by_files(tmp_path: Path) -> None:
    assert not guest.has_started(tmp_path)
    assert guest.read_status(tmp_path) is None
    (tmp_path / "ready").touch()
    (tmp_path / "status").touch()
    assert guest.has_started(tmp_path)
    assert guest.read_status(tmp_path) is None
    (tmp_path / "status").write_text("137\n")
    assert guest.read_status(tmp_path) == 137
