"""The pieces of one packet's payload, of which some may still be missing (`Pieces`).

The rules are those of inet_frag_queue_insert in net/ipv4/inet_fragment.c, which IPv4 and IPv6 share. What headers
the pieces came with is not known here.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Overlap", "Pieces"]


class Overlap(Exception):
    """A piece has some of the bytes that another one has, but not only those."""


class _Run:
    """Pieces that came in their order, each beginning where the one before ends."""

    __slots__ = ("end", "parts", "start")

    def __init__(self, start: int, part: bytes) -> None:
        self.start = start
        self.end = start + len(part)
        self.parts = [part]

    def append(self, part: bytes) -> None:
        self.parts.append(part)
        self.end += len(part)


class Pieces:
    """What has come of a payload; ``length`` is where it ends as far as is known, ``has_last`` that this is sure."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._held = 0
        self.length = 0
        self.has_last = False

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._runs)

    @property
    def are_complete(self) -> bool:
        """Tell whether nothing is missing."""
        return self.has_last and self._held == self.length

    def reach(self, end: int, *, is_last: bool) -> bool:
        """Take note that the payload goes up to `end`, or ends there; False where that contradicts what is known."""
        if is_last:
            is_sound = end >= self.length and (not self.has_last or end == self.length)
        else:
            is_sound = end <= self.length or not self.has_last
        if is_sound:
            self.has_last |= is_last
            self.length = max(end, self.length)
        return is_sound

    def add(self, offset: int, part: bytes) -> bool:
        """Take a piece, at least one byte; False for one that is there already; raise `Overlap`."""
        end = offset + len(part)
        runs = self._runs
        if not runs or runs[-1].end < offset:
            runs.append(_Run(offset, part))
        elif runs[-1].end == offset:
            runs[-1].append(part)
        else:
            at = bisect_right(runs, offset, key=lambda run: run.end)
            run = runs[at]
            if run.start <= offset and end <= run.end:
                return False
            if end > run.start:
                raise Overlap
            runs.insert(at, _Run(offset, part))
        self._held += len(part)
        return True

    def join(self) -> tuple[bytes, tuple[int, ...]]:
        """Return the whole payload, and the sizes of the pieces that it was made of."""
        parts = [part for run in self._runs for part in run.parts]
        return b"".join(parts), tuple(map(len, parts))
