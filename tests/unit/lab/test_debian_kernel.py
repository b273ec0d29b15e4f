"""The cache of kernels. Nothing is downloaded: programs in a directory of the test's own answer for apt and dpkg."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dpif.lab import LabUnavailable, debian_kernel, host

NAME = "linux-image-6.1.0-99-amd64"
PROGRAMS = {
    "apt-cache": f"echo 'Depends: {NAME} (= 6.1)'",
    "apt-get": f"touch {NAME}_6.1_amd64.deb",
    "dpkg": f'mkdir -p "$3/boot" "$3/lib/modules/6.1.0-99-amd64" && touch "$3/boot/vmlinuz-{NAME[12:]}"',
    "depmod": 'touch "$2/lib/modules/$3/modules.dep"',
    "modprobe": 'for m in virtio a virtio b; do echo "insmod $2/lib/$m.ko "; done; echo "builtin c"',
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the programs above."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name, script in PROGRAMS.items():
        replace(tmp_path, name, script)
    return tmp_path / "cache" / "dpif" / "kernels"


def replace(tmp_path: Path, name: str, script: str) -> None:
    program = tmp_path / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_first_call_downloads_and_the_next_does_not(cache: Path, tmp_path: Path) -> None:
    kernel = debian_kernel.get()
    assert kernel.release == "6.1.0-99-amd64"
    assert kernel.image.exists()
    assert (kernel.modules_dir / kernel.release / "modules.dep").exists()
    assert list(cache.iterdir()) == [kernel.root]
    replace(tmp_path, "apt-get", "exit 1")
    assert debian_kernel.get() == kernel


def test_a_failed_download_leaves_nothing_and_says_why(cache: Path, tmp_path: Path) -> None:
    replace(tmp_path, "apt-get", "echo 'E: no such host' >&2; exit 100")
    with pytest.raises(LabUnavailable, match=r"apt-get: E: no such host; as root: apt-get update$"):
        debian_kernel.get()
    assert list(cache.iterdir()) == []


SPLIT = "linux-{}-7.2.1+deb14-amd64"
SPLIT_PROGRAMS = {
    "apt-cache": f"""
        case "$*" in
        *linux-image-amd64) echo 'Depends: linux-base-amd64, {SPLIT.format("image")} (= 7.2.1-1)';;
        *) echo 'Depends: kmod, {", ".join(SPLIT.format(part) for part in ("base", "binary", "modules"))} (= 1)';;
        esac""",
    "apt-get": 'for last; do :; done; case "$last" in update) ;; *) touch "${last}_7.2.1-1_amd64.deb";; esac',
    "dpkg": """
        mkdir -p "$3/usr/lib/modules/7.2.1+deb14-amd64"; cd "$3/usr/lib/modules/7.2.1+deb14-amd64"
        case "$2" in
        *linux-base*) touch modules.builtin;; *linux-binary*) touch vmlinuz;; *linux-modules*) touch a.ko.xz;;
        esac""",
    "depmod": 'touch "$2/lib/modules/$3/modules.dep"',
}


def test_newer_kernels_come_in_parts(cache: Path, tmp_path: Path) -> None:
    for name, script in SPLIT_PROGRAMS.items():
        replace(tmp_path, name, script)
    told: list[str] = []
    kernel = debian_kernel.get(tell=told.append)
    assert told == [f"fetching {SPLIT.format('image')} of Debian, once"]
    assert kernel.release == "7.2.1+deb14-amd64"
    modules = kernel.modules_dir / kernel.release
    assert sorted(path.name for path in modules.iterdir()) == [
        "a.ko.xz",
        "modules.builtin",
        "modules.dep",
        "vmlinuz",
    ]
    assert kernel.image == modules / "vmlinuz"


def test_package_lists_without_a_kernel(cache: Path, tmp_path: Path) -> None:
    replace(tmp_path, "apt-cache", "true")
    with pytest.raises(LabUnavailable, match=r"package lists have no linux-image-amd64; as root: apt-get update$"):
        debian_kernel.get()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written(cache: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("cache").mkdir(mode=0o500)
    with pytest.raises(LabUnavailable, match=r"no kernel for the lab: .*Permission denied"):
        debian_kernel.get()


def test_modules_come_once_each_in_the_order_of_loading(cache: Path) -> None:
    kernel = debian_kernel.get()
    names = [path.name for path in kernel.with_dependencies(["a", "b"])]
    assert names == ["virtio.ko", "a.ko", "b.ko"]
