"""Which kernel is taken, by name. What the archive has is said by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpif.errors import ParseError
from dpif.lab import LabUnavailable, kernels, run
from dpif.lab.archive import Suite


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dpif" / "kernels"


def taken(name: str, *there: str) -> tuple[str, list[str]]:
    """Ask for a kernel where the archive has so many suites; return the suite that it comes from and what is told."""
    told: list[str] = []

    def get(suite: Suite, place: Path) -> str:
        assert place.is_dir()
        if suite.name not in there:
            raise LabUnavailable(f"no {suite.name}")
        return suite.name

    return kernels.first_there(name, get, told.append), told


def test_each_name_has_a_suite() -> None:
    suites = [taken(name, "bookworm", "trixie", "sid") for name in kernels.NAMES]
    assert suites == [("bookworm", []), ("trixie", []), ("sid", [])]


def test_one_that_is_gone_gives_way_to_the_next_newer() -> None:
    suite, told = taken("6.1", "sid")
    assert suite == "sid"
    assert told == ["Linux 6.1 is not to be had (no bookworm); taking that of Debian sid"]


def test_when_all_are_gone_the_one_that_was_asked_for_is_named() -> None:
    with pytest.raises(LabUnavailable, match="no trixie"):
        taken("6.12")


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ParseError, match=r"not a kernel of the lab: 5\.4 \(6\.1, 6\.12, newest\)"):
        run(["true"], kernel="5.4")


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LabUnavailable, match=r"no kernel for the lab: .*Not a directory"):
        taken("6.1", "bookworm")
