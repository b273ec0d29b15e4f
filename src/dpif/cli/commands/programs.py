"""The commands that run for long: the switch, play, the lab, the demonstration; the server is in `serving`."""

from __future__ import annotations

import os
import sys
import time

from dpif._typing import TYPE_CHECKING
from dpif.cli.numbers import read_number
from dpif.errors import NoSuchObject, ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

_QUIET_INTERVAL = 10.0
"""Seconds between lines where no terminal shows them one in place of the other."""

_HOSTS = 3
_MOST_HOSTS = 100
_LONGEST_SIZE = 20
"""Characters of a size of memory; more are none of this world."""


def switch(context: Context) -> None:
    """Run a learning switch on a datapath, which is made if it is not there; Ctrl-C ends it."""
    from dpif.apps.switch import run_switch
    from dpif.cli.commands.ports import parse_interface, port_settings

    unblock_signals()
    name, *texts = context.words
    with context.failing(f"switching on {name}"):
        ports = {interface.name: port_settings(interface) for interface in map(parse_interface, texts)}
    datapath, created = open_or_create(context, name)
    line = LiveLine()
    with datapath, context.failing(f"switching on {name}"):
        run_switch(
            datapath,
            ports,
            created=created,
            keep=context.options.keep,
            report=line.show,
            interval=line.interval,
            started=lambda _: context.note(f"switching on {datapath}; Ctrl-C ends it"),
        )
        line.end()


def unblock_signals() -> None:
    """Let the signals come that end what runs until then: a parent may have left them blocked."""
    import signal

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def open_or_create(context: Context, name: str) -> tuple[Datapath, bool]:
    """Return the datapath of a name, and whether it had to be made."""
    with context.failing("opening datapath"):
        try:
            return context.open(name), False
        except NoSuchObject:
            return context.open(name, create=True), True


class LiveLine:
    """A line on stdout that is rewritten on a terminal, and repeated now and then elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self.interval = 1.0 if self._is_terminal else _QUIET_INTERVAL
        self._next = time.monotonic() + self.interval

    def show(self, text: str) -> None:
        """Show `text` in place of what was shown before: in one line, or it could not be taken back."""
        if self._is_terminal:
            text = f"\r{text[: os.get_terminal_size(sys.stdout.fileno()).columns - 1]}\x1b[K"
        sys.stdout.write(text if self._is_terminal else f"{text}\n")
        sys.stdout.flush()

    def show_now_and_then(self, text: Callable[[], str]) -> None:
        """Show what `text` returns, if it is time again."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self.interval
            self.show(text())

    def end(self) -> None:
        """Leave the last line as it is."""
        if self._is_terminal:
            sys.stdout.write("\n")


def lab(context: Context) -> int:
    """Run a command in the lab; return its exit status, or the lab's own."""
    from dpif import lab

    if context.options.packages:
        context.print_lines([" ".join(lab.packages(context.options.kernel, context.options.qemu))])
        return 0
    if sys.stderr.isatty():  # it takes seconds; a script waits anyway
        context.note("lab: booting a Linux kernel; the files in it are this machine's, and can be written")
    try:
        return lab.run(
            context.words,
            timeout=context.timeout,
            memory=_memory(context.options.mem),
            modules=context.options.module or (),
            kernel=context.options.kernel,
            qemu=context.options.qemu,
            cpus=_number_of_cpus(context.options.cpus),
            tell=lambda line: context.note(f"lab: {line}"),
            verbose=bool(context.options.verbose),
        )
    except (lab.LabUnavailable, lab.LabFailed, lab.LabTimeout) as error:
        for line in str(error).splitlines():  # the console's are among them
            context.report(f"lab: {line}")
        return error.exit_status


def _number_of_cpus(text: str | None) -> int | None:
    number = None if text is None else read_number(text)
    if text is not None and number is None:
        raise ParseError(f"not a number of CPUs: {text}")
    return number


def _memory(text: str | None) -> str:
    if text is not None and len(text) > _LONGEST_SIZE:
        raise ParseError(f"not a size of memory: {text}")
    return text or "2G"


def play(context: Context) -> int:
    """Run a program, or the learning switch, between hosts in namespaces; return the exit status of what was run."""
    from pathlib import Path

    from dpif.play import play as play_with

    program = Path(context.words[0]) if context.words and context.words[0].endswith(".py") else None
    hosts = _number_of_hosts(context.options.hosts)
    with context.failing("playing"):
        return play_with(
            program,
            context.words[program is not None :],
            hosts=hosts,
            note=lambda text: context.note(f"play: {text}"),
        )


def _number_of_hosts(text: str | None) -> int:
    number = _HOSTS if text is None else read_number(text)
    if number is None or not 1 <= number <= _MOST_HOSTS:
        raise ParseError(f"--hosts: not a number from 1 to {_MOST_HOSTS}: {(text or '')[:_LONGEST_SIZE]}")
    return number


def demo(context: Context) -> int:
    """Run the demonstration; return its exit status."""
    from dpif.demo import run

    return run()
