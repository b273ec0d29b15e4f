"""Every test in this directory is marked ``qemu``: it runs on the lab's second lane (``make test-qemu QEMU=1``).

Few and cheap: everything is some fifteen times slower there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif.testing.kernel import KernelHarness

HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    if HERE in item.path.parents:
        item.add_marker("qemu")


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made
