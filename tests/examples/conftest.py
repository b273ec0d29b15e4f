"""What the tests of the examples share: loading one anew, so that no test sees what another did to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from dpif.program.load import load

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """Load an example by its name; return its module."""

    def module(name: str) -> ModuleType:
        path = EXAMPLES / f"{name}.py"
        assert len(path.read_text().splitlines()) < 60
        return sys.modules[load(str(path)).function.__module__]

    return module
