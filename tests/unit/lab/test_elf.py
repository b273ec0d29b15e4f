from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dpif.lab import elf


def test_a_program_runs_by_the_loader_beside_it(tmp_path: Path) -> None:
    """Any program will do: this one says by which loader it was started."""
    program = Path(str(shutil.which("true"))).read_bytes()
    changed = elf.with_own_loader(program)
    assert len(changed) == len(program)
    (tmp_path / "true").write_bytes(changed)
    (tmp_path / "true").chmod(0o755)
    with pytest.raises(FileNotFoundError):
        subprocess.run([tmp_path / "true"], cwd=tmp_path)
    (tmp_path / elf.LOADER).symlink_to(_interpreter(program))
    assert subprocess.run([tmp_path / "true"], cwd=tmp_path).returncode == 0


def _interpreter(program: bytes) -> str:
    start = program.index(b"/lib64/ld-linux" if sys.maxsize > 2**32 else b"/lib/ld-linux")
    return program[start : program.index(b"\0", start)].decode()


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(100)])
def test_what_is_no_program(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a 64-bit ELF file"):
        elf.with_own_loader(data)


def test_a_program_without_a_loader() -> None:
    with pytest.raises(ValueError, match="no program with an interpreter"):
        elf.with_own_loader(b"\x7fELF\x02" + bytes(100))
