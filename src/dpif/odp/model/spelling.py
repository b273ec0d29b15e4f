"""Names that are close to one that is not known: what was meant, perhaps."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, possible: Iterable[str]) -> str:
    """Return the name that is spelled most like `name`, before all one of the same letters; empty when none is."""
    from difflib import get_close_matches  # only a mistake pays for loading it

    close = get_close_matches(name, possible)
    return next((other for other in close if sorted(other) == sorted(name)), close[0] if close else "")
