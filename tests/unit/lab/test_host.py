from __future__ import annotations

import pytest

from dpif.errors import ParseError
from dpif.lab import LabUnavailable, host


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("512K", 512 << 10), ("64M", 64 << 20), ("2G", 2 << 30)])
def test_sizes_of_memory(text: str, size: int) -> None:
    assert host.parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "2g", "2T", "-1G", "1.5G", "2G ", "G", "2G init=/bin/sh"])
def test_bad_sizes_of_memory(text: str) -> None:
    with pytest.raises(ParseError, match=r"not a size of memory: .*\(such as 512M or 2G\)"):
        host.parse_memory(text)


def test_what_is_missing_is_named_once_and_in_order() -> None:
    assert host.missing_packages({"sh": "dash", "nonesuch": "b", "nonesuch2": "b", "nonesuch3": "a"}) == {"a", "b"}
    host.require_packages(())
    with pytest.raises(LabUnavailable, match=r"as root: apt-get install a b$"):
        host.require_packages({"b", "a"})
