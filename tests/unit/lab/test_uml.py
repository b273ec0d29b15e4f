from __future__ import annotations

from pathlib import Path

import pytest

from dpif.errors import ParseError, Unavailable
from dpif.lab import LabUnavailable, host, run, uml, uml_program, xstate
from dpif.lab.telling import silent


def test_what_is_missing_is_named_by_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(LabUnavailable, match=r"apt-get install coreutils iproute2 kmod mount user-mode-linux util"):
        uml.UserModeLinux().prepare(silent)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs: all that the lab takes, with a user-mode Linux that tells its release."""
    for program in ("linux.uml", *host.GUEST_PROGRAMS):
        (tmp_path / program).write_text("#!/bin/sh\necho 6.1.99\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(uml_program, "_INSTALLED_MODULES", tmp_path)
    monkeypatch.setattr(xstate, "processor_has_more", lambda: False)
    return tmp_path


def test_missing_modules_are_the_kernel_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert uml.UserModeLinux().prepare(silent) == installed
    monkeypatch.setattr(uml_program, "_INSTALLED_MODULES", installed / "nonesuch")
    with pytest.raises(Unavailable, match=r"apt-get install user-mode-linux$"):
        uml.UserModeLinux().prepare(silent)


def test_a_program_that_does_not_run_is_told(installed: Path) -> None:
    (installed / "linux.uml").write_text("#!/bin/sh\necho \"version 'GLIBC_2.99' not found\" >&2; exit 1\n")
    with pytest.raises(Unavailable, match=r"linux.uml does not run here: version 'GLIBC_2.99' not found"):
        uml.UserModeLinux().prepare(silent)


@pytest.mark.parametrize(
    ("release", "more", "with_library"),
    [
        ("6.1.99", True, True),
        ("6.12.5", True, True),
        ("6.13", True, False),
        ("7.2.7", True, False),
        ("6.1.9", False, False),
    ],
)
def test_the_library_is_for_processors_and_kernels_that_need_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch, release: str, more: bool, with_library: bool
) -> None:
    (installed / "linux.uml").write_text(f"#!/bin/sh\necho {release}\n")
    monkeypatch.setattr(xstate, "processor_has_more", lambda: more)
    monkeypatch.setattr(xstate, "library", lambda: Path("/a/library.so"))
    machine = uml.UserModeLinux()
    machine.prepare(silent)
    assert machine.preload == ([Path("/a/library.so")] if with_library else [])
    assert ("with the library" in machine.describe()) is with_library
    assert {"gcc", "libc6-dev"} <= machine.packages() if more else "gcc" not in machine.packages()


def test_it_has_one_cpu() -> None:
    with pytest.raises(ParseError, match=r"one CPU .*--qemu"):
        run(["true"], cpus=2)


@pytest.mark.parametrize("name", ["", "-r", "a b", "../x", "$x"])
def test_bad_module_names(name: str) -> None:
    with pytest.raises(ParseError, match=r"not a module name"):
        run(["true"], modules=[name])


def test_memory_goes_where_it_fits_and_may_be_executed() -> None:
    assert uml._can_hold("/tmp", 0)
    assert not uml._can_hold("/tmp", 1 << 62)
    assert not uml._can_hold("/proc", 1)
