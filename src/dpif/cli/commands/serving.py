"""``serve``: serve datapaths in user space to other processes, in the foreground or detached, and end such a server.

The socket is there before the engine is loaded: who connects meanwhile waits for the server's first word, so that
``dpif serve & dpif add-dp netdev@br0`` works on a machine of any speed.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

from dpif._typing import TYPE_CHECKING, Final
from dpif.cli.commands.programs import unblock_signals
from dpif.cli.errors import CommandError
from dpif.cli.numbers import read_number
from dpif.errors import ParseError, Unavailable, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from dpif.cli.context import Context
    from dpif.userspace.engine.limits import Limits
    from dpif.userspace.underlays.host import HostUnderlay

_TIME_TO_END: Final = 10.0
"""Seconds that a server is given to end."""


def serve(context: Context) -> int:
    """Serve datapaths in user space to other processes until Ctrl-C, or ``--stop`` by another command line."""
    from dpif.netlink.unix import default_socket_path

    path = context.options.socket or default_socket_path()
    if context.options.stop:
        return _stop(context, path)
    limits = _limits(context.options.max or ())
    if context.options.detach:
        return _detach(context, path, limits)
    _serve(context, path, limits, lambda: context.note(f"serving datapaths at {path}, {_USE}; Ctrl-C ends it"))
    return 0


_USE: Final = "to be named netdev@NAME"


def _serve(context: Context, path: str, limits: Limits, ready: Callable[[], None]) -> None:
    from dpif.odp.kernel.rules import features_of
    from dpif.userspace.listening import Place

    kernel = context.options.like or "newest"
    features_of(kernel)  # or it is an error, before there is a socket
    underlay = _underlay(context.options.local_ip or ())
    unblock_signals()
    signal.signal(signal.SIGTERM, _leave)  # until the server minds it
    place = Place(path)
    try:
        from dpif.userspace.server import serve as serve_until_signal

        serve_until_signal(place, underlay, limits=limits, kernel=kernel, ready=lambda _: ready())
    finally:
        place.close()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _underlay(addresses: Iterable[str]) -> HostUnderlay:
    from dpif.userspace.underlays.host import HostUnderlay

    try:
        return HostUnderlay(*addresses)
    except ValueError as error:
        raise ParseError(f"--local-ip: {error}") from None


def _limits(settings: Iterable[str]) -> Limits:
    """Return the limits that ``NAME=NUMBER`` change."""
    from dpif.userspace.engine.limits import Limits

    limits = Limits()
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in limits._fields:
            raise ParseError(f"--max: there is no bound {brief(name)}, but {', '.join(limits._fields)}")
        number = read_number(text)
        if number is None or number > sys.maxsize:
            raise ParseError(f"--max {name}: not a number: {brief(text)}")
        limits = limits._replace(**{name: number})
    return limits


def _detach(context: Context, path: str, limits: Limits) -> int:
    """Serve in a process of its own, of no terminal; return when it serves, or has failed and said why."""
    context.flush()
    ready, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        return _await(context, path, child, ready)
    os.close(ready)
    os.setsid()

    def is_ready() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)
        try:
            os.write(told, b".")
        except BrokenPipeError:  # who asked for this server has gone, and will never hear of it
            sys.exit(1)
        os.close(told)

    _serve(context, path, limits, is_ready)
    return 0


def _await(context: Context, path: str, child: int, ready: int) -> int:
    """Wait until the server says that it serves, and tell of it; a wait that is broken off ends it."""
    try:
        with os.fdopen(ready, "rb") as end:
            is_serving = end.read(1) == b"."
        if is_serving:
            context.note(f"serving datapaths at {path}, {_USE}, as process {child}; 'dpif serve --stop' ends it")
    except BaseException:
        os.kill(child, signal.SIGTERM)
        raise
    return 0 if is_serving else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _stop(context: Context, path: str) -> int:
    """End the server at `path`, and wait until it has ended."""
    import select

    from dpif.netlink.unix import server_process

    try:
        process = server_process(path)
        descriptor = os.pidfd_open(process)
    except Unavailable as error:
        if error.errno == errno.ENOENT:
            raise CommandError(f"nothing to stop: no server listens at {path}") from None
        raise
    except ProcessLookupError:  # it is ending
        return 0
    try:
        os.kill(process, signal.SIGTERM)
        if not select.select([descriptor], [], [], context.timeout or _TIME_TO_END)[0]:
            raise CommandError(
                f"process {process}, which serves at {path}, does not end; 'kill -9 {process}' ends it"
            )
    except PermissionError:
        raise CommandError(f"process {process}, which serves at {path}, is another user's") from None
    finally:
        os.close(descriptor)
    context.note(f"stopped process {process}, which served datapaths at {path}")
    return 0
