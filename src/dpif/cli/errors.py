"""How a command fails, and how that is said: one line that names what failed, why, and what to do next.

The line is ``dpif: TEXT (REASON)`` as ``ovs-dpctl`` prints it, REASON being the system's words for an errno; an
explanation and advice may follow behind a colon. This file knows the library's errors and no command.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from dpif.errors import DpifError, EncodeError, NetlinkError, ParseError, PermissionDenied, Unavailable

_ADVICE_PERMISSION = "this needs root, or the capability CAP_NET_ADMIN: try it with sudo"
_SHOWN = 60
"""How much of a faulty text is repeated."""
_HALF_A_LINE = 500
"""How much of the beginning and of the end of a line is shown that is longer."""


class CommandError(Exception):
    """The command failed and ends; the text is the whole line."""

    status = 1


class UsageError(CommandError):
    """The command line itself is wrong."""

    status = 2


def describe(text: str, error: Exception | None = None, meaning: Mapping[int, str] = {}) -> str:
    """Return the line for `error` while doing `text`, without the name of the program.

    `meaning` says by errno what a refusal means here, for a datapath that does not say so itself.
    """
    if error is None:
        return text
    if isinstance(error, Unavailable):
        return f"{text}: {error}"
    if isinstance(error, ParseError):
        return f"{text} ({syntax(error)}) ({os.strerror(errno.EINVAL)})"
    if isinstance(error, EncodeError):
        return f"{text} ({os.strerror(errno.EINVAL)}): {error}"
    if isinstance(error, OSError):
        return f"{text} ({error.strerror})" + _more(error, meaning)
    if isinstance(error, DpifError):
        return f"{text}: {error}"
    raise error


def invalid(text: str, advice: str = "") -> CommandError:
    """Return the failure of a command one of whose words is wrong as `text` says."""
    return CommandError(f"{text} ({os.strerror(errno.EINVAL)})" + (f": {advice}" if advice else ""))


def is_of_output(error: Exception) -> bool:
    """Tell whether it is whoever takes the output that failed: a reader that is gone, a disk that is full."""
    return isinstance(error, BrokenPipeError) or (
        isinstance(error, OSError) and error.errno == errno.ENOSPC and not isinstance(error, DpifError)
    )


def printable(text: str) -> str:
    """Return `text`, lines of it perhaps, with nothing in it that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def one_line(text: str) -> str:
    """Return what is said of a failure as one line of bearable length: it repeats words of whoever caused it."""
    if len(text) > 2 * _HALF_A_LINE:
        text = f"{text[:_HALF_A_LINE]} ... {text[-_HALF_A_LINE:]}"
    return printable(text).replace("\n", "\\n")


def _more(error: OSError, meaning: Mapping[int, str]) -> str:
    if isinstance(error, NetlinkError):
        explanation = error.explanation or meaning.get(error.errno or 0)
        if explanation:
            return f": {explanation}"
    return f": {_ADVICE_PERMISSION}" if isinstance(error, PermissionDenied) else ""


def syntax(error: ParseError) -> str:
    """Return what is wrong with a text, and where."""
    rest = error.text[error.position :]
    if len(rest) > _SHOWN:
        rest = rest[:_SHOWN] + "..."
    shown = f"syntax error at {rest}: {error.reason}" if rest else error.reason
    return f"{shown}; {error.hint}" if error.hint else shown
