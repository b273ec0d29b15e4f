"""Which kernel a lab runs: the names that `dpif.lab.run` takes, and where Debian has each.

Owns the table of names and the way past a kernel that the archive has no more: the next newer one is taken, and
the version is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dpif._typing import TypeVar
from dpif.errors import ParseError
from dpif.lab import cache
from dpif.lab.archive import Suite
from dpif.lab.errors import LabUnavailable
from dpif.lab.telling import Tell

__all__ = ["NAMES", "check_name", "first_there"]

#: The kernels, oldest first, and the suite of Debian that has each.
_SUITES = {"6.1": "bookworm", "6.12": "trixie", "newest": "sid"}

NAMES = tuple(_SUITES)

T = TypeVar("T")


def check_name(name: str) -> None:
    """Raise `ParseError` unless `name` is that of a kernel."""
    if name not in _SUITES:
        raise ParseError(f"not a kernel of the lab: {name}", hint=", ".join(NAMES))


def first_there(name: str, get: Callable[[Suite, Path], T], tell: Tell) -> T:
    """Return what `get` makes of the suite that has the kernel `name`, or of the next newer one that there is.

    `get` takes the suite and its folder of the cache. Raises the `LabUnavailable` of the kernel that was asked
    for when there is none at all.
    """
    first: LabUnavailable | None = None
    for suite in _from(name):
        try:
            got = get(Suite(suite), cache.folder("kernels", suite))
        except LabUnavailable as error:
            first = first or error
            continue
        except OSError as error:
            raise LabUnavailable(f"no kernel for the lab: {error}") from None
        if first is not None:
            tell(f"Linux {name} is not to be had ({first}); taking that of Debian {suite}")
        return got
    assert first is not None
    raise first


def _from(name: str) -> Iterator[str]:
    check_name(name)
    yield from list(_SUITES.values())[NAMES.index(name) :]
