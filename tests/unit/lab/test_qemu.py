from __future__ import annotations

from pathlib import Path

import pytest

from dpif.errors import ParseError
from dpif.lab import LabUnavailable, host, run
from dpif.lab.qemu import Qemu
from dpif.lab.telling import silent


def test_what_is_missing_is_named_by_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    packages = "apt busybox-static coreutils cpio dpkg iproute2 kmod mount qemu-system-x86 util-linux"
    with pytest.raises(LabUnavailable, match=rf"apt-get install {packages}$"):
        Qemu(1).prepare(silent)


@pytest.mark.parametrize("cpus", [0, -1, 65])
def test_bad_numbers_of_cpus(cpus: int) -> None:
    with pytest.raises(ParseError, match=rf"not a number of CPUs: {cpus} \(1 to 64\)"):
        run(["true"], qemu=True, cpus=cpus)
