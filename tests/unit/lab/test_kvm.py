"""The probe for KVM. QEMU is a program of the tests' own, which does what a broken or working KVM was seen to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpif.lab import host, kvm

IMAGE = Path("vmlinuz")
WORKS = "echo run >>\"$0.runs\"; echo 'Kernel panic - not syncing: VFS: Unable to mount root fs'"


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "SEARCH_PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(kvm, "_DEVICE", str(tmp_path / "kvm"))
    (tmp_path / "kvm").touch()
    return tmp_path / "qemu-system-x86_64"


def that(qemu: Path, does: str) -> Path:
    qemu.write_text(f"#!/bin/sh\n{does}\n")
    qemu.chmod(0o755)
    return qemu


def test_a_kernel_that_asks_for_its_root_has_booted_and_is_remembered(qemu: Path) -> None:
    that(qemu, WORKS)
    assert kvm.usable(IMAGE)
    assert kvm.usable(IMAGE)
    assert qemu.with_name(f"{qemu.name}.runs").read_text() == "run\n"
    kvm.forget_it()
    assert not kvm.usable(IMAGE)


@pytest.mark.parametrize("does", ["exit 1", "echo SeaBIOS", "exec sleep 1000"], ids=["refuses", "resets", "hangs"])
def test_what_does_not_come_so_far(qemu: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "_DEADLINE", 0.5)
    that(qemu, does)
    assert not kvm.usable(IMAGE)
    that(qemu, WORKS)
    assert not kvm.usable(IMAGE)


def test_after_another_boot_of_the_host_it_is_tried_anew(qemu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    that(qemu, "exit 1")
    assert not kvm.usable(IMAGE)
    monkeypatch.setattr(kvm, "_this_boot", lambda: "another")
    that(qemu, WORKS)
    assert kvm.usable(IMAGE)


def test_without_the_device_nothing_is_tried(qemu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "_DEVICE", "/nonesuch/kvm")
    that(qemu, WORKS)
    assert not kvm.usable(IMAGE)
    assert not qemu.with_name(f"{qemu.name}.runs").exists()
