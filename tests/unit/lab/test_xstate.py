"""The library in front of ptrace: a process's registers go through it, on a processor like this one and with AMX."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dpif.lab import LabUnavailable, xstate

SOURCES = Path(__file__).with_name("c")
WRITE_REFUSED = 2

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="user-mode Linux is there for x86 alone")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dpif" / "lab"


def compiled(name: str, into: Path, *flags: str) -> Path:
    target = into / name
    subprocess.run(["cc", "-O2", *flags, "-o", target, SOURCES / f"{name}.c"], check=True)
    return target


@pytest.mark.parametrize("has_amx", [False, True], ids=["this processor", "as with AMX"])
def test_registers_survive_a_round_through_it(own_cache: Path, tmp_path: Path, has_amx: bool) -> None:
    program = compiled("round_trip", tmp_path)
    host = [compiled("amx_host", tmp_path, "-shared", "-fPIC")] if has_amx else []

    def status(*libraries: Path) -> int:
        env = {**os.environ, "LD_PRELOAD": ":".join(map(str, libraries))}
        return subprocess.run([program], env=env, stderr=subprocess.DEVNULL).returncode

    assert status(*host) == WRITE_REFUSED
    assert status(xstate.library(), *host) == 0


def test_it_is_compiled_once(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = xstate.library()
    assert list(own_cache.iterdir()) == [first]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert xstate.library() == first


def test_without_a_compiler_it_says_what_to_install(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        LabUnavailable, match=r"^this processor has AMX, [^;]* compiled here; as root: apt-get install gcc libc6-dev$"
    ):
        xstate.library()
    assert list(own_cache.iterdir()) == []


def test_a_compiler_that_fails_is_quoted(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'xstate.c:1: fatal error: dlfcn.h: No such file' >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(compiler))
    with pytest.raises(LabUnavailable, match=r"cc says: .*dlfcn.h: No such file; as root: apt-get install gcc"):
        xstate.library()
    assert list(own_cache.iterdir()) == []


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(LabUnavailable, match=r"could not be kept: .*Not a directory"):
        xstate.library()


@pytest.mark.parametrize(("flags", "more"), [("fpu avx512f amx_bf16 amx_tile", True), ("fpu avx512f", False)])
def test_which_processors_need_it(tmp_path: Path, flags: str, more: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert xstate.processor_has_more(tmp_path / "cpuinfo") is more


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert not xstate.processor_has_more(tmp_path / "nonesuch")
