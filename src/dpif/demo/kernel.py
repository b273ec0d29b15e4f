"""The demonstration's second part: boots the lab and passes on what `dpif.demo.guest` says in there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from dpif import lab
from dpif.demo.text import width

__all__ = ["play_kernel"]

_TIMEOUT = 600.0  # on an emulated machine it takes minutes, and may have to fetch a kernel

Out = Callable[[str], None]


def play_kernel(out: Out, *, required: bool = False) -> bool:
    """Show the switch on a real kernel's datapath; return whether all went well.

    Where no kernel can be booted, says what is missing and how to get it, and is content unless it is `required`.
    """
    out("2. The same switch, on the datapath of a real Linux kernel")
    out("")

    def tell(line: str) -> None:
        out(f"  {line}")

    try:
        with _lines_to(out) as stdout:
            status = lab.run(
                [sys.executable, "-m", "dpif.demo.guest"],
                timeout=_TIMEOUT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stdout,
                env={**os.environ, "COLUMNS": str(width())},
                tell=tell,
            )
    except (lab.LabUnavailable, lab.NotBooted) as error:
        out("  Left out, for no kernel can be booted here:")
        for line in str(error).splitlines():
            out(f"  {line}")
        return not required
    except (lab.LabFailed, lab.LabTimeout) as error:
        out(f"  It did not work: {error}")
        return False
    return status == 0


@contextlib.contextmanager
def _lines_to(out: Out) -> Iterator[int]:
    """Make a descriptor to write to; each line of it goes to `out` as soon as it is there."""
    reader, writer = os.pipe()

    def relay() -> None:
        with open(reader, errors="replace") as lines:
            for line in lines:
                out(line.rstrip("\n"))

    thread = threading.Thread(target=relay, name="lines of the lab")
    thread.start()
    try:
        yield writer
    finally:
        os.close(writer)
        thread.join()
