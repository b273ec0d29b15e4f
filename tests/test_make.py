"""What make says while it works: what takes long is never silent."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("target", "slow"), [("lint", "mypy"), ("test-host", "pytest"), ("docs", "sphinx-build")])
def test_a_target_says_what_comes_before_what_takes_long(target: str, slow: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if slow in line and not line.startswith("echo"))
    assert any(line.startswith("echo") for line in lines[:at])


def test_setting_up_says_that_it_takes_a_while() -> None:
    script = (ROOT / "tools" / "setup-venv.sh").read_text()
    told, quiet = script.index("takes a minute or two"), script.index("pip install --quiet")
    assert told < quiet
    assert re.search(r'^echo "Installing', script, re.MULTILINE)
