"""The manual is built, leads nowhere that is not there, and does in a real browser what it should."""

from __future__ import annotations

import functools
import html
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from dpif import FlowKey
from dpif.cli.command_table import COMMANDS
from dpif.odp.model.describing import describe

from .browser import look

ROOT = Path(__file__).parent.parent
_TARGET = re.compile(r'<(?:a|link|img|script)\b[^>]*? (?:href|src)="([^"]*)"')
_ANCHOR = re.compile(r'\bid="([^"]*)"')
# What is wrong with each page, at each width, in the light and in the dark.
_MEASURE = """
const found = [];
for (const name of input) for (const width of [1280, 400]) {
  const page = await show(name, width), window = page.defaultView, root = page.scrollingElement;
  const paper = new Set();
  for (const theme of ["light", "dark"]) {
    const wrong = text => found.push(`${name} at ${width}, ${theme}: ${text}`);
    page.body.dataset.theme = theme;
    paper.add(window.getComputedStyle(page.body).backgroundColor);
    if (root.scrollWidth > root.clientWidth) wrong(`it is ${root.scrollWidth} wide`);
    for (const box of page.querySelectorAll(".sidebar-drawer, .sidebar-scroll, .sidebar-tree a"))
      if (box.scrollWidth > box.clientWidth && box.clientWidth) wrong(`too wide for the sidebar: ${box.className}`);
    for (const box of page.querySelectorAll(".way"))
      if (parseFloat(window.getComputedStyle(box).paddingLeft) < 8) wrong("no room within a box");
    for (const image of page.images) if (!image.naturalWidth) wrong(`no image ${image.src}`);
  }
  if (paper.size != 2) found.push(`${name} is the same in the dark`);
}
return found;
"""
# The pages that the manual's own search finds for each word.
_SEARCH = """
const found = {};
for (const word of input) {
  const page = await show(`search.html?q=${word}`);
  await until(() => page.querySelector(".search-summary")?.textContent.includes("found"));
  const links = [...page.querySelectorAll("#search-results li a")];
  found[word] = links.map(link => link.getAttribute("href").replace(/#.*/, ""));
}
return found;
"""


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the manual was built, without a warning."""
    place = tmp_path_factory.mktemp("manual")
    options = ["-q", "-W", "--keep-going", "-d", str(place / "doctrees"), "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, "docs", str(place / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return place / "html"


def pages(manual: Path) -> list[Path]:
    found = sorted(manual.glob("**/*.html"))
    assert len(found) > 10
    return found


def test_it_has_every_command_with_its_examples_and_a_picture(manual: Path) -> None:
    page = html.unescape((manual / "dpif.8.html").read_text())
    for command in COMMANDS:
        assert all(example in page for example in command.examples)
        if not command.refused:
            assert "<svg" in (manual / "_static" / "commands" / f"{command.name}.svg").read_text()


def test_the_reference_has_every_public_package_and_every_attribute(manual: Path) -> None:
    text = "".join([page.read_text() for page in (manual / "reference").glob("*.html")])
    for package in (
        "client",
        "conntrack",
        "packet",
        "apps",
        "lab",
        "program",
        "userspace",
        "odp.columns",
        "odp.actions",
    ):
        assert f'id="module-dpif.{package}"' in text
    keys = re.sub("<[^>]*>", "", (manual / "reference" / "keys.html").read_text())
    for attribute in FlowKey.ATTRS.values():
        told = describe(attribute)
        assert re.search(rf"^{attribute.name}\n.*{told.value}.*\n{re.escape(told.text)}\n", keys, re.MULTILINE)
    assert not re.search("Alias for field number|&lt;(function|class|built-in)", text)
    assert not re.search(r'<a [^>]*#dpif[^>]*title="[^"]*"[^>]*><span class="pre">(?:bytes|int|str)<', text)


def test_every_link_leads_somewhere(manual: Path) -> None:
    anchors = functools.cache(lambda path: set(_ANCHOR.findall(path.read_text())))
    broken = []
    for page in pages(manual):
        for target in map(html.unescape, _TARGET.findall(page.read_text())):
            url = urllib.parse.urlsplit(target)
            if url.scheme:
                continue
            path = (page.parent / urllib.parse.unquote(url.path)).resolve() if url.path else page
            anchor = urllib.parse.unquote(url.fragment)
            if not path.is_file() or (anchor and path.suffix == ".html" and anchor not in anchors(path)):
                broken.append(f"{page.relative_to(manual / 'html')}: {target}")
    assert broken == []


def test_it_fits_a_wide_screen_and_a_narrow_one(manual: Path, tmp_path: Path) -> None:
    names = [str(page.relative_to(manual)) for page in pages(manual)]
    assert look(manual, _MEASURE, tmp_path, given=names) == []


def test_the_browser_sees_what_does_not_fit(tmp_path: Path) -> None:
    page = '<!doctype html><body><div style="width: 600px">wide</div><img src="nowhere.png"></body>'
    (tmp_path / "page.html").write_text(page)
    found = look(tmp_path, _MEASURE, tmp_path / "browser", given=["page.html"])
    assert [problem for problem in found if "wide" in problem] == [
        f"page.html at 400, {theme}: it is 608 wide" for theme in ("light", "dark")
    ]
    assert len([problem for problem in found if "no image" in problem]) == 4
    assert "page.html is the same in the dark" in found


def test_its_search_finds_what_people_look_for(manual: Path, tmp_path: Path) -> None:
    found = look(manual, _SEARCH, tmp_path, given=["recirc", "trunc"])
    assert "reference/actions.html" in found["recirc"]
    assert "reference/actions.html" in found["trunc"]
