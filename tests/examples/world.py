"""Real hosts for the examples: namespaces at the ports of a datapath, and what they say to each other over TCP.

The tests know no more of the datapath than that: the same run on the kernel's and on that in user space.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import dpif
from dpif.errors import NoSuchObject
from dpif.program import Options, Program, Runner
from dpif.testing import netns
from dpif.testing.netns import Host
from dpif.testing.traffic import ping
from dpif.testing.waiting import PATIENCE, eventually

KERNEL, USERSPACE = "system", "netdev"
_ROUNDS = 30


class World:
    """A datapath of one kind and hosts at its ports, all of which go with `stack`."""

    def __init__(self, stack: ExitStack, kind: str) -> None:
        self.kind = kind
        self.hosts: list[Host] = []
        self._stack = stack
        self._opened = stack.enter_context(opened(kind))

    def host(self, address: str, gateway: str = "") -> Host:
        """Add a host with an address (10.0.0.1/24), whose MAC ends in its number."""
        number = len(self.hosts) + 1
        name = f"x{os.getpid()}-{number}"
        host = Host(netns.Namespace(name), f"p{name}", address.partition("/")[0])
        self._stack.enter_context(host.namespace)
        self._stack.callback(netns.delete_link, host.port)
        host.namespace.add_veth("eth0", host.port, address, mac=mac_of(number), gateway=gateway)
        self.hosts.append(host)
        return host

    @contextlib.contextmanager
    def running(self, program: Program) -> Iterator[Runner]:
        """Let a program run between the hosts, and hold it to report nothing; its masks are tried out."""
        reports: list[str] = []
        options = Options(check=True, report=reports.append)
        with Runner(program, self._opened, [host.port for host in self.hosts], options) as runner, at_work(runner):
            yield runner
        assert not reports

    def tell(self, what: str, seconds: float) -> None:
        """Say how long something took, for who runs the tests with -s or reads what failed."""
        print(f"{self.kind}: {what} {max(0.0, seconds) * 1000:.0f} ms")


def mac_of(number: int) -> str:
    """Return the MAC of a host by its number."""
    return f"02:00:00:00:00:{number:02x}"


@contextlib.contextmanager
def opened(kind: str) -> Iterator[dpif.Datapath]:
    """Make a datapath, in the network namespace of the caller."""
    if kind == USERSPACE:
        with dpif.Userspace() as us:
            us.start()
            with us.open("br0", create=True) as dp:
                yield dp
        return
    with dpif.open("dp0", create=True) as dp:
        try:
            yield dp
        finally:
            with contextlib.suppress(NoSuchObject):
                dp.destroy()


@contextlib.contextmanager
def at_work(runner: Runner) -> Iterator[None]:
    """Let a runner work in a thread."""
    thread = threading.Thread(target=runner.run, name="program")
    thread.start()
    try:
        yield
    finally:
        runner.stop()
        thread.join()


@contextlib.contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread until the end of the block; what closed sockets say then is no error."""

    def until_closed() -> None:
        with contextlib.suppress(OSError):
            work()

    thread = threading.Thread(target=until_closed)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def service(host: Host, port: int) -> Iterator[None]:
    """Have a host listen on a TCP port, and tell its name for whatever it is sent."""
    listener = host.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host.address, port))
    listener.listen()
    connections: list[socket.socket] = []

    def accept_all() -> None:
        while True:
            connection, _ = listener.accept()
            connections.append(connection)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while connection.recv(4096):
                connection.sendall(host.namespace.name.encode())

    with in_thread(accept_all):
        try:
            yield
        finally:
            for each in (listener, *connections):
                hang_up(each)


def hang_up(connected: socket.socket) -> None:
    """Close a socket that another thread may wait at."""
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
    connected.close()


class Talk:
    """A TCP connection from a host to a `service`; a context manager."""

    def __init__(self, source: Host, address: str, port: int) -> None:
        self._socket = source.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect((address, port))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *exception: object) -> None:
        hang_up(self._socket)

    def ask(self) -> str:
        """Send something; return the name of the host that answers."""
        self._socket.sendall(b"?")
        return self._socket.recv(4096).decode()


class Stream(Talk):
    """A connection on which one question follows the other: ``answers`` came, the last one at ``last``."""

    answers = 0
    last = 0.0

    def __enter__(self) -> Stream:
        self._stack = ExitStack()
        self._stack.enter_context(in_thread(self._go_on))
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__()
        self._stack.close()

    def _go_on(self) -> None:
        while self.ask():
            self.last = time.monotonic()
            self.answers += 1


def reaches(source: Host, target: Host) -> bool:
    """Wait until a ping is answered: while a router asks where somebody is, packets are lost."""
    eventually(lambda: ping(source, target, count=1, patience=0.5).received == 1)
    return True


def goes_on(stream: Stream) -> bool:
    """Wait until a stream has had some more answers."""
    enough = stream.answers + _ROUNDS
    eventually(lambda: stream.answers >= enough)
    return True


def stands_still(stream: Stream, beside: Stream) -> bool:
    """Wait until a stream has no answer while another one, on the same way, has some: that one is the clock."""

    def has_none() -> bool:
        before = stream.answers
        return goes_on(beside) and stream.answers == before

    eventually(has_none)
    return True
