"""Namespaces of our own: `entered` makes this process root of a user, network and mount namespace that start empty.

What is done there touches nothing outside, and nothing that was started there stays. Ordinary users may do so where
the system allows user namespaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from dpif._typing import Final
from dpif.errors import Unavailable

__all__ = ["entered", "mount"]

# linux/sched.h, sys/mount.h
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_MS_REC: Final = 1 << 14
_MS_PRIVATE: Final = 1 << 18
BIND: Final = 1 << 12
"""MS_BIND: what is there is to be seen in a second place."""

_SWITCHES: Final = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "10000"),
}
"""Settings below /proc/sys that forbid user namespaces: the value that does, and one that does not."""
_TIME_TO_END: Final = 1.0
"""Seconds that what is told to end is given for it."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def entered() -> Iterator[None]:
    """Enter the namespaces, for good; at the end whatever else still runs in them is ended.

    This process may have one thread only. Raises `Unavailable`, which says what to do.
    """
    _enter()
    try:
        yield
    finally:
        _end_others()


def _enter() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS)
    except OSError as error:
        if user:
            raise _forbidden(error) from None
        _as_root()
    else:
        _become_root(user, group)
    try:
        mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
        mount("none", "/run", "tmpfs")
    except OSError as error:
        raise _forbidden(error) from None


def _as_root() -> None:
    """Do without a user namespace: who is root already needs none, and some kernels have none."""
    try:
        _unshare(_CLONE_NEWNET | _CLONE_NEWNS)
    except OSError as error:
        raise _forbidden(error) from None


def _become_root(user: int, group: int) -> None:
    """Say who of the namespace is who outside: its root is the user who entered it, and nobody else is there."""
    try:
        for name, text in (("uid_map", f"0 {user} 1"), ("setgroups", "deny"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError as error:
        raise _forbidden(error) from None


def _end_others() -> None:
    """End the other processes in the namespaces: jobs that a shell left behind hold hosts and files."""
    asked: set[int] = set()
    end = time.monotonic() + _TIME_TO_END
    while (others := _others()) and time.monotonic() < end + _TIME_TO_END:  # a few cannot be ended for the moment
        is_late = time.monotonic() > end
        for process in others if is_late else others - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= others
        time.sleep(0.02)


def _others() -> set[int]:
    """Return the processes that have this one's mount namespace, which no process outside has."""
    ours = os.readlink("/proc/self/ns/mnt")
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):  # it is gone, or somebody else's
                if os.readlink(f"/proc/{entry}/ns/mnt") == ours:
                    found.add(int(entry))
    return found


def _unshare(kinds: int) -> None:
    if _LIBC.unshare(kinds):
        raise _last_error()


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    """Mount `source` at `target`, as mount(2) does."""
    if _LIBC.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), None):
        raise _last_error()


def _last_error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


def _forbidden(error: OSError) -> Unavailable:
    return Unavailable(
        f"this system lets this user make no namespaces of its own ({error.strerror}): {_advice()}, or play in a "
        "kernel of its own, 'dpif lab -- dpif play'",
        error.errno or errno.EPERM,
    )


def _advice() -> str:
    """Return what makes it possible: the setting that forbids it, where there is one."""
    for name, (forbids, allows) in _SWITCHES.items():
        try:
            found = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if found == forbids:
            return f"allow it, as root, by 'sysctl {name.replace('/', '.')}={allows}'"
    return "run it as root ('sudo dpif play'); in a container, start that with more rights (docker run --privileged)"
