"""What one plays with (`Room`): hosts at the ports of a datapath in user space, and a shell that reaches them all.

A host is a network namespace, `Host` of `dpif.testing.netns`. ``h1 COMMAND`` runs a command there, and the names of
the hosts are known wherever an address is: ``h1 ping h2``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dpif._open import open as open_datapath
from dpif._typing import Final, Self
from dpif.errors import Unavailable
from dpif.netlink.unix import SOCKET_VARIABLE
from dpif.odp.constants.datapath import DatapathFeature
from dpif.play.sandbox import BIND, mount
from dpif.testing import netns
from dpif.userspace.server import Server
from dpif.userspace.system import UserspaceSystem

__all__ = ["DATAPATH", "Room"]

DATAPATH: Final = "netdev@play"
_DIRECTORY: Final = Path("/run/dpif-play")
_NAMES: Final = "/etc/hosts"
_TIME_TO_LISTEN: Final = 10.0
"""Seconds that a program is given until it listens, before the first command goes on without."""


class Room:
    """Hosts and a datapath, in the namespaces of this process; a context manager."""

    def __init__(self, hosts: int) -> None:
        self._count = hosts
        self.environ = dict(os.environ)
        self._addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._enter(stack)
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def _enter(self, stack: contextlib.ExitStack) -> None:
        _DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        socket = str(_DIRECTORY / "dpif.sock")
        commands = _DIRECTORY / "bin"
        commands.mkdir(exist_ok=True)
        try:
            hosts = stack.enter_context(netns.hosts(self._count))
        except netns.CommandFailed as error:
            raise Unavailable(f"making the hosts failed: {error}; it takes the Debian package iproute2") from None
        stack.enter_context(_served(socket))
        self._datapath = stack.enter_context(open_datapath(DATAPATH, create=True, socket=socket))
        for host in hosts:
            self._datapath.ports.add(host.port)
            _add_command(commands / host.namespace.name, host.namespace.name)
        self._addresses = {host.namespace.name: host.address for host in hosts}
        _name(self._addresses)
        self.environ |= {
            SOCKET_VARIABLE: socket,
            "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        }

    def await_listener(self, is_vain: Callable[[], bool]) -> None:
        """Wait until somebody listens to what comes up, for some seconds, and no longer than it is not in vain."""
        end = time.monotonic() + _TIME_TO_LISTEN
        while not is_vain() and time.monotonic() < end:
            if self.is_heard():
                return
            time.sleep(0.02)

    def is_heard(self) -> bool:
        """Tell whether somebody listens to what comes up, of all ports at once or of some."""
        at_once = self._datapath.user_features & DatapathFeature.DISPATCH_UPCALL_PER_CPU
        return bool(at_once) or any(any(port.upcall_pids) for port in self._datapath.ports)

    def describe(self, program: str) -> str:
        """Return what there is, and what to do with it."""
        first, last = next(iter(self._addresses)), next(reversed(self._addresses))
        return (
            f"{program} runs on {DATAPATH}, between the hosts {first} ({self._addresses[first]}) to "
            f"{last} ({self._addresses[last]}); "
            f"try '{first} ping -c 3 {last}', 'dpif dump-flows {DATAPATH}'; 'exit' ends it"
        )

    def run(self, command: Sequence[str]) -> int:
        """Run a command, or a shell, where ``h1`` and the like are commands; return its exit status."""
        try:
            return subprocess.run([*command] or _shell(), env=self.environ).returncode
        except FileNotFoundError:
            raise Unavailable(f"there is no command {command[0]!r}; hosts are {', '.join(self._addresses)}") from None


@contextlib.contextmanager
def _served(socket: str) -> Iterator[None]:
    """Serve datapaths in user space at `socket`, in a thread."""
    with UserspaceSystem() as system, Server(system, socket) as server:
        thread = threading.Thread(target=server.run, name="dpif-play-server", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.stop()
            thread.join()


def _add_command(path: Path, host: str) -> None:
    """Make the command that runs others in a host; without any a shell."""
    path.write_text(f'#!/bin/sh\n[ $# -gt 0 ] || set -- sh\nexec nsenter --net=/run/netns/{host} -- "$@"\n')
    path.chmod(0o755)


def _name(addresses: dict[str, str]) -> None:
    """Let the names of hosts be known, as in /etc/hosts, to every process in the room."""
    if not os.path.isfile(_NAMES):
        return
    names = _DIRECTORY / "hosts"
    lines = "".join([f"{address} {name}\n" for name, address in addresses.items()])
    names.write_bytes(Path(_NAMES).read_bytes() + b"\n" + lines.encode())
    mount(str(names), _NAMES, flags=BIND)


def _shell() -> list[str]:
    """Return the command line of a shell whose prompt tells where one is."""
    if not (shutil.which("bash") and sys.stdin.isatty()):
        return ["sh"]
    settings = _DIRECTORY / "shell"
    settings.write_text("[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='play> '\n")
    return ["bash", "--rcfile", str(settings), "-i"]
