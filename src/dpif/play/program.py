"""The program that runs in a room (`Program`): a process of its own, ended and started anew when its file is saved.

Where no file is given it is the learning switch.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from dpif._typing import Final, Self
from dpif.play.room import DATAPATH, Room

__all__ = ["Program"]

_LOOK: Final = 0.2
"""Seconds between looks at the file."""
_TIME_TO_END: Final = 3.0
"""Seconds that a program is given to end by itself."""


class Program:
    """Runs `path`, or the learning switch, in a room; a context manager, which ends it.

    `note` is told when it ends, and when it is started anew.
    """

    def __init__(self, path: Path | None, room: Room, note: Callable[[str], None]) -> None:
        self._path = path.resolve() if path else None
        self.name = path.name if path else "the learning switch"
        self._room = room
        self._note = note
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self._saved = self._stamp()
        self._process: subprocess.Popen[bytes] | None = self._start()
        self._thread = threading.Thread(target=self._look_after, name="dpif-play-program", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._end()

    def has_failed(self) -> bool:
        """Tell whether it has ended, for whatever reason."""
        return self._process is None or self._process.poll() is not None

    def _start(self) -> subprocess.Popen[bytes]:
        words = [str(self._path)] if self._path else []
        return subprocess.Popen(
            [sys.executable, "-m", "dpif.play.runner", DATAPATH, *words],
            env=self._room.environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # the Ctrl-C that ends a ping is none of its business
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_TIME_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _look_after(self) -> None:
        while not self._is_over.wait(_LOOK):
            saved = self._stamp()
            if saved and saved != self._saved:
                self._saved = saved
                self._end()
                self._process = self._start()
                self._note(f"{self.name} was saved, and is started anew")
            elif self._process is not None and self._process.poll() is not None:
                status = self._process.returncode
                self._process = None
                how = "has ended" if status == 0 else f"has failed, with status {status}"
                self._note(f"{self.name} {how}" + ("; save it to start it anew" if self._path else ""))

    def _stamp(self) -> tuple[int, int] | None:
        """Return what changes when the file is saved; None while it is not there, as in the midst of saving."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                found = self._path.stat()
                return found.st_mtime_ns, found.st_ino
        return None
