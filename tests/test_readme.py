"""The README's tour, run as a reader would run it: what it shows is what happens."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Return (language, text) of each fenced block."""
    return _BLOCK.findall(README.read_text())


def test_the_library_tour() -> None:
    namespace: dict[str, object] = {}
    printed = ""
    checked = 0
    for language, text in blocks():
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, str(README), "exec"), namespace)
            printed = out.getvalue()
        elif language == "":
            assert printed == text
            checked += 1
    assert checked >= 4


def test_the_command_line_tour(tmp_path: Path) -> None:
    """Pasted whole, as readers do: nothing waits for the server but the commands themselves."""
    (text,) = [text for language, text in blocks() if language == "console"]
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    assert len(steps) > 5
    assert steps[0][0] == "dpif serve &"
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join([*(command for command, _ in steps), "kill $!", "wait $!"])],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DPIF_SOCKET": str(tmp_path / "dpif.sock"),
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == "".join(expected for _, expected in steps)
    assert re.fullmatch("dpif: serving datapaths at .*; Ctrl-C ends it\n", done.stderr)
    assert done.returncode == 0
