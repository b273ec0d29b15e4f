"""Names that are close to one that is not known: what was meant, perhaps."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, possible: Iterable[str], likeness: float = 0.6) -> str:
    """Return the name that is spelled most like `name`, before all one of the same letters; empty when none is.

    `likeness` is the least that counts, from 0 to 1, the same.
    """
    from difflib import get_close_matches  # only a mistake pays for loading it

    close = get_close_matches(name, possible, cutoff=likeness)
    return next((other for other in close if sorted(other) == sorted(name)), close[0] if close else "")
