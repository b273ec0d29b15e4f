"""The state that tests run in, whatever started them: a script in the background, cron, nohup, a CI, a shell.

A process inherits more than its arguments: signals that are ignored or blocked, the mask for the modes of files,
environment variables. A test that starts a command line hands all of it on. So it is changed here, once and for all
tests, before the first of them is loaded; what a test needs otherwise it sets itself.
"""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["enter"]

KEPT = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
"""Variables of Python that the tests are run with on purpose."""
PREFIXES = ("LC_", "PYTHON", "CLICOLOR", "OVS_", "XDG_RUNTIME_")
NAMES = {
    *("LANGUAGE", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "PAGER", "MANPAGER", "LESS"),
    *("DPIF_DEBUG", "DPIF_SOCKET"),
    *("BASH_ENV", "ENV", "ZDOTDIR", "CDPATH", "PROMPT_COMMAND", "PS1", "POSIXLY_CORRECT", "SOURCE_DATE_EPOCH"),
}
"""Variables that change what programs do or print, by the beginning of their names and by name."""
SET = {"LANG": "C.UTF-8", "TERM": "dumb", "TZ": "UTC"}


def enter() -> None:
    """Change what this process has inherited, for itself and for all that it starts."""
    _reset_signals()
    os.umask(0o022)
    for name in list(_strangers()):
        del os.environ[name]
    os.environ.update(SET)
    time.tzset()
    with contextlib.suppress(locale.Error):  # where there is none of that name files are read as the parent has it
        locale.setlocale(locale.LC_ALL, "")


def _reset_signals() -> None:
    """Let what is started here have signals as they are by default.

    What is ignored here stays so: who runs the tests under nohup means it. A handler that does nothing does the
    same, but a program that is started does not inherit it. SIGPIPE and SIGXFSZ are Python's own, and `subprocess`
    sees to them.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _strangers() -> Iterator[str]:
    """Yield the names of variables that tests are not to see."""
    for name in os.environ:
        if name not in KEPT and (name in NAMES or name.startswith(PREFIXES)):
            yield name
