"""The conformance suite on the kernel's datapath."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dpif.testing.conformance import SUITE
from dpif.testing.kernel import KernelHarness


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


globals().update({f"Test{cls.__name__}": cls for cls in SUITE})
