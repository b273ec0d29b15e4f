"""Pages that are made from tables are up to date, and name only what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dpif.cli.command_table import COMMANDS
from dpif.cli.options import GENERAL, OWN, SHARED

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [("tools/coverage_page.py", "--check"), ("tools/interface_table.py",), ("tools/json_schema.py", "--check")],
)
def test_a_page_is_up_to_date(command: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manual_page_has_all_that_the_tables_have(tmp_path: Path) -> None:
    """As a reader sees it, and ``man`` has nothing to say against it."""
    page = tmp_path / "dpif.8"
    page.write_bytes(subprocess.check_output([sys.executable, "docs/_extensions/man_page.py"], cwd=ROOT))
    show = ["man", "--warnings", "--encoding=UTF-8", "--local-file", str(page)]
    done = subprocess.run(show, env={**os.environ, "MANWIDTH": "300"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"\x1b\[\d*m|.\x08", "", done.stdout)
    lines = [line.strip() for line in shown.splitlines()]
    for row in COMMANDS:
        assert [line for line in lines if f"{line} ".startswith(f"{row.name} ")], row.name
        assert set(row.examples) <= set(lines)
    for option in (GENERAL | SHARED | OWN).values():
        assert option.help in shown, option
    for title in re.findall(r"^(.+)\n-{3,}$", (ROOT / "docs" / "dpif.8.rst").read_text(), re.MULTILINE):
        assert title.upper() in lines
    assert not re.search(r"\*\*|``|\\|::(?![0-9a-f])", shown), "markup that was not read"


def test_the_page_of_json_has_every_command_that_prints_it() -> None:
    page = (ROOT / "docs" / "json.md").read_text()
    told = set(re.findall("`(.+?)`", "".join(re.findall(r"^### .+$", page, re.MULTILINE))))
    definitions = json.loads((ROOT / "src/dpif/_data/json-schema.json").read_text())["$defs"]["document"]["oneOf"]
    assert told == {definition["$ref"].rpartition("/")[2] for definition in definitions}


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
