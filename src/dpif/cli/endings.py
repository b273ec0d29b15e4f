"""What ends a command from outside, Ctrl-C and the end of its time, strikes where the command can take it.

A signal may come at any instruction. An exception there would tear a document apart: what a write that waits for
its reader has not handed over is lost, and nobody closes the brackets. So whoever prints something that must be
whole holds endings back (`Endings.held`): they are remembered, and raised when the next item is asked for
(`Endings.each`), or when all is printed.

No reader can hold up the end for good: a second Ctrl-C, or `GRACE` seconds after the time is over, and the rest of
the output goes nowhere. This file knows no command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from dpif._typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # `signal` around it makes enumerations of its numbers: that costs more than all of this

T = TypeVar("T")

GRACE = 10.0
"""Seconds that a reader of the output has when the time is over, to take what makes it whole."""
_AGAIN = 0.5
"""Seconds until time is over once more: code of others may catch the exception, and go on."""
_SOON = 0.01
"""Seconds until an ending comes again that met a destructor at work, where exceptions are lost."""
_END = object()


class TimeOver(Exception):
    """The time that ``--timeout`` gave is over."""


class Endings:
    """The endings of this process; those that came while they were `held` wait."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._is_held = False
        self._waiting: type[BaseException] | None = None
        self._had_ctrl_c = False
        self._is_late = False

    @contextlib.contextmanager
    def of_ctrl_c(self) -> Iterator[None]:
        """Take Ctrl-C in the block, where nobody else does, and endings that are lost in destructors."""
        self._reset()
        usual = signal.getsignal(signal.SIGINT)
        is_ours = usual in (signal.default_int_handler, signal.SIG_DFL) and _set(signal.SIGINT, self._on_ctrl_c)
        alarm = signal.getsignal(signal.SIGALRM)
        hook, sys.unraisablehook = sys.unraisablehook, partial(self._on_lost, sys.unraisablehook)
        try:
            yield
            self.raise_waiting()
        finally:
            self._is_held = True
            sys.unraisablehook = hook
            if signal.getsignal(signal.SIGALRM) is not alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, alarm)
            if is_ours:
                signal.signal(signal.SIGINT, usual)

    @contextlib.contextmanager
    def of_time(self, seconds: float) -> Iterator[None]:
        """Raise `TimeOver` in the block when it takes longer."""
        before = signal.signal(signal.SIGALRM, self._on_alarm)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})  # as a parent may have left it
        was_held, self._is_late = self._is_held, False
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            self._is_held = True  # an alarm in here must not leave the timer running
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            self._is_held = was_held
            if self._waiting is TimeOver:
                self._waiting = None

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """Take no Ctrl-C in the block: it is for another process that has the terminal."""
        before = signal.getsignal(signal.SIGINT)
        is_ours = _set(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            if is_ours:
                signal.signal(signal.SIGINT, before)

    def held(self) -> _Holding:
        """Hold endings back in a block; behind it raise one that came."""
        return _Holding(self, True)

    def let_through(self) -> _Holding:
        """Raise an ending in a block as soon as it comes, though they are held around it."""
        return _Holding(self, False)

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`; while one is made, endings are let through."""
        rest = iter(items)
        while True:
            with self.let_through():
                item: Any = next(rest, _END)
            if item is _END:
                return
            yield item

    def hold(self, is_held: bool) -> bool:
        """Hold endings back or let them through from now on, and raise one that waits; return how it was."""
        before, self._is_held = self._is_held, is_held
        return before

    def raise_waiting(self) -> None:
        """Raise an ending that waits, unless they are held."""
        if self._waiting is not None and not self._is_held:
            waiting, self._waiting = self._waiting, None
            raise waiting

    def _on_ctrl_c(self, _number: int, _frame: FrameType | None) -> None:
        again, self._had_ctrl_c = self._had_ctrl_c, True
        if self._is_held and again:
            discard_output()
        self._take(KeyboardInterrupt)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_held:
            if self._is_late:
                discard_output()
            self._is_late = True
        signal.setitimer(signal.ITIMER_REAL, GRACE if self._is_held else _AGAIN)
        self._take(self._waiting or TimeOver)

    def _on_lost(self, usual: Callable[[Any], None], lost: Any) -> None:
        """Let an ending that met a destructor come again; Python would print a traceback and go on."""
        if lost.exc_type not in (KeyboardInterrupt, TimeOver):
            usual(lost)
            return
        self._waiting = lost.exc_type
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, _SOON)

    def _take(self, ending: type[BaseException]) -> None:
        self._waiting = ending
        self.raise_waiting()


class _Holding:
    """A block in which endings are held back, or let through.

    Written out: a signal that meets the machinery of `contextlib` would leave it half done.
    """

    __slots__ = ("_before", "_endings", "_is_held")

    def __init__(self, endings: Endings, is_held: bool) -> None:
        self._endings = endings
        self._is_held = is_held
        self._before = False

    def __enter__(self) -> None:
        self._before = self._endings.hold(self._is_held)
        try:
            self._endings.raise_waiting()
        except BaseException:
            self._endings.hold(self._before)
            raise

    def __exit__(self, error: object, *_: object) -> None:
        self._endings.hold(self._before)
        if error is None:
            self._endings.raise_waiting()


def _set(number: int, handler: Any) -> bool:
    """Set a handler, where this thread may: the main one alone may."""
    try:
        signal.signal(number, handler)
    except ValueError:
        return False
    return True


def ending_of(error: BaseException | None) -> BaseException | None:
    """Return the ending that `error` comes from, None when it comes from none.

    What an ending meets may make another error of it, as Python itself does up to 3.11 where a class is made.
    """
    while error is not None and not isinstance(error, (KeyboardInterrupt, TimeOver)):
        error = error.__cause__ or error.__context__
    return error


def discard_output() -> None:
    """Drop what is still to be written, now and at the end of the interpreter; a write that waits goes on at once."""
    with contextlib.suppress(OSError, ValueError):  # what stands in for stdout may have no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


endings = Endings()
"""Those of this process."""
