"""What a support tool (sosreport, must-gather) saved of a host: which files of a directory are of its datapath.

Files are known by what is at their beginning, not by their names. Of several with flows, all of the same table, one
is taken: one with identifiers (``-m``) before one without, and then the largest; so it is with ports and connections.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from dpif._lazy import pattern
from dpif._typing import Final
from dpif.saved.faults import Faults
from dpif.saved.flows import has_flow
from dpif.saved.sources import Source

__all__ = ["sources_in"]

_LOOKED_AT: Final = 200
"""Lines of a file by which it is known."""
_PORT = pattern(r"\s++port \d++: \S")
_CONNECTION = pattern(r"\s*+\w++,orig=\(")


def sources_in(directory: str) -> list[Source]:
    """Return the files with the flows, ports and connections; raise `OSError` where there is none of them."""
    best: dict[str, tuple[bool, int, str]] = {}
    for path in _files(directory):
        for kind, is_detailed in _kinds(path):
            rank = is_detailed, os.path.getsize(path), path
            best[kind] = max(best.get(kind, rank), rank)
    if not best:
        raise FileNotFoundError(2, "no file in it has flows, ports or connections of a datapath", directory)
    return [Source(path, path) for path in sorted({path for _, _, path in best.values()})]


def _files(directory: str) -> Iterator[str]:
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.R_OK):
                yield path


def _kinds(path: str) -> Iterator[tuple[str, bool]]:
    """Yield what a file has, and whether in detail."""
    found: dict[str, bool] = {}
    for _, _, text in itertools.islice(Source(path, path).lines(Faults()), _LOOKED_AT):
        if "\0" in text:
            return
        if "actions:" in text and has_flow(text):
            found["flows"] = found.get("flows", False) or "ufid:" in text
        elif _PORT.match(text):
            found.setdefault("ports", False)
        elif "RX packets:" in text and "ports" in found:
            found["ports"] = True
        elif _CONNECTION.match(text):
            found["connections"] = found.get("connections", False) or ",status=" in text
    yield from found.items()
