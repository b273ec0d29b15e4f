"""What readers are told to type does what they are told: the README, and the pages of the manual that teach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, blocks, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path) >= 1


def test_the_readme_has_a_tour_of_the_library_and_one_of_the_command_line() -> None:
    languages = [language for language, _ in blocks(ROOT / "README.md")]
    assert languages.count("python") >= 3
    assert languages.count("console") == 1


def test_the_picture_shows_what_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "tools/first_look.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
