"""Pages that are made from tables are up to date, and name only what there is."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dpif.cli.command_table import COMMANDS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [("tools/coverage_page.py", "--check"), ("tools/interface_table.py",), ("tools/json_schema.py", "--check")],
)
def test_a_page_is_up_to_date(command: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manual_is_built_without_warnings(tmp_path: Path) -> None:
    pages = {}
    for builder, page in (("man", "dpif.8"), ("html", "dpif.8.html")):
        options = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees"), "-b", builder]
        command = [sys.executable, "-m", "sphinx", *options, "docs", str(tmp_path / builder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        pages[builder] = html.unescape((tmp_path / builder / page).read_text()).replace("\\", "")
    for row in COMMANDS:
        assert row.name in pages["man"]
        assert all(example in pages["html"] for example in row.examples)


def test_the_page_of_json_has_every_command_that_prints_it() -> None:
    page = (ROOT / "docs" / "json.md").read_text()
    told = set(re.findall("`(.+?)`", "".join(re.findall(r"^### .+$", page, re.MULTILINE))))
    definitions = json.loads((ROOT / "src/dpif/_data/json-schema.json").read_text())["$defs"]["document"]["oneOf"]
    assert told == {definition["$ref"].rpartition("/")[2] for definition in definitions}


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
