"""What one run of a function read: the bits of a key, and the entries of tables.

A `Trace` is the paper on which a run is noted. `mask` grows by each read; `deps` are the entries of tables that the
decision hangs on, `writes` those that the function set. Two packets that agree on the mask, at one state of the
tables, take the same way through the function: that makes the decision a flow.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path

from dpif._typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import FrameType

    from dpif.program.layout import Layout, Place

__all__ = ["Note", "Trace", "WouldChange", "Written"]

_PASSED_OVER = (str(Path(__file__).parent), ipaddress.__file__)
"""Files whose lines nobody asks for: a read is noted where the program's own source made it."""


class WouldChange(Exception):  # it is no error: a run without effects ends where it would have one
    """A run that may change nothing came to where it would change a table."""


class Note(NamedTuple):
    """One read, for people: the line of source that it was on, and what was read there.

    ``file`` is empty for what was read behind the function, when its decision became actions.
    """

    file: str
    line: int
    what: str


class Trace:
    """One run of a function over one packet.

    ``key`` is the packet's key as a number in the form of ``layout``, ``mask`` what was read of it. ``live`` runs
    have effects; others raise `WouldChange` instead. ``uncached`` says why the decision may not become a flow, empty
    while it may. ``notes`` are kept where somebody wants to see them.
    """

    __slots__ = (
        "changed",
        "coarse",
        "deps",
        "key",
        "layout",
        "live",
        "mask",
        "notes",
        "touched",
        "uncached",
    )

    def __init__(
        self, layout: Layout, key: int, *, live: bool = True, coarse: bool = False, explain: bool = False
    ) -> None:
        self.layout = layout
        self.key = key
        self.mask = layout.always
        self.live = live
        self.coarse = coarse
        self.uncached = ""
        self.changed = False
        self.deps: dict[tuple[Any, Any], None] = {}
        self.touched: list[tuple[Any, Any, Any]] = []
        self.notes: list[Note] | None = [] if explain else None

    def mark(self, place: Place, ones: int) -> None:
        """Note that those bits of a field were read which are set in `ones`."""
        self.mask |= place.all if self.coarse or ones == place.ones else place.bits(ones) | place.needs
        if self.notes is not None:
            self.note(place.name if ones == place.ones else f"{place.name}/{ones:#x}")

    def ask(self, header: str) -> bool:
        """Note that it was asked whether the packet has `header`; return whether it has."""
        self.mask |= self.layout.telling(header)
        if self.notes is not None:
            self.note(f"{header}?")
        return header in self.layout.headers

    def depend(self, table: Any, key: Any) -> None:
        """Note that the decision hangs on an entry of a table, or on its absence."""
        self.deps[table, key] = None
        if self.notes is not None:
            self.note(f"{table.name}[{shown(key)}]")

    def uncache(self, why: str) -> None:
        """Note that the decision is for this packet alone."""
        self.uncached = self.uncached or why
        if self.notes is not None:
            self.note(f"no flow: {why}")

    def note(self, what: str) -> None:
        """Remember what was read, and where."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(_PASSED_OVER):
            # Behind this there is only who runs the function: a decision read it while it became actions.
            frame = None if frame.f_code.co_name == "decide" else frame.f_back
        if self.notes is not None:
            self.notes.append(Note(frame.f_code.co_filename, frame.f_lineno, what) if frame else Note("", 0, what))


def shown(key: Any) -> str:
    """Return the key of an entry as people write it."""
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


class Written:
    """What a function wrote into a packet, in the place of a trace: who reads it reads nothing of the packet."""

    __slots__ = ("key",)
    mask = -1
    """All of it is known."""

    def __init__(self, key: int) -> None:
        self.key = key

    def mark(self, place: Place, ones: int) -> None:
        """Note nothing."""
