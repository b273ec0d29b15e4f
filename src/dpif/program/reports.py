"""What goes wrong with a program, each thing told once: errors of its function, and what the datapath refuses."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from dpif._typing import TYPE_CHECKING
from dpif.errors import NetlinkError
from dpif.odp.model.key import FlowKey, format_key

if TYPE_CHECKING:
    from dpif.client import Result

__all__ = ["Reports"]

_PACKAGE = str(Path(__file__).parent)
_TOLD = 100
"""After so many there is no end of them."""
_MISTAKES = (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP)
"""What datapaths say to actions that cannot be carried out; what else they say is of races with other changes."""


def _of_the_program(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Return the frames of the program's own source: who runs it, and what it calls of this package, are not its."""
    own = [frame for frame in stack if not frame.filename.startswith(_PACKAGE)]
    return own or list(stack)


class Reports:
    """Tells of what goes wrong; ``told`` has the texts, by file and line where they have these."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.told: dict[tuple[str, int], str] = {}
        self._tell_text = tell

    def error(self, error: Exception) -> None:
        """Tell of an error, once for each line of the program's source, with the packet that it was about."""
        told = traceback.TracebackException.from_exception(error)
        told.stack = traceback.StackSummary.from_list(_of_the_program(told.stack))
        last = told.stack[-1]
        text = "".join(told.format())
        trace = error.__dict__.get("dpif_trace")
        if trace is not None:
            key = FlowKey.from_bytes(trace.key.to_bytes(trace.layout.size, "big"))
            text += f"with the packet {format_key(key)}\n"
        self._tell((last.filename, last.lineno or 0), text)

    def refusals(self, results: Iterable[Result]) -> None:
        """Tell what a datapath finds wrong with what the function decided."""
        for result in results:
            if isinstance(result.error, NetlinkError) and result.error.errno in _MISTAKES:
                self.heard(f"the datapath refuses what the function decided: {result.error}")

    def heard(self, text: str) -> None:
        """Tell of what has no line of source: a datapath or another process says it."""
        self._tell((text, 0), text)

    def _tell(self, place: tuple[str, int], text: str) -> None:
        if place not in self.told and len(self.told) < _TOLD:
            self.told[place] = text
            self._tell_text(text)
