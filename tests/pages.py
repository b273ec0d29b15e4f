"""Runs the blocks of a page as a reader would, in order, and compares what they print with what the page shows.

* ``python`` is executed, all of a page in one namespace; a block without a language behind it is what it prints.
* ``console`` is pasted into a shell, all of a page into one; what stands below a ``$`` line is what it prints.
* ``python`` whose first line is a comment that names a file, ``# switch.py``, is written to that file, between
  what is typed into the shell before it and behind it.

Where the page shows ``...``, anything may stand: what differs from run to run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^\$ (.*)\n((?:> .*\n)*)((?:(?!\$ ).*\n)*)", re.MULTILINE)
_FILE = re.compile(r"# ([\w.-]+\.\w+)\n")
_PATIENCE = 120
_END = "-- end of a step --"


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return (language, text) of each fenced block."""
    return _BLOCK.findall(page.read_text())


def pages() -> list[Path]:
    """Return the pages that have something to run: the README and those of the manual that teach."""
    taught = [ROOT / "README.md", ROOT / "docs/programs.md"]
    taught += sorted(ROOT.glob("docs/tutorials/*.md")) + sorted(ROOT.glob("docs/howto/*.md"))
    return [page for page in taught if any(language in ("python", "console") for language, _ in blocks(page))]


def environ(directory: Path) -> dict[str, str]:
    """Return the environment of a reader who has installed dpif, and has a server of his own in `directory`."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DPIF_SOCKET": str(directory / "dpif.sock"),
        "NO_COLOR": "1",
    }


def run_page(page: Path, directory: Path) -> int:
    """Run a page's blocks in `directory`; return how many steps were compared. Raises AssertionError."""
    return _run_python(page, directory) + _run_console(page, directory)


def _run_python(page: Path, directory: Path) -> int:
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None
    compared = 0
    for language, text in blocks(page):
        if language == "" and printed is not None:
            _compare(printed, text, page.name)
            compared += 1
        if language == "python" and not _FILE.match(text):
            with contextlib.chdir(directory), contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, str(page), "exec", dont_inherit=True), namespace)
            printed = out.getvalue()
        else:
            printed = None
    return compared


def _run_console(page: Path, directory: Path) -> int:
    steps = list(_steps(page))
    if not steps:
        return 0
    script = "".join(f"{command}\necho '{_END}'\n" for command, _ in steps)
    script = f"trap 'dpif serve --stop 2>/dev/null' EXIT\n{script}"  # if the page has not
    done = subprocess.run(
        ["bash", "-c", script],
        env=environ(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=directory,
        timeout=_PATIENCE,
    )
    printed = done.stdout.split(f"{_END}\n")
    assert len(printed) == len(steps) + 1, done.stdout
    for (command, expected), found in zip(steps, printed, strict=False):
        _compare(found, expected, f"{page.name}: {command}")
    return len(steps)


def _steps(page: Path) -> Iterator[tuple[str, str]]:
    """Yield what a reader does in a shell and in an editor, in order, and what the shell prints of it."""
    for language, text in blocks(page):
        if language == "console":
            for command, more, output in _STEP.findall(text):
                yield command + "".join(f"\n{line[2:]}" for line in more.splitlines()), output
        elif language == "python" and (named := _FILE.match(text)):
            yield f"cat >{named[1]} <<'{_END}'\n{text}{_END}", ""


def _compare(found: str, expected: str, place: str) -> None:
    pattern = "".join(_patterns(expected))
    assert re.fullmatch(pattern, found, re.DOTALL), f"{place}\n-- printed:\n{found}\n-- shown:\n{expected}"


def _patterns(expected: str) -> Iterator[str]:
    """Yield a pattern for what a page shows: a line of three dots is any lines, three dots in a line are anything."""
    for line in expected.splitlines(keepends=True):
        yield "(?:.*\n)?" if line == "...\n" else "[^\n]*?".join(map(re.escape, line.split("...")))
