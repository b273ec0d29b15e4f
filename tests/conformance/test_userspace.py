"""The conformance suite on the userspace datapath."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dpif.testing.conformance import SUITE
from dpif.testing.userspace import UserspaceHarness


@pytest.fixture
def harness() -> Iterator[UserspaceHarness]:
    with UserspaceHarness() as made:
        yield made


globals().update({f"Test{cls.__name__}": cls for cls in SUITE})
