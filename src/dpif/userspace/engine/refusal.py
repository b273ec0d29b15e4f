"""How the engine says no: an `OSError` with the errno that the kernel would answer, and a reason in words.

The same errors come from the system underneath (a capture that is not there, a raw socket without privilege),
so whoever turns errors into answers has one kind to know.
"""

from __future__ import annotations


def refusal(errno: int, explanation: str) -> OSError:
    """Return the error with positive `errno` that `explanation` explains."""
    return OSError(errno, explanation)
