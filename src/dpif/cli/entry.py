"""One run of the command line: parses, runs the command, and answers for whatever happens.

This is the guard: no traceback gets past it, every failure is one line on stderr and an exit status. Set
DPIF_DEBUG=1 to see the traceback of an internal error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence

from dpif._lazy import load
from dpif._typing import TYPE_CHECKING, Any
from dpif._version import __version__
from dpif.cli.endings import GRACE, TimeOver, discard_output, ending_of, endings
from dpif.cli.errors import CommandError, UsageError, describe, is_of_output, one_line
from dpif.errors import DpifError, ParseError

if TYPE_CHECKING:
    from dpif.cli.arguments import Invocation
    from dpif.cli.command import Command
    from dpif.cli.context import Context

    Handler = Callable[[Context], int | None]

# As a shell has it: 128 and the number of the signal, here SIGINT, SIGPIPE and SIGALRM.
_CTRL_C = 130
_READER_GONE = 141
_TIME_OVER = 142

_PATIENCE = 2.0
"""Seconds that a person waits for a completion."""
_FOR_EVER = 1e8
"""Seconds, some three years: longer than a command runs, and no more than every timer takes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default this process's; return the exit status."""
    try:
        with endings.of_ctrl_c():
            return _guarded(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return _CTRL_C


def _guarded(argv: Sequence[str]) -> int:
    _prepare_streams()
    try:
        return _run(argv)
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        ending = ending_of(error)
        if isinstance(ending, KeyboardInterrupt):
            raise ending from None
        text, status = failure(ending or error)
        with endings.of_time(GRACE) if ending else contextlib.nullcontext():
            _flush_if_possible()
        print(f"dpif: {one_line(text)}{_place(error)}", file=sys.stderr)
        return status


def _prepare_streams() -> None:
    """Make up for what the parent may have left: streams that are closed, a locale that is not for UTF-8.

    What is printed on a stream that was closed is for nobody. Names of devices are bytes: they go out as they came,
    UTF-8 or not.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def failure(error: BaseException) -> tuple[str, int]:
    """Return what is said of an error that ended a command, and the exit status."""
    if isinstance(error, TimeOver):
        return "the time given by --timeout is over", _TIME_OVER
    if isinstance(error, CommandError):
        return str(error), error.status
    if isinstance(error, (DpifError, OSError)):
        return _line(error), 1
    if os.environ.get("DPIF_DEBUG"):
        raise error
    return f"internal error: {type(error).__name__}: {error} (DPIF_DEBUG=1 shows where)", 1


def _run(argv: Sequence[str]) -> int:
    if list(argv) in (["-V"], ["--version"]):
        sys.stdout.write(f"dpif {__version__}\n")  # without waiting for a parser
        sys.stdout.flush()
        return 0
    if argv and argv[0] == "__complete":
        return _complete(argv[1:])
    if not argv:
        return _introduce()

    from dpif.cli.context import Context

    return execute(invocation_of(argv), Context)


def invocation_of(argv: Sequence[str]) -> Invocation:
    """Return what a command line asks for, ``--help`` and ``--version`` as the commands that they stand for."""
    from dpif.cli.arguments import Invocation, find, parse

    invocation = parse(argv)
    command, _, options = invocation
    if options.help:
        return Invocation(find("help"), [] if command is None else [command.name], options)
    return Invocation(find("version"), [], options) if options.version else invocation


def _introduce() -> int:
    """Show who typed the bare name how to begin; a script that lost its command must not go on."""
    from dpif.cli.help import introduction

    sys.stderr.write(introduction())
    return UsageError.status


def _complete(argv: Sequence[str]) -> int:
    """Answer a shell, which has no use for an answer that is late."""
    from dpif.cli.completion import print_candidates

    with endings.of_time(_PATIENCE):
        return print_candidates(argv)


def execute(invocation: Invocation, make_context: Callable[[Command, list[str], Any, float | None], Context]) -> int:
    """Run a command with the context that is made for it; return the exit status, or raise what ended it."""
    command, words, options = invocation
    assert command is not None  # `parse` raises without one
    if options.read_only and command.writes:
        raise CommandError(f"'{command.name}' command does not work in read only mode")
    if options.output is not None or (command.text_only and (options.json or options.json_lines)):
        from dpif.cli.formats import settle

        settle(command, options)
    seconds = _seconds(options.timeout)
    context = make_context(command, words, options, seconds)
    try:
        with contextlib.nullcontext() if seconds is None or command.keeps_time else endings.of_time(seconds):
            status = _load(command)(context)
            context.finish()
    finally:
        context.close()
    return context.status if status is None else status


def _load(command: Command) -> Handler:
    module, _, function = command.handler.partition(":")
    handler: Handler = getattr(load(f"dpif.cli.commands.{module}"), function)
    return handler


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"value {text} on -t or --timeout is invalid: expected a number of seconds, above 0")
    return min(seconds, _FOR_EVER)


def _line(error: DpifError | OSError) -> str:
    """Return the line for an error that no command put into its own words."""
    if isinstance(error, DpifError):
        return str(error)
    if is_of_output(error):
        return describe("writing the output failed", error)
    return describe(str(error.filename) if error.filename else "failed", error)


def _place(error: Exception) -> str:
    """Return, for a person at a terminal, the faulty text with a caret under the place; a script gets one line."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, CommandError) and isinstance(cause, ParseError) and sys.stderr.isatty():
        return f"\n{cause.caret()}"
    return ""


def _reader_gone() -> int:
    """Leave quietly."""
    discard_output()
    return _READER_GONE


def _flush_if_possible() -> None:
    """Write what was printed before an error; the error may be that it cannot be written."""
    try:
        sys.stdout.flush()
    except (OSError, TimeOver):
        discard_output()
