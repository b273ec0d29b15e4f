"""Regular expressions that are compiled when they are used; names of packages are tested with the packages."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from dpif._lazy import load, pattern


def test_a_pattern_does_what_the_compiled_one_does() -> None:
    word = pattern(r"(a+)b")
    for _ in range(2):
        match = word.match("xaab", 1)
        assert match is not None
        assert match.group(1) == "aa"
    assert word.fullmatch("aac") is None
    assert word.sub("c", "abab") == "cc"
    assert word.pattern == r"(a+)b"


def test_nothing_is_compiled_before() -> None:
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.match("")


def test_load() -> None:
    assert load("os.path").join("a", "b") == "a/b"
    with pytest.raises(ModuleNotFoundError):
        load("dpif.nothing")


def test_a_module_that_is_imported_later() -> None:
    run = (
        "import sys; from dpif._lazy import later; m = later('colorsys'); before = 'colorsys' in sys.modules; "
        "print(before, m.rgb_to_hsv is m.rgb_to_hsv, 'colorsys' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "False True True\n"
