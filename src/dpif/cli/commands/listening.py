"""Commands that print what comes, until Ctrl-C: events of a listener as they are there, each handed over at once."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, TypeVar
from dpif.cli.errors import UsageError
from dpif.cli.numbers import read_number
from dpif.program.loop import Bell, on_signals

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.waiting import Listener

T = TypeVar("T")

_BURST = 64
_TICK = 1000
"""Milliseconds of one wait: a signal that comes just before it is seen behind it."""


def wanted_count(context: Context) -> int | None:
    """Return how many events are to be printed, None for all that come; raise `UsageError`."""
    text = context.options.count
    count = None if text is None else read_number(text)
    if text is not None and count is None:
        raise UsageError(f"--count takes a number of packets, not '{text}'")
    return count


@contextlib.contextmanager
def end_by_signals() -> Iterator[Bell]:
    """Let SIGINT and SIGTERM ring the bell that is lent, in place of what they do."""
    with Bell() as bell, on_signals(bell.ring):
        yield bell


def until_rung(bell: Bell, listener: Listener[T], count: int | None) -> Iterator[T]:
    """Yield what comes, up to `count` of it, until `bell` is rung or nothing more can come."""
    poll = select.poll()
    for waited in (listener, bell):
        poll.register(waited, select.POLLIN)
    left = count
    is_over = False
    while left != 0 and not (bell.rung or is_over):
        poll.poll(0 if listener.is_gone else _TICK)
        is_over = listener.is_gone  # by now; what is there is still told
        for event in listener.poll(0.0, _BURST if left is None else min(left, _BURST))[:left]:
            yield event
            left = None if left is None else left - 1


def tell_losses(context: Context, overruns: int, malformed: int) -> None:
    """Say how often packets were lost on their way here, and how many messages could not be read, if any."""
    if overruns:
        context.note(f"packets were lost {overruns} times: they came faster than they could be read")
    if malformed:
        context.note(f"{malformed} messages could not be read")
