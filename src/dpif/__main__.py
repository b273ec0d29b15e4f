"""``python -m dpif``, and the command ``dpif``: the command line, in a process of its own."""

from __future__ import annotations

import io
import sys

from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # of which `signal` is a wrapper that takes longer to load


def run() -> None:
    """Run this process's command line, and exit.

    While modules are imported Ctrl-C ends the process at once, as it does behind the end; between them `main` takes
    it. Who started it with Ctrl-C ignored, as a shell does in the background, has that left alone.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _take_any_name()
    from dpif.cli import main

    sys.exit(main())


def _take_any_name() -> None:
    """Let names of ports that are not UTF-8 be printed: as their bytes, or on a terminal as what it can show."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return  # whoever started this process closed it
    if sys.stdout.isatty():
        sys.stdout.reconfigure(errors="backslashreplace")
    else:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


if __name__ == "__main__":
    run()
