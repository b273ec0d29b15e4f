"""Equality of values and their texts: a comparison that would never be true misleads (`is_text_of`).

Hashes stay what they are, so that sets and dictionaries find such a value by its like and not by a text.
"""

from __future__ import annotations

__all__ = ["is_text_of"]


def is_text_of(value: object, text: str) -> bool:
    """Tell whether a value is what its type makes of a text."""
    try:
        return bool(type(value)(text) == value)  # type: ignore[call-arg]
    except ValueError:
        return False
