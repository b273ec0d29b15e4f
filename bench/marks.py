"""What must be reached, in times of what the peer takes; `lab.py` prints whether it is."""

from __future__ import annotations

_MARKS = {
    "line": (0.4, 0.5, 0.8),
    "verbose": (0.3, 0.4, 0.7),
    "process": (0.8, 0.8, 1),
    "file": (0.15, 0.25, 0.5),
    "typed": (4, 6, None),
    "arrow": (1.5, 2, None),
    "numpy": (2, 2.5, None),
    "parser": (1 / 10, 1 / 8, None),
}
"""For ``plain``; for ``ovn`` and ``openstack``; for ``random``. Where there is none, the figure is reported alone."""
_COLUMN = {"plain": 0, "ovn": 1, "openstack": 1, "random": 2}


def mark(kind: str, workload: str) -> float | None:
    """Return what a ratio must not exceed, None where nothing was set."""
    marks = _MARKS.get(kind)
    return marks[_COLUMN[workload]] if marks and workload in _COLUMN else None
