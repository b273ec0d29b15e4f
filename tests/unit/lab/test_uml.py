from __future__ import annotations

from pathlib import Path

import pytest

from dpif.errors import ParseError, Unavailable
from dpif.lab import LabUnavailable, run, uml


def test_what_is_missing_is_named_by_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uml, "_SEARCH_PATH", str(tmp_path))
    with pytest.raises(LabUnavailable, match=r"apt-get install coreutils iproute2 kmod mount user-mode-linux util"):
        uml.require()


def test_missing_modules_are_the_kernel_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in uml._PROGRAMS:
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(uml, "_SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(uml, "MODULES_DIR", tmp_path)
    uml.require()
    monkeypatch.setattr(uml, "MODULES_DIR", tmp_path / "nonesuch")
    with pytest.raises(Unavailable, match=r"apt-get install user-mode-linux$"):
        uml.require()


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("512K", 512 << 10), ("64M", 64 << 20), ("2G", 2 << 30)])
def test_sizes_of_memory(text: str, size: int) -> None:
    assert uml._parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "2g", "2T", "-1G", "1.5G", "2G ", "G", "2G init=/bin/sh"])
def test_bad_sizes_of_memory(text: str) -> None:
    with pytest.raises(ParseError, match=r"not a size of memory: .*\(such as 512M or 2G\)"):
        uml._parse_memory(text)


@pytest.mark.parametrize("name", ["", "-r", "a b", "../x", "$x"])
def test_bad_module_names(name: str) -> None:
    with pytest.raises(ParseError, match=r"not a module name"):
        run(["true"], modules=[name])


def test_memory_goes_where_it_fits_and_may_be_executed() -> None:
    assert uml._can_hold("/tmp", 0)
    assert not uml._can_hold("/tmp", 1 << 62)
    assert not uml._can_hold("/proc", 1)
