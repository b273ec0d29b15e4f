"""Tests pass whatever started them: a few that depend on much, in a pytest whose parent left it a hostile state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

START = """
import os, signal, sys
numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
for number in numbers: signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
os.umask(0o777)
os.close(0)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""
ENVIRONMENT = {
    "LC_ALL": "xx_YY.ISO-8859-1",
    "TERM": "nonesuch",
    "TZ": "Asia/Kathmandu",
    "NO_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "COLUMNS": "7",
    "LINES": "none",
    "PAGER": "false",
    "ENV": "/nonexistent",
    "POSIXLY_CORRECT": "1",
    "PROMPT_COMMAND": "exit 3",
    "SOURCE_DATE_EPOCH": "0",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "default",
    "PYTHONUNBUFFERED": "1",
    "PYTHONSAFEPATH": "1",
    "DPIF_DEBUG": "1",
    "DPIF_SOCKET": "/nonexistent",
    "XDG_RUNTIME_DIR": "/nonexistent",
}
TESTS = [
    "tests/test_readme.py::test_a_page[README.md]",
    "tests/unit/cli/test_entry.py",
    "tests/unit/cli/test_on_a_terminal.py::test_colour_and_names",
    "tests/unit/cli/test_on_a_terminal.py::test_ctrl_c_in_a_file_of_flows",
    "tests/unit/cli/test_on_a_terminal.py::test_ctrl_c_in_a_long_list",
    "tests/unit/cli/test_programs.py::test_serve_says_where_and_ends_by_a_signal",
    "tests/unit/netlink/test_unix.py",
    "tests/unit/userspace/test_server.py::test_a_program_serves_until_it_is_told_to_stop",
]


def test_tests_pass_in_a_hostile_state() -> None:
    options = ["-q", "-p", "no:cacheprovider", "--color=no"]
    ran = subprocess.run(
        [sys.executable, "-c", START, *options, *TESTS],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
