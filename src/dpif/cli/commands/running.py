"""The command ``run``: a program of Python at work on a datapath, or a capture played through it."""

from __future__ import annotations

import contextlib
import sys
import traceback

from dpif._typing import TYPE_CHECKING
from dpif.cli.commands.programs import LiveLine, open_or_create, unblock_signals
from dpif.cli.errors import CommandError, UsageError
from dpif.cli.numbers import read_number
from dpif.errors import DpifError, NoSuchObject

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.program.decide import Outcome
    from dpif.program.flow import Megaflow
    from dpif.program.load import File
    from dpif.program.options import Deleted, Options
    from dpif.program.runner import Runner

_LOOK = 0.25
"""Seconds between looks whether the file was saved."""
_MOST_WORKERS = 64
_DRY_PORTS = ("p1", "p2", "p3", "p4")


def run(context: Context) -> int:
    """Run a program until Ctrl-C, or over a capture."""
    path, *words = context.words
    file = _load(path)
    if context.options.pcap is not None:
        return _play(context, file, words)
    if context.options.out_dir is not None:
        raise UsageError("--out-dir goes with --pcap")
    unblock_signals()
    workers = _workers(context)
    if words and _is_datapath(context, words[0]):
        datapath, created = open_or_create(context, words[0])
        with datapath:
            return _serve(context, file, datapath, words[1:], created)
    if workers:
        raise UsageError("--workers needs a datapath that several processes reach: the kernel's, or netdev@NAME")
    import dpif

    with dpif.Userspace() as userspace, userspace.open("br0", create=True) as datapath:
        userspace.start()
        return _serve(context, file, datapath, words, False)


def _load(path: str) -> File:
    from dpif.program.load import File

    try:
        return File(path)
    except DpifError as error:
        raise CommandError(str(error)) from None
    except Exception as error:  # whatever the file raises is the program's own affair
        raise CommandError(f"{path} cannot be loaded: {_told(error)}") from None


def _told(error: BaseException) -> str:
    """Return an error of the program's file in one line, with its place there."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: SyntaxError: {error.msg}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"line {last.lineno}: {type(error).__name__}: {error}"


def _is_datapath(context: Context, word: str) -> bool:
    """Tell whether a word names a datapath: by its type, or by being one."""
    if "@" in word:
        return True
    try:
        context.open(word).close()
    except DpifError:
        return False
    return True


def _workers(context: Context) -> int:
    """Return how many processes are asked for, 0 for none but this one."""
    text = context.options.workers
    count = 0 if text is None else read_number(text)
    if count is None or count > _MOST_WORKERS or (text is not None and not count):
        raise UsageError(f"--workers takes a number from 1 to {_MOST_WORKERS}, not '{text}'")
    return count


def _options(context: Context) -> Options:
    from dpif.program.options import Options

    return Options(
        workers=_workers(context),
        check=context.options.check,
        explain=context.options.explain,
        report=lambda text: _report(context, text),
        on_flow=_explain if context.options.explain else None,
        on_delete=_explain_deletion if context.options.explain else None,
    )


def _report(context: Context, text: str) -> None:
    for line in text.splitlines():  # a traceback of the program, which is its reader's own
        context.note(f"run: {line}")


def _explain(flow: Megaflow, outcome: Outcome) -> None:
    from dpif.program.explain import of_outcome

    sys.stdout.write(f"{of_outcome(outcome, flow.number)}\n")
    sys.stdout.flush()


def _explain_deletion(deleted: Deleted) -> None:
    from dpif.program.explain import shown_flow

    sys.stdout.write(f"taken back, {deleted.reason}: {shown_flow(deleted.flow, deleted.actions)}\n")
    sys.stdout.flush()


def _play(context: Context, file: File, words: list[str]) -> int:
    from dpif.program.dry import play

    with context.failing(f"playing {context.options.pcap}"):
        report = play(
            file.program, context.options.pcap, words or _DRY_PORTS, _options(context), context.options.out_dir
        )
        context.print(report)
    return 1 if report.failed else 0


def _serve(context: Context, file: File, datapath: Datapath, words: list[str], created: bool) -> int:
    from dpif.cli.commands.ports import parse_interface, port_settings
    from dpif.program.runner import Runner

    keep = False  # what never began keeps nothing
    try:
        with context.failing(f"running on {datapath}"):
            ports = {interface.name: port_settings(interface) for interface in map(parse_interface, words)}
            runner = Runner(file.program, datapath, ports, _options(context))
            keep = bool(context.options.keep)
            try:
                _run_until_stopped(context, file, runner)
            finally:
                runner.close(keep_ports=keep, keep_flows=keep)
    finally:
        if created and not keep:
            with contextlib.suppress(NoSuchObject):
                datapath.destroy()
    return 1 if runner.errors else 0


def _run_until_stopped(context: Context, file: File, runner: Runner) -> None:
    from dpif.program.loop import on_signals

    line = LiveLine()
    with on_signals(runner.stop):
        context.note(f"running {file.path} on {runner.datapath}; Ctrl-C ends it")
        while not runner.stopped:
            _turn(context, file, runner)
            line.show_now_and_then(lambda: _describe(runner))
        line.show(_describe(runner))
        line.end()


def _turn(context: Context, file: File, runner: Runner) -> None:
    runner.step(_LOOK)
    if runner.options.workers or not file.changed():
        return
    try:
        runner.replace(file.reload())
    except Exception as error:  # as above; what runs goes on
        context.note(f"run: {file.path} was saved, and what ran before goes on: {_told(error)}")
    else:
        context.note(f"run: {file.path} was saved, and is running")


def _describe(runner: Runner) -> str:
    c = runner.counters
    return (
        f"came up {c.upcalls} | flows {c.flows} (+{c.installed} -{c.deleted}), masks {c.masks}, decided again "
        f"{c.revalidated} | failed {c.failed}, ports {c.ports}"
    )
