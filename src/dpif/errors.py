"""Every error that dpif raises on purpose, in one tree.

::

    DpifError
     ├── EncodeError          the caller's value cannot be sent (ValueError)
     ├── DecodeError          the peer's bytes are not what they should be (ValueError)
     ├── ParseError           a text (flow key, actions, port specification) is not well formed (ValueError)
     ├── DumpInterrupted      a dump changed under us; carries the rows that came
     ├── Unavailable          no datapath to talk to: module not loaded, no server (OSError)
     └── NetlinkError         the peer understood and said no; carries its errno (OSError)
          ├── NoSuchObject     ENOENT, ENODEV (FileNotFoundError)
          ├── AlreadyExists    EEXIST (FileExistsError)
          └── PermissionDenied EPERM, EACCES (PermissionError)

The class says whose fault it is: ``EncodeError`` and ``ParseError`` are the caller's, ``DecodeError`` is the
peer's, ``NetlinkError`` is the peer's answer. Each message is one line that names what was wrong and, where
that is known, what to do next. This module imports nothing of dpif.
"""

from __future__ import annotations

import errno as _errno
import os
from collections.abc import Callable, Sequence

from dpif._typing import Any

__all__ = [
    "AlreadyExists",
    "DecodeError",
    "DpifError",
    "DumpInterrupted",
    "EncodeError",
    "NetlinkError",
    "NoSuchObject",
    "ParseError",
    "PermissionDenied",
    "Unavailable",
    "netlink_error",
]


class DpifError(Exception):
    """The root of all errors of this library."""


class EncodeError(DpifError, ValueError):
    """A value cannot be expressed on the wire: out of range, of the wrong length or type.

    ``path`` names the attribute, outermost first (``FLOW.KEY.TUNNEL.ID``); empty when there is none.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)

    def within(self, name: str) -> EncodeError:
        """Return this error as seen one level further out, with `name` put before its path."""
        return EncodeError(self.reason, f"{name}.{self.path}" if self.path else name)


class DecodeError(DpifError, ValueError):
    """A peer's bytes are malformed.

    ``path`` names the attribute, outermost first; ``offset`` counts bytes from the start of the buffer that
    was handed to the decoder.
    """

    def __init__(self, reason: str, path: str = "", offset: int = 0) -> None:
        self.reason = reason
        self.path = path
        self.offset = offset
        where = f"{path} at byte {offset}" if path else f"byte {offset}"
        super().__init__(f"{where}: {reason}")

    def within(self, name: str, base: int = 0) -> DecodeError:
        """Return this error as seen one level further out: `name` before the path, `base` added to the offset."""
        return DecodeError(self.reason, f"{name}.{self.path}" if self.path else name, self.offset + base)


class ParseError(DpifError, ValueError):
    """A text is not well formed.

    ``text`` is the whole text, ``position`` the offset in it where the trouble starts, ``reason`` what was
    found or expected there, ``hint`` what to do about it (a close match, the names possible there).
    """

    def __init__(self, reason: str, text: str = "", position: int = 0, hint: str = "") -> None:
        self.reason = reason
        self.text = text
        self.position = position
        self.hint = hint
        message = f"{reason} at position {position}" if text else reason
        super().__init__(f"{message} ({hint})" if hint else message)

    def caret(self, width: int = 79) -> str:
        """Return two lines: the part of the text around the position, and a caret under the position."""
        start = max(0, self.position - width // 2)
        line = "".join(letter if letter.isprintable() else " " for letter in self.text[start : start + width])
        return f"{line}\n{' ' * (self.position - start)}^"


class DumpInterrupted(DpifError):
    """A dump was not consistent (``NLM_F_DUMP_INTR``); ``rows`` holds what came all the same."""

    def __init__(self, rows: Sequence[Any] = ()) -> None:
        self.rows = rows
        super().__init__(f"the dump changed while it was read; {len(rows)} rows may repeat or miss some")


class Unavailable(DpifError, OSError):
    """There is no datapath to talk to; the message says which kind, and how to get one."""

    def __init__(self, message: str, code: int = _errno.ENOENT) -> None:
        OSError.__init__(self, code, message)

    def __str__(self) -> str:
        return str(self.strerror)


class NetlinkError(DpifError, OSError):
    """The peer refused a request.

    ``errno`` is the kernel's, ``operation`` what was asked in words, ``bad_offset`` the offset in the request that
    the extended ack points at (else None). An explanation that takes a look at the datapath may be given as a
    function, which is called when it is first read.
    """

    def __init__(
        self,
        code: int,
        operation: str = "",
        explanation: str | Callable[[], str] = "",
        bad_offset: int | None = None,
    ) -> None:
        OSError.__init__(self, code, os.strerror(code))
        self.operation = operation
        self._explanation = explanation
        self.bad_offset = bad_offset

    @property
    def explanation(self) -> str:
        """The extended ack's text, the rule that was broken, the flow in the way: what is known, else empty."""
        if not isinstance(self._explanation, str):
            self._explanation = self._explanation()
        return self._explanation

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.operation, self.explanation, self.bad_offset)

    def __str__(self) -> str:
        detail = f"{self.strerror}: {self.explanation}" if self.explanation else str(self.strerror)
        return f"{self.operation}: {detail}" if self.operation else detail


class NoSuchObject(NetlinkError, FileNotFoundError):
    """ENOENT or ENODEV: no such datapath, port or flow."""


class AlreadyExists(NetlinkError, FileExistsError):
    """EEXIST: the name is taken, the device is attached already, or a flow covers the same packets."""


class PermissionDenied(NetlinkError, PermissionError):
    """EPERM or EACCES: the caller lacks CAP_NET_ADMIN in the namespace of the datapath."""


_BY_ERRNO: dict[int, type[NetlinkError]] = {
    _errno.ENOENT: NoSuchObject,
    _errno.ENODEV: NoSuchObject,
    _errno.EEXIST: AlreadyExists,
    _errno.EPERM: PermissionDenied,
    _errno.EACCES: PermissionDenied,
}


def netlink_error(
    code: int, operation: str = "", explanation: str | Callable[[], str] = "", bad_offset: int | None = None
) -> NetlinkError:
    """Return the `NetlinkError` of the subclass that fits errno `code` (positive)."""
    return _BY_ERRNO.get(code, NetlinkError)(code, operation, explanation, bad_offset)


_LONGEST = 200
"""Characters of a faulty value that a message repeats."""


def brief(value: object) -> str:
    """Return what a message says of a faulty value: its ``repr``, cut short."""
    try:
        text = hex(value) if isinstance(value, int) and abs(value) >> 128 else repr(value)
    except ValueError:  # Python prints no number of thousands of digits
        text = f"a {type(value).__name__} with a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
