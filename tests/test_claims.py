"""What docstrings and pages claim, as far as it can be read: there are such names, files and commands."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from dpif.cli.command_table import BY_NAME
from dpif.testing.conformance.packets import MOST_RECIRCULATIONS

from .pages import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.rst"))]
MODULES = sorted((ROOT / "src").rglob("*.py"))
_NAME = re.compile(r"`(dpif(?:\.[A-Za-z_]\w*)+)(?![\w/])")
_FILE = re.compile(r"(?<![\w/.])(?:docs|tests|tools|bench|examples|packaging)/[\w./-]*\w")
_COMMAND = re.compile(r"`dpif ([a-z][\w-]*)")
_RECIRCULATIONS = re.compile(r"(\d+)\s+recirculations\s+in\s+a\s+row")


def claims(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield what a pattern finds in prose, each with the file that it stands in."""
    for path, text in _prose().items():
        for found in pattern.findall(text):
            yield path, found


@functools.cache
def _prose() -> dict[str, str]:
    """Return the text of each page, and the docstrings of each module."""
    texts = {page: page.read_text() for page in PAGES} | {module: "\n".join(_strings(module)) for module in MODULES}
    return {str(path.relative_to(ROOT)): text for path, text in texts.items()}


def _strings(path: Path) -> Iterator[str]:
    """Yield the strings of a module that are statements: its docstrings, and those behind its constants."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def _is_there(name: str) -> bool:
    """Tell whether a dotted name is that of a module, or of something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_names_that_are_told_are_there() -> None:
    told = [(path, name) for path, name in claims(_NAME) if name != "dpif.sock"]
    assert len(told) > 100
    assert [claim for claim in told if not _is_there(claim[1])] == []


def test_files_that_are_told_are_there() -> None:
    told = [(path, name) for path, name in claims(_FILE)]
    assert len(told) > 20
    assert [claim for claim in told if not (ROOT / claim[1]).exists()] == []


def test_commands_that_are_told_are_there_but_for_those_that_are_told_not_to_be() -> None:
    told = set(claims(_COMMAND))
    missing = {claim for claim in told if claim[1] not in BY_NAME}
    status = (ROOT / "docs" / "status.md").read_text()
    rows = re.findall(r"^\| (.*?) \| – \|$", status, re.MULTILINE)  # there is nothing instead
    assert len(told) > 30
    assert missing == {("docs/status.md", name) for row in rows for name in _COMMAND.findall(row)}


def test_the_limit_of_recirculations_is_the_one_that_is_measured() -> None:
    told = {int(number) for _, number in claims(_RECIRCULATIONS)}
    assert told == {MOST_RECIRCULATIONS}
