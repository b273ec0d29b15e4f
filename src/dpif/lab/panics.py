"""What the last words of a kernel that does not boot mean, and what to do about it.

Owns the table; the words are those of user-mode Linux and of QEMU, each seen. Where nothing is known the console's
own last lines have to do.
"""

from __future__ import annotations

__all__ = ["explain"]

_MEANINGS = {
    "ptrace set fp regs failed": (
        "this processor has registers that this user-mode Linux does not keep; a newer one does (--kernel newest), "
        "or, as root: apt-get install gcc libc6-dev"
    ),
    "ptrace: Operation not permitted": "processes may not trace one another here, which user-mode Linux needs",
    "No space left on device": "there is no room for the guest's memory; a smaller one fits (--mem), or set TMPDIR",
    "Cannot allocate memory": "there is not enough memory for the guest; try a smaller one (--mem)",
}


def explain(console: str) -> str | None:
    """Return in words why the kernel that said `console` did not boot; None where that is not known."""
    return next((meaning for words, meaning in _MEANINGS.items() if words in console), None)
