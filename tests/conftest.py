"""What all tests share: where marked tests may run, and Hypothesis's settings.

Tests marked ``kernel`` or ``root`` run in the lab (``make test-kernel``), those marked ``qemu`` in its second lane
(``make test-qemu QEMU=1``). Elsewhere they fail rather than skip, so
that a run that leaves them out by accident is seen.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine than about the code. The CI repeats the same examples.
settings.register_profile(
    "dpif",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dpif")
pytest.register_assert_rewrite("dpif.testing.conformance")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and os.environ.get("DPIF_LAB") != "1":
        pytest.fail("needs the lab's kernel: run it by make test-kernel", pytrace=False)
    if item.get_closest_marker("qemu") and (os.environ.get("DPIF_LAB") != "1" or os.cpu_count() == 1):
        pytest.fail("needs the lab's second lane: run it by make test-qemu QEMU=1", pytrace=False)
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.fail("needs root: run it by make test-kernel", pytrace=False)
