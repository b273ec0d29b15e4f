"""``python -m dpif``, and the command ``dpif``: the command line, in a process of its own."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # of which `signal` is a wrapper that takes longer to load
import sys


def run() -> None:
    """Run this process's command line, and exit.

    While modules are imported Ctrl-C ends the process at once, as it does behind the end; between them `main` takes
    it. Who started it with Ctrl-C ignored, as a shell does in the background, has that left alone.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dpif.cli import main

    sys.exit(main())


if __name__ == "__main__":
    run()
