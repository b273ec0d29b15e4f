"""What the tests of the examples share: loading one anew, and hosts for it on either datapath."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from dpif.program.load import load
from dpif.testing.kernel import release

from .world import KERNEL, USERSPACE, World

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Load an example by its name, so that no test sees what another did to it; return its module."""

    def module(name: str) -> ModuleType:
        path = EXAMPLES / f"{name}.py"
        for other in EXAMPLES.glob("*.py"):
            monkeypatch.delitem(sys.modules, other.stem, raising=False)  # which one may have imported
        return sys.modules[load(str(path)).function.__module__]

    return module


once = pytest.mark.skipif(
    os.environ.get("DPIF_LAB") == "1" and release() < (7, 0), reason="once will do, on the newest kernel"
)
BOTH_DATAPATHS = [
    pytest.param(KERNEL, marks=pytest.mark.kernel),
    pytest.param(USERSPACE, marks=[pytest.mark.root, once]),
]


@pytest.fixture(params=BOTH_DATAPATHS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A datapath for real hosts: once the kernel's, once the one in user space."""
    with ExitStack() as stack:
        yield World(stack, request.param)
