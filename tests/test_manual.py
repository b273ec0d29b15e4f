"""The manual is built, leads nowhere that is not there, and fits a wide screen and a narrow one in a real browser."""

from __future__ import annotations

import contextlib
import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif import FlowKey
from dpif.cli.command_table import COMMANDS
from dpif.odp.model.describing import describe

ROOT = Path(__file__).parent.parent
WIDTHS = (1280, 400)
_TARGET = re.compile(r'<(?:a|link|img|script)\b[^>]*? (?:href|src)="([^"]*)"')
_ANCHOR = re.compile(r'\bid="([^"]*)"')
_PATIENCE = 240.0
# Every page in a frame of each width, all loaded before this one is; what is wrong with each goes to the server.
_MEASURE = """<!doctype html><body>%s<script>onload = async () => {
  const found = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    const place = frame.getAttribute("src") + " at " + frame.width;
    if (root.scrollWidth > root.clientWidth) found.push(place + ": " + root.scrollWidth + " wide");
    for (const image of page.images) if (!image.naturalWidth) found.push(place + ": no image " + image.src);
  }
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
}</script>"""


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
    assert "Alias for field number" not in text
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
    browser = shutil.which("chromium")
    if browser is None and os.environ.get("CI") != "true":
        pytest.skip("there is no chromium")
    assert browser, "tools/debian-packages.sh chromium"
    names = [str(page.relative_to(manual)) for page in pages(manual)]
    frames = [f'<iframe src="{name}" width="{width}" height="900"></iframe>' for name in names for width in WIDTHS]
    with served(manual, _MEASURE % "".join(frames)) as (address, found):
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command = [browser, *options, f"--user-data-dir={tmp_path}", f"{address}/measure", "--dump-dom"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert found.is_set.wait(_PATIENCE)
            process.terminate()
    assert found.problems == []


class Found:
    """What the browser has found."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.is_set = threading.Event()


@contextlib.contextmanager
def served(directory: Path, measure: str) -> Iterator[tuple[str, Found]]:
    """Serve the pages to this host alone, and the one that measures them; lend the address, and what it finds."""
    found = Found()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/measure":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(measure.encode())

        def do_POST(self) -> None:
            found.problems = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            found.is_set.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", found
        finally:
            server.shutdown()
            thread.join()
