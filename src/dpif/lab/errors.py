"""How the lab fails, apart from the command that it runs.

Owns the errors and the exit status that a command line gives for each: 124 and 125, as ``timeout`` and
``env`` do. A command that wants to be told apart from the lab does not use them.
"""

from __future__ import annotations

from dpif.errors import DpifError, Unavailable
from dpif.lab.panics import explain

__all__ = ["LabFailed", "LabTimeout", "LabUnavailable", "NotBooted"]


class LabUnavailable(Unavailable):
    """This machine cannot boot the lab; the message says what to install."""

    exit_status = 125


class LabFailed(DpifError):
    """The guest did not start, or died before the command ended.

    ``console`` is the last of what its kernel and its process 1 said.
    """

    exit_status = 125

    def __init__(self, reason: str, console: str = "") -> None:
        self.console = console
        super().__init__(f"{reason}; the console said last:\n{console}" if console else reason)


class NotBooted(LabFailed):
    """The kernel did not come as far as its process 1: another kind of machine may do better.

    What its last words mean is said where it is known, else they are.
    """

    def __init__(self, reason: str, console: str = "") -> None:
        meaning = explain(console)
        super().__init__(f"{reason}: {meaning}" if meaning else reason, "" if meaning else console)
        self.console = console


class LabTimeout(DpifError, TimeoutError):
    """The time that the caller gave is over; the guest was ended."""

    exit_status = 124

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not done after {seconds:g} s; the lab was ended")
