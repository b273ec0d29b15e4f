"""What goes wrong with a program, each thing told once: errors of its function, and what the datapath refuses."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterable

from dpif._typing import TYPE_CHECKING
from dpif.errors import NetlinkError

if TYPE_CHECKING:
    from dpif.client import Result

__all__ = ["Reports"]

_TOLD = 100
"""After so many there is no end of them."""
_MISTAKES = (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP)
"""What datapaths say to actions that cannot be carried out; what else they say is of races with other changes."""


class Reports:
    """Tells of what goes wrong; ``told`` has the texts, by file and line where they have these."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.told: dict[tuple[str, int], str] = {}
        self._tell_text = tell

    def error(self, error: Exception) -> None:
        """Tell of an error, once for each line of source."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        self._tell((last.filename, last.lineno or 0), "".join(traceback.format_exception(error)))

    def refusals(self, results: Iterable[Result]) -> None:
        """Tell what a datapath finds wrong with what the function decided."""
        for result in results:
            if isinstance(result.error, NetlinkError) and result.error.errno in _MISTAKES:
                text = f"the datapath refuses what the function decided: {result.error}"
                self._tell((text, 0), text)

    def _tell(self, place: tuple[str, int], text: str) -> None:
        if place not in self.told and len(self.told) < _TOLD:
            self.told[place] = text
            self._tell_text(text)
