"""The distributions, built once from this tree: what the tests of this directory look at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

ROOT = Path(__file__).parents[2]


class Built(NamedTuple):
    """A source distribution and a wheel."""

    sdist: Path
    wheel: Path


def unable(why: str) -> NoReturn:
    """Leave a test out, for want of what it needs; in the CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def build(tree: Path, target: Path, *kinds: str) -> list[Path]:
    """Build distributions of a tree into a folder; return their files, sorted."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    done = subprocess.run([*command, *[f"-t{kind}" for kind in kinds]], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(target.iterdir())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, of this tree."""
    wheel, sdist = build(ROOT, tmp_path_factory.mktemp("dist"), "sdist", "wheel")
    return Built(sdist, wheel)
