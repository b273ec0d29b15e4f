"""Check docs/interface.md: for every row of the interface the test that shows it, which must exist.

    python tools/interface_table.py [NAME=JUNIT.XML ...]

Prints each row with its tests. With results of pytest (``pytest --junitxml=FILE``) under a name, such as
``kernel=kernel.xml userspace=conformance.xml``, prints after each test what became of it there. Ends with status 1
when a test that is named does not exist or failed, or when a row of the interface is missing.

A test is named as ``Class.test`` (the conformance suite and other classes) or ``directory/module.test``.
"""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "interface.md"
TESTS = (ROOT / "tests", ROOT / "src" / "dpif" / "testing" / "conformance")
FLAGS = ("CREATE", "CREATE, MODIFY", "MODIFY", "ZERO_STATS")
HELPERS = (
    *("`init`", "`is_internal_device`", "`vport_send`", "`vport_get`", "`vport_transact`"),
    *("`from_message`, `to_message`", "flow statistics", "notification parse", "type names"),
)
EXPECTED = [*map(str, range(1, 35)), *(f"T{number}" for number in range(1, 13)), *FLAGS, *HELPERS]
"""The rows that must be there: the provider's functions, the traps, the flags of `flow_put`, and the helpers."""

_TEST_NAME = re.compile(r"`([\w/]+\.test_\w+)`")


class Row(NamedTuple):
    """A row of the table: what it is about, and the names of its tests."""

    name: str
    tests: list[str]


def read_rows(text: str) -> Iterator[Row]:
    """Yield the rows of all tables whose last column names tests."""
    last_column_is_test = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not line.startswith("|"):
            last_column_is_test = False
        elif cells[-1] == "Test":
            last_column_is_test = True
        elif last_column_is_test and set(line) - set("|-: "):
            yield Row(cells[0], _TEST_NAME.findall(cells[-1]))


def find_tests() -> set[str]:
    """Return the names of all tests that there are."""
    names: set[str] = set()
    for directory in TESTS:
        for path in directory.rglob("*.py"):
            names.update(_tests_of(path))
    return names


def _tests_of(path: Path) -> Iterator[str]:
    module = f"{path.parent.name}/{path.stem}"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield f"{module}.{node.name}"
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef))


def read_results(path: str) -> dict[str, str]:
    """Return for the tests of a JUnit file ``passed``, ``FAILED`` or ``skipped``, the worst of all parameters."""
    results: dict[str, str] = {}
    order = ["skipped", "passed", "FAILED"]
    for case in ET.parse(path).iter("testcase"):
        *packages, last = case.get("classname", "").split(".")
        is_class = last[:1].isupper()
        owner = last.removeprefix("Test") if is_class else f"{packages[-1] if packages else ''}/{last}"
        name = f"{owner}.{case.get('name', '').partition('[')[0]}"
        kinds = {child.tag for child in case}
        outcome = "FAILED" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        results[name] = max(results.get(name, "skipped"), outcome, key=order.index)
    return results


def main(arguments: list[str]) -> int:
    """Print the table and the complaints; return the exit status."""
    rows = list(read_rows(TABLE.read_text()))
    known = find_tests()
    lanes = {name: read_results(path) for name, _, path in (argument.partition("=") for argument in arguments)}
    complaints = [f"there is no row {name}" for name in EXPECTED if name not in {row.name for row in rows}]
    for row in rows:
        print(row.name)
        if not row.tests:
            print("    (no test: see the page)")
        for test in row.tests:
            outcomes = {lane: results.get(test.removeprefix("Test"), "-") for lane, results in lanes.items()}
            print("    " + "  ".join([test, *(f"{lane}:{outcome}" for lane, outcome in outcomes.items())]))
            if test not in known:
                complaints.append(f"row {row.name}: there is no test {test}")
            if "FAILED" in outcomes.values():
                complaints.append(f"row {row.name}: {test} failed")
    for complaint in complaints:
        print(f"interface_table: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
