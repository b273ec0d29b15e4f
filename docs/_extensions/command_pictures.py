"""A Sphinx extension that makes a picture of the terminal for each command, from a real run: `scenes` says of what.

They are made when HTML is built, so that they show what dpif prints now; it takes some seconds.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from docutils import nodes
from scenes import BEFORE, FILES, MEANWHILE, PYTHON_BEFORE, REFUSES, SCENES
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from terminal import plain, run, shown, svg

from dpif.cli.command_table import BY_NAME, COMMANDS

_PLACE = "_static/commands"


class Picture(SphinxDirective):
    """The picture of the command that is named."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the picture, which HTML shows and nothing else does."""
        (name,) = self.arguments
        if BY_NAME[name].refused:
            return []
        text = f"A terminal: what {', '.join(scene(name))} prints".replace("&", "&amp;").replace('"', "&quot;")
        image = f'<div class="terminal"><img src="{_PLACE}/{name}.svg" alt="{text}"></div>'
        return [nodes.raw("", image, format="html")]


def scene(name: str) -> Sequence[str]:
    """Return the command lines that show a command: its scene, or where it has none the one that teaches it."""
    return SCENES.get(name, [f"dpif help {name}"])


def make_pictures(app: Sphinx, problem: Exception | None) -> None:
    """Make all pictures, where HTML was built."""
    if problem is None and app.builder.name == "html":
        place = Path(app.outdir, _PLACE)
        place.mkdir(parents=True, exist_ok=True)
        for name, drawn in pictures():
            (place / f"{name}.svg").write_text(drawn)


def pictures() -> Iterator[tuple[str, str]]:
    """Run every scene; yield the command's name and its picture."""
    with tempfile.TemporaryDirectory() as directory:
        environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DPIF_SOCKET": f"{directory}/dpif.sock",
        }
        environ.pop("NO_COLOR", None)
        _prepare(directory, environ)
        try:
            shows = [command.name for command in COMMANDS if not command.refused]
            for name in [*SCENES, *(name for name in shows if name not in SCENES)]:
                with _meanwhile(name, environ):
                    runs = [run(command, environ, cwd=directory) for command in scene(name)]
                if name not in REFUSES and any(one.status for one in runs):
                    raise ExtensionError(f"the scene of {name} failed: {plain(shown(runs))}")
                text = shown(runs).replace(directory, "/run/user/1000")
                yield name, svg(text, f"dpif {name}")
        finally:
            subprocess.run(["dpif", "serve", "--stop"], env=environ, capture_output=True, check=True)


@contextlib.contextmanager
def _meanwhile(name: str, environ: dict[str, str]) -> Iterator[None]:
    """Let run what a scene needs to run beside it."""
    if name not in MEANWHILE:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", MEANWHILE[name]], env=environ) as process:
        try:
            yield
        finally:
            process.terminate()


def _prepare(directory: str, environ: dict[str, str]) -> None:
    for name, text in FILES.items():
        Path(directory, name).write_text(text)
    capture = importlib.resources.files("dpif") / "_data" / "lan.pcap"
    Path(directory, "lan.pcap").write_bytes(capture.read_bytes())
    for words, stdin in (
        (["dpif", "serve", "--detach"], ""),
        (["dpif", "batch", "-"], BEFORE),
        ([sys.executable, "-"], PYTHON_BEFORE),
    ):
        done = subprocess.run(words, input=stdin, env=environ, cwd=directory, capture_output=True, text=True)
        if done.returncode:
            raise ExtensionError(f"{' '.join(words)}: {done.stderr}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive to Sphinx, and the making of the pictures."""
    app.add_directive("dpif-picture", Picture)
    app.connect("build-finished", make_pictures)
    return {"parallel_read_safe": True}
