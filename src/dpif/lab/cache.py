"""The lab's part of the user's cache: ``$XDG_CACHE_HOME/dpif``, else ``~/.cache/dpif``.

Owns one rule: what appears there is complete, or does not appear. Two labs may fill it at the same time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["folder", "locked", "make_file", "make_folder"]


def folder(*names: str) -> Path:
    """Return a folder of the cache, made where it is not there. Raises OSError."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "dpif", *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Make the folder `target` from what `fill` puts into an empty one beside it."""
    with tempfile.TemporaryDirectory(prefix="partial-", dir=target.parent) as partial:
        made = Path(partial, "made")
        made.mkdir()
        fill(made)
        _publish(made, target)


def make_file(target: Path, write: Callable[[Path], None]) -> None:
    """Make the file `target` from the one that `write` makes beside it; one that is there is replaced."""
    with tempfile.TemporaryDirectory(prefix="partial-", dir=target.parent) as partial:
        made = Path(partial, "made")
        write(made)
        made.replace(target)


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """Let one process at a time into the block, of all that name the folder `place`; the others wait."""
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _publish(made: Path, target: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else was faster
        made.rename(target)
    if not target.is_dir():
        raise OSError(f"{target} could not be made")
    shutil.rmtree(made, ignore_errors=True)
