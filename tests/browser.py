"""A real browser for tests of pages: Debian's chromium, which serves nobody but the test, and ends with it.

It opens one page of ours, beside those that are tested and from the same server. That page runs a script of the test,
which loads the others into frames, one at a time, and looks into them.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif.testing.waiting import PATIENCE

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--renderer-process-limit=1",
    "--js-flags=--max-old-space-size=512",
)
# What a script has: the document of a page in a frame of some width, and a wait for what a page does by itself.
_PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const next = () => new Promise(done => setTimeout(done, 10));
async function until(condition) {
  for (;;) {
    const found = condition();
    if (found) return found;
    await next();
  }
}
async function show(url, width = 1280) {
  for (const old of document.querySelectorAll("iframe")) old.remove();
  const frame = document.createElement("iframe");
  Object.assign(frame, {src: url, width, height: 900});
  await new Promise(done => { frame.onload = done; document.body.append(frame); });
  return frame.contentDocument;
}
async function answer(data) { await fetch("/answer", {method: "POST", body: JSON.stringify(data)}); }
(async input => { %(script)s })(%(input)s).then(found => answer({found}), error => answer({error: String(error)}));
</script>"""


def look(directory: Path, script: str, place: Path, *, given: object = None) -> Any:
    """Return what `script` returns: the body of an asynchronous function in a page beside those of `directory`.

    It gets `given` as ``input``; ``await show(url, width)`` gives the document of a page, ``await until(condition)``
    waits. The browser keeps its things in `place`. Without one the test is skipped, but fails in CI.
    """
    page = _PAGE % {"script": script, "input": json.dumps(given)}
    with _served(directory, page) as (address, answers), _browser(f"{address}/look", place):
        answer = answers.get(timeout=4 * PATIENCE)
    assert "error" not in answer, answer["error"]
    return answer.get("found")


@contextlib.contextmanager
def _browser(address: str, place: Path) -> Iterator[None]:
    program = shutil.which("chromium")
    if program is None and os.environ.get("CI") != "true":
        pytest.skip("there is no chromium: tools/debian-packages.sh chromium")
    assert program, "there is no chromium: tools/debian-packages.sh chromium"
    command = [program, *_OPTIONS, f"--user-data-dir={place}", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _served(directory: Path, page: str) -> Iterator[tuple[str, queue.Queue[Any]]]:
    """Serve the directory, and `page` as "/look", to this host alone; lend the address, and what is answered."""
    answers: queue.Queue[Any] = queue.Queue()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/look":
                self._send(200, page.encode())
            else:
                super().do_GET()

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(200, b"")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", answers
        finally:
            server.shutdown()
            thread.join()
