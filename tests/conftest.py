"""What all tests share: the state that they run in, where marked tests may run, and Hypothesis's settings.

Tests marked ``kernel`` or ``root`` run in the lab (``make test-kernel``), those marked ``qemu`` in its second lane
(``make test-qemu QEMU=1``). Elsewhere they fail rather than skip, so
that a run that leaves them out by accident is seen.
"""

from __future__ import annotations

import importlib.resources
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from . import known_state

# How long an example takes says more about the machine than about the code. The CI repeats the same examples.
settings.register_profile(
    "dpif",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dpif")
pytest.register_assert_rewrite("dpif.testing.conformance")


class JsonChecker:
    """Checks JSON that a command printed against the schema."""

    def __init__(self) -> None:
        path = importlib.resources.files("dpif") / "_data" / "json-schema.json"
        self._schema = json.loads(path.read_text())

    def document(self, text: str) -> Any:
        """Check a document; return it."""
        read = json.loads(text)
        return self._check(read, read["command"])

    def lines(self, text: str, command: str) -> list[Any]:
        """Check the lines of a command, each a part of a list, or the one a document; return them."""
        name = f"{command}.line" if f"{command}.line" in self._schema["$defs"] else command
        return [self._check(json.loads(line), name) for line in text.splitlines()]

    def _check(self, read: Any, name: str) -> Any:
        import jsonschema  # takes its time, which most tests would wait for in vain

        checker = jsonschema.Draft202012Validator({**self._schema, "$ref": f"#/$defs/{name}"})
        problem = jsonschema.exceptions.best_match(checker.iter_errors(read))
        assert problem is None, f"{problem.json_path}: {problem.message}"
        return read


@pytest.fixture(scope="session")
def check_json() -> JsonChecker:
    """What checks JSON."""
    return JsonChecker()


@pytest.hookimpl(trylast=True)  # how pytest itself prints is up to who runs it
def pytest_configure() -> None:
    known_state.enter()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and os.environ.get("DPIF_LAB") != "1":
        pytest.fail("needs the lab's kernel: run it by make test-kernel", pytrace=False)
    if item.get_closest_marker("qemu") and (os.environ.get("DPIF_LAB") != "1" or os.cpu_count() == 1):
        pytest.fail("needs the lab's second lane: run it by make test-qemu QEMU=1", pytrace=False)
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.fail("needs root: run it by make test-kernel", pytrace=False)
