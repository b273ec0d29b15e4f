from __future__ import annotations

from pathlib import Path

import pytest

from dpif.errors import ParseError, Unavailable
from dpif.lab import LabUnavailable, host, run, uml


def test_what_is_missing_is_named_by_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(LabUnavailable, match=r"apt-get install coreutils iproute2 kmod mount user-mode-linux util"):
        uml.UserModeLinux().prepare()


def test_missing_modules_are_the_kernel_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in uml._PROGRAMS:
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(uml, "MODULES_DIR", tmp_path)
    uml.UserModeLinux().prepare()
    monkeypatch.setattr(uml, "MODULES_DIR", tmp_path / "nonesuch")
    with pytest.raises(Unavailable, match=r"apt-get install user-mode-linux$"):
        uml.UserModeLinux().prepare()


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
