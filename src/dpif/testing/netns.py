"""Network namespaces and veth pairs for tests and demonstrations, by the ``ip`` command.

Owns their making and their removal; knows nothing of datapaths. Needs root (or the lab) and iproute2. A namespace
here sends nothing by itself: IPv6 is off in it unless asked for, so that counters count what the caller sent.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from dpif._typing import Any, NamedTuple, Self, TypeVar
from dpif.errors import DpifError
from dpif.testing.waiting import PATIENCE, eventually

__all__ = ["CommandFailed", "Host", "Namespace", "await_running", "delete_link", "hosts", "ip", "ip_batch", "run"]

T = TypeVar("T")

#: From <linux/sched.h>: the kind of namespace that setns(2) is to enter.
_CLONE_NEWNET = 0x40000000
_DIRECTORY = "/run/netns"
_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40
_FLAGS = struct.Struct("=H")  # of struct ifreq, behind the name


class CommandFailed(DpifError):
    """A program ended with another status than 0, or did not end in time; the message has what it said."""


def run(*argv: str, timeout: float = PATIENCE, stdin: str = "") -> str:
    """Run a program; return its standard output. Raises `CommandFailed`; `timeout` is in seconds."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=stdin)
    except FileNotFoundError:
        raise CommandFailed(f"{argv[0]}: not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{' '.join(argv)}: not done after {timeout:g} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).replace("\n", "; ")
        raise CommandFailed(f"{' '.join(argv)}: {said or f'exit status {done.returncode}'}")
    return done.stdout


def ip(*arguments: str) -> str:
    """Run the ``ip`` command in the current namespace; return its output."""
    return run("ip", *arguments)


def ip_batch(*commands: str, namespace: str = "") -> None:
    """Run several ``ip`` commands in one process, up to the first that fails; raise `CommandFailed`.

    They are for the current namespace, or for the one of that name.
    """
    where = ("-n", namespace) if namespace else ()
    run("ip", *where, "-batch", "-", stdin="".join(f"{command}\n" for command in commands))


def await_running(device: str) -> None:
    """Wait until a device of this namespace is up and has its link.

    The kernel learns of a veth's link in a work item of its own; until that has run, the device drops what it is to
    send.
    """
    request = struct.pack("16s24x", device.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:

        def is_running() -> bool:
            answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
            return bool(_FLAGS.unpack_from(answer, 16)[0] & _IFF_RUNNING)

        eventually(is_running)


def delete_link(name: str) -> None:
    """Remove a network device of this namespace, and its peer; nothing happens when it is not there."""
    with contextlib.suppress(CommandFailed):
        ip("link", "delete", name)


class Namespace:
    """A named network namespace; as a context manager it is there inside the ``with`` block.

    Its loopback device is up. `ipv6` leaves IPv6 on.
    """

    def __init__(self, name: str, *, ipv6: bool = False) -> None:
        self.name = name
        self._ipv6 = ipv6
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.create()
        return self

    def __exit__(self, *exception: object) -> None:
        self.delete()

    def create(self) -> None:
        """Make the namespace. Raises `CommandFailed`, for example when the name is taken."""
        ip("netns", "add", self.name)
        if not self._ipv6:
            self.call(_switch_ipv6_off)
        self.ip("link", "set", "lo", "up")

    def delete(self) -> None:
        """Kill what `start` started, then remove the namespace; its devices go with it."""
        for process in self._started:
            process.kill()
            process.wait()
        self._started.clear()
        ip("netns", "delete", self.name)

    def ip(self, *arguments: str) -> str:
        """Run the ``ip`` command in this namespace; return its output."""
        return ip("-n", self.name, *arguments)

    def run(self, *argv: str, timeout: float = PATIENCE) -> str:
        """Run a program in this namespace; return its standard output. Raises `CommandFailed`."""
        return run(*self._inside(argv), timeout=timeout)

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program in this namespace, with the options of `subprocess.Popen`; `delete` kills it."""
        process = subprocess.Popen(self._inside(argv), **options)
        self._started.append(process)
        return process

    def call(self, function: Callable[[], T]) -> T:
        """Call `function` in this namespace, in a thread of its own; return what it returns, or raise so.

        A socket that it opens stays in this namespace wherever it is used.
        """
        outcome: list[T] = []
        failure: list[BaseException] = []

        def enter_and_call() -> None:
            try:
                with _opened(f"{_DIRECTORY}/{self.name}") as descriptor:
                    _setns(descriptor)
                outcome.append(function())
            except BaseException as error:  # whatever it is belongs to the caller
                failure.append(error)

        thread = threading.Thread(target=enter_and_call, name=f"in {self.name}")
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return outcome[0]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket in this namespace."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    def add_veth(self, device: str, port: str, address: str = "", *, mac: str = "", gateway: str = "") -> None:
        """Make a veth pair, both ends up: `device` here, `port` in the caller's namespace.

        `address` (10.0.0.1/24) and `mac` are given to `device`; the way to everywhere else is by way of `gateway`.
        """
        peer = f"peer name {device} netns {self.name}" + (f" address {mac}" if mac else "")
        ip_batch(f"link add {port} type veth {peer}", f"link set {port} up")
        ip_batch(
            *([f"address add {address} dev {device}"] if address else []),
            f"link set {device} up",
            *([f"route add default via {gateway}"] if gateway else []),
            namespace=self.name,
        )
        await_running(port)

    def _inside(self, argv: tuple[str, ...]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]


class Host(NamedTuple):
    """A namespace that plays a host: its `address`, and the `port` here that its one device is wired to."""

    namespace: Namespace
    port: str
    address: str


@contextlib.contextmanager
def hosts(count: int, prefix: str = "h") -> Iterator[list[Host]]:
    """Make `count` hosts h1, h2, ... in 10.0.0.0/24, wired to ports p-h1, p-h2, ... of this namespace."""
    with contextlib.ExitStack() as stack:
        made = []
        for number in range(1, count + 1):
            host = Host(Namespace(f"{prefix}{number}"), f"p-{prefix}{number}", f"10.0.0.{number}")
            stack.enter_context(host.namespace)
            stack.callback(delete_link, host.port)
            host.namespace.add_veth("eth0", host.port, f"{host.address}/24")
            made.append(host)
        yield made


def _switch_ipv6_off() -> None:
    """Switch IPv6 off for all devices of this namespace, if the kernel has it at all."""
    for scope in ("all", "default"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _setns(descriptor: int) -> None:
    """Move the calling thread into the network namespace of `descriptor` (`os.setns` came with Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
