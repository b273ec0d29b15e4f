"""Packages of other suites. Nothing is downloaded: programs of the tests' own answer for apt and dpkg."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dpif.lab import LabUnavailable, host
from dpif.lab.archive import Suite

APT_GET = """
echo "$@" >>"$0.calls"
case "$*" in
*indextargets*)
    echo 'Debian|bookworm-security|main|http://mirror.example/security/'
    echo 'Other|bookworm|main|http://other.example/'
    echo 'Debian|bookworm|contrib|http://mirror.example/contrib/'
    echo 'Debian|bookworm|main|http://mirror.example/debian/';;
*download*) touch "thing_1%3a2.3-1_amd64.deb";;
esac
"""
APT_CACHE = """case "$*" in *nonesuch) ;; *) echo 'Package: thing'; echo 'Depends: libc6 (>= 2.38), kmod';; esac"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name, script in {"apt-get": APT_GET, "apt-cache": APT_CACHE, "dpkg": 'touch "$3/file"'}.items():
        program(tmp_path, name, script)
    return tmp_path / "cache" / "dpif"


def program(tmp_path: Path, name: str, script: str) -> None:
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def updates(tmp_path: Path) -> int:
    return (tmp_path / "bin" / "apt-get.calls").read_text().count(" update ")


def test_the_lists_of_a_suite_are_its_own_and_a_day_old_at_most(cache: Path, tmp_path: Path) -> None:
    suite = Suite("trixie")
    assert suite.dependencies("thing") == "libc6 (>= 2.38), kmod"
    home = cache / "apt" / "trixie"
    sources = (home / "sources.list").read_text()
    assert sources.startswith("deb ")
    assert sources.endswith("http://mirror.example/debian/ trixie main\n")
    assert f'Dir::State "{home}/state"' in (home / "apt.conf").read_text()
    suite.dependencies("thing")
    assert updates(tmp_path) == 1
    os.utime(home / "updated", (0, 0))
    suite.dependencies("thing")
    assert updates(tmp_path) == 2


def test_a_package_is_unpacked_and_its_archive_goes(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    assert Suite("sid").unpack("thing", tmp_path / "unpacked") == "1:2.3-1"
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == ["file"]
    assert list(tmp_path.glob("*.deb")) == []


def test_a_package_that_the_suite_has_not(cache: Path) -> None:
    with pytest.raises(LabUnavailable, match=r"no kernel for the lab: Debian sid has no nonesuch$"):
        Suite("sid").dependencies("nonesuch")


def test_an_archive_that_does_not_answer_is_asked_again_the_next_time(cache: Path, tmp_path: Path) -> None:
    program(tmp_path, "apt-get", APT_GET + 'case "$*" in *update*) echo "E: no route to it" >&2; exit 100;; esac')
    with pytest.raises(LabUnavailable, match=r"apt-get: E: no route to it$"):
        Suite("sid").dependencies("thing")
    program(tmp_path, "apt-get", APT_GET)
    assert Suite("sid").dependencies("thing")


def test_a_machine_whose_lists_know_no_debian(cache: Path, tmp_path: Path) -> None:
    program(tmp_path, "apt-get", "echo 'Ubuntu|noble|main|http://ubuntu.example/'")
    with pytest.raises(LabUnavailable, match="package lists name no archive of Debian"):
        Suite("sid").dependencies("thing")


def test_another_system(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "apt-get").unlink()
    (tmp_path / "bin" / "apt-cache").unlink()
    with pytest.raises(LabUnavailable, match="there is no apt-get here"):
        Suite("sid").dependencies("thing")
