"""Runs one command in the lab: prepares, boots, carries the streams, ends, tidies up.

Owns the order of things, the deadline, and which machine comes next when one does not boot. `run` is the
interface, `run_on` its part for one machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dpif._typing import Protocol
from dpif.errors import ParseError
from dpif.lab import guest, kernels, kvm
from dpif.lab.errors import LabFailed, LabTimeout, LabUnavailable, NotBooted
from dpif.lab.host import Machine
from dpif.lab.kernel import Kernel, Lines
from dpif.lab.qemu import Qemu
from dpif.lab.streams import Console, Relay, framed, pump, terminal_taken
from dpif.lab.telling import Tell, silent
from dpif.lab.uml import UserModeLinux

__all__ = ["machines", "packages", "run", "run_on"]

#: How often, in seconds, the loop looks at what cannot be polled: the deadline, files, the process.
TICK = 0.05


class HasFileno(Protocol):
    """An open file, as `subprocess` understands it."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


Stream = int | HasFileno | None


def run(
    command: Sequence[str] = (),
    *,
    timeout: float | None = None,
    memory: str = "2G",
    modules: Sequence[str] = (),
    kernel: str | None = None,
    qemu: bool | None = None,
    cpus: int | None = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    tell: Tell = silent,
    verbose: bool = False,
) -> int:
    """Run `command` (else the user's shell) on a fresh kernel with openvswitch; return its exit status.

    The status is 128 + n when signal n ended the command. ``timeout`` is in seconds and bounds everything.
    ``modules`` are loaded before, besides openvswitch and veth. ``kernel`` is 6.1, 6.12 or newest; without it the
    kernel is the one of this machine's own Debian. ``qemu`` boots the second lane, on ``cpus`` CPUs (2 unless given);
    False does not, and None does where user-mode Linux does not boot. Streams are descriptors or open files; None
    is this process's own, and ``subprocess.DEVNULL`` works for stdin. The environment and the directory are
    this process's own unless given. When all three streams are terminals the command has the terminal;
    otherwise it sees three pipes, and Ctrl-C (KeyboardInterrupt here) ends the guest. When the reader of its
    output goes away the guest ends, with status 141 (SIGPIPE).

    ``tell`` takes a line whenever something else is done than was asked for, or a kernel is fetched; if ``verbose``
    also one about the machine that boots.

    Raises `LabUnavailable`, `LabFailed`, `LabTimeout`, and `ParseError` for a bad size, number of CPUs
    or module name, or an unknown kernel.
    """
    failures: list[tuple[Machine, LabUnavailable | NotBooted]] = []
    deadline = time.monotonic() + timeout if timeout is not None else float("inf")
    for machine in machines(kernel, qemu, cpus):
        try:
            return run_on(
                machine,
                command,
                deadline=deadline,
                memory=memory,
                modules=modules,
                streams=(stdin, stdout, stderr),
                env=dict(os.environ if env is None else env),
                cwd=os.fspath(cwd) if cwd is not None else os.getcwd(),
                tell=tell,
                verbose=verbose,
                instead=str(failures[-1][1]) if failures else "",
            )
        except (LabUnavailable, NotBooted) as error:
            failures.append((machine, error))
        except TimeoutError:
            raise LabTimeout(timeout or 0) from None
    if len(failures) == 1:
        raise failures[0][1]
    raise LabUnavailable("\n".join(f"{machine.name}: {error}" for machine, error in failures))


def machines(kernel: str | None, qemu: bool | None, cpus: int | None) -> Iterator[Machine]:
    """Yield what may run the guest; the next is for when the one before is not there or does not boot."""
    if kernel is not None:
        kernels.check_name(kernel)
    if not qemu and cpus not in (None, 1):
        raise ParseError("user-mode Linux has one CPU", hint="several are on the second lane: --qemu")
    if not qemu:
        yield UserModeLinux(kernel)
    if qemu is not False:
        machine = Qemu(2 if cpus is None else cpus, kernel)
        yield machine
        if machine.accelerated:
            kvm.forget_it()
            yield Qemu(2 if cpus is None else cpus, kernel, accelerate=False)


def packages(kernel: str | None = None, qemu: bool | None = None) -> list[str]:
    """Return the Debian packages that the lab takes on this machine, for a script that installs them."""
    return sorted(next(machines(kernel, qemu, None)).packages())


def run_on(
    machine: Machine,
    command: Sequence[str],
    *,
    deadline: float,
    memory: str = "2G",
    modules: Sequence[str] = (),
    streams: tuple[Stream, Stream, Stream] = (None, None, None),
    env: Mapping[str, str],
    cwd: str,
    tell: Tell = silent,
    verbose: bool = False,
    instead: str = "",
) -> int:
    """Run `command` on `machine` as `run` does; raise TimeoutError at `deadline`, `NotBooted` for another to try.

    `instead` says why another machine does not run it.
    """
    for name in modules:
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ParseError(f"not a module name: {name}")
    modules_dir = machine.prepare(tell)
    if instead:
        tell(f"{instead}; going on with {machine.name}")
    if verbose:
        tell(machine.describe())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signals_raise())
        own_streams = _Streams(stack, *streams)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dpif-lab-")))
        init = guest.write_scripts(
            directory,
            command or [env.get("SHELL", "/bin/sh")],
            env=env,
            cwd=cwd,
            modules=modules,
            modules_dir=modules_dir,
            hidden=machine.hidden,
            devices=machine.devices,
            terminal=own_streams.are_terminal,
        )
        pipes = _Pipes(stack)
        kernel = machine.boot(init, directory, memory, pipes.guest_ends)
        stack.callback(kernel.end)
        pipes.close_guest_ends()
        return _Session(kernel, directory, own_streams, pipes, stack).drive(deadline, machine.boot_seconds)


class _Streams:
    """The caller's three streams as descriptors."""

    def __init__(self, stack: contextlib.ExitStack, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
        for own in (sys.stdout, sys.stderr):
            if own is not None:
                own.flush()
        if stdin == subprocess.DEVNULL:
            stdin = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, stdin)
        self.stdin = _descriptor(stdin, 0)
        self.stdout = _descriptor(stdout, 1)
        self.stderr = _descriptor(stderr, 2)
        self.are_terminal = all(os.isatty(stream) for stream in (self.stdin, self.stdout, self.stderr))


def _descriptor(stream: Stream, default: int) -> int:
    if stream is None:
        return default
    return stream if isinstance(stream, int) else stream.fileno()


class _Pipes:
    """One pipe for each line between host and guest. Attributes are the host's ends."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        guest_input, self.input = os.pipe()
        guest_control, self.control = os.pipe()
        self.output, guest_output = os.pipe()
        self.errors, guest_errors = os.pipe()
        self.console, guest_console = os.pipe()
        self.guest_ends = Lines(guest_input, guest_control, guest_output, guest_errors, guest_console)
        self._open_guest_ends = list(self.guest_ends)
        stack.callback(self.close_guest_ends)
        for descriptor in (self.input, self.control, self.output, self.errors, self.console):
            stack.callback(os.close, descriptor)

    def close_guest_ends(self) -> None:
        """Close them on this side, so that the end of the guest ends what it writes."""
        while self._open_guest_ends:
            os.close(self._open_guest_ends.pop())


class _Session:
    """A booted guest, from here to its end."""

    def __init__(
        self,
        kernel: Kernel,
        directory: Path,
        streams: _Streams,
        pipes: _Pipes,
        stack: contextlib.ExitStack,
    ) -> None:
        self._kernel = kernel
        self._directory = directory
        self._streams = streams
        self._pipes = pipes
        self._stack = stack
        self._started = False
        self._console = Console(pipes.console)
        self._outputs = [Relay(pipes.output, streams.stdout), Relay(pipes.errors, streams.stderr)]
        self._relays: list[Relay | Console] = [self._console, *self._outputs]

    def drive(self, deadline: float, boot_seconds: float) -> int:
        """Carry the streams until the guest is gone; return the status. Raises TimeoutError at `deadline`."""
        boot_deadline = time.monotonic() + boot_seconds
        while True:
            ended = self._kernel.has_ended()
            moved = pump(self._relays, 0 if ended else TICK)
            if any(relay.broken for relay in self._outputs):
                return 128 + signal.SIGPIPE
            if not self._started:
                self._look_for_start(boot_deadline)
            if ended and not moved:
                return self._status()
            if time.monotonic() > deadline:
                raise TimeoutError

    def _look_for_start(self, boot_deadline: float) -> None:
        if guest.has_started(self._directory):
            self._started = True
            self._connect_input()
        elif time.monotonic() > boot_deadline:
            raise self._failed("the lab did not start in time")

    def _connect_input(self) -> None:
        """Let the caller's input through, from now on: before, the guest's lines were not set up."""
        if self._streams.are_terminal:
            self._stack.enter_context(terminal_taken(self._streams.stdin, self._pipes.control))
            self._relays.append(Relay(self._streams.stdin, self._pipes.input))
        else:
            self._relays.append(Relay(self._streams.stdin, self._pipes.input, framed))

    def _status(self) -> int:
        status = guest.read_status(self._directory)
        if status is not None:
            return status
        raise self._failed("the lab died before the command ended" if self._started else "the lab did not start")

    def _failed(self, reason: str) -> LabFailed:
        booted = guest.has_booted(self._directory)
        return (LabFailed if booted else NotBooted)(reason, self._console.text())


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit (128 + n) where they would end this process on the spot.

    So the guest and its files go first. Python allows this in the main thread only.
    """

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    with contextlib.ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGHUP):
            in_main_thread = threading.current_thread() is threading.main_thread()
            if in_main_thread and signal.getsignal(number) is signal.SIG_DFL:
                stack.callback(signal.signal, number, signal.signal(number, leave))
        yield
