"""The transport to a service in another process: a Unix socket that keeps datagrams whole (`UnixTransport`).

A server listens on a ``SOCK_SEQPACKET`` socket. What either end sends is a *frame*: a number that says what it
is (`FrameKind`) and, for ``DATA``, a datagram; for the others, numbers in host order::

    HELLO    version, port id     the server's first word to whoever connects
    SPEAK    protocol             the client wants another netlink protocol than generic netlink; its first word
    DATA     a datagram           either way
    OVERRUN                       the server could not keep some datagrams for the receiver, here they are missing
    JOIN     port id, group       become a member of a multicast group
    LEAVE    port id, group       cease to be one
    BOUNDS                        how much is in use of what the server bounds? It answers with lines of text behind
                                  the number: a name, what is in use, the bound
    DONE     errno                the answer to SPEAK, JOIN and LEAVE; 0 is yes. Instead of HELLO: no, and farewell

Group membership is asked for over a connection of its own, so that the answer cannot come between datagrams.

Who may connect is a matter of the file system: the socket and, where it is ours, its directory are their
owner's alone. This file has the client's end and what the two ends agree on; the server is not its business.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import contextlib
import errno
import os
import select
import stat
import struct
import time
from collections.abc import Callable, Iterator
from enum import IntEnum

from dpif._typing import Final, TypeAlias
from dpif.errors import Unavailable, netlink_error
from dpif.netlink.constants import NETLINK_GENERIC

__all__ = [
    "FrameKind",
    "UnixTransport",
    "Waiting",
    "bounds_of_server",
    "default_socket_path",
    "pack_frame",
    "require_private",
    "server_process",
    "socket_address",
    "unpack_frame",
]

PROTOCOL_VERSION: Final = 1
MAX_FRAME: Final = 1 << 20
"""Bytes of the longest frame; a datagram has fewer."""
SOCKET_VARIABLE: Final = "DPIF_SOCKET"
"""The environment variable that names the socket."""
_ANSWER_TIMEOUT: Final = 30.0
"""Seconds that a server may take to say hello, or to change a membership."""
_PAUSE: Final = 0.01
"""Seconds between two looks for a server that is starting."""
_SOON: Final = 2.0
"""Seconds after which somebody who waits for it wants to know what for."""
Waiting: TypeAlias = Callable[[str], None]
"""What is told the path of a server that does not answer soon, while it is waited for."""
_SOCKET_NAME: Final = "dpif.sock"
_LONGEST_ADDRESS: Final = 107
"""Bytes of a path in ``struct sockaddr_un``, whose last is a null."""
_ONE: Final = struct.Struct("=I")
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred
_NUMBERS: Final = (_ONE, struct.Struct("=II"), struct.Struct("=III"))


class FrameKind(IntEnum):
    """What a frame is; see the module's docstring."""

    DATA = 0
    HELLO = 1
    OVERRUN = 2
    JOIN = 3
    LEAVE = 4
    DONE = 5
    SPEAK = 6
    BOUNDS = 7


DATA_HEADER: Final = _ONE.pack(FrameKind.DATA)
"""What stands before a datagram."""


def pack_frame(kind: FrameKind, *numbers: int) -> bytes:
    """Return a frame other than ``DATA``."""
    return _NUMBERS[len(numbers)].pack(kind, *numbers)


def unpack_frame(frame: bytes) -> tuple[int, tuple[int, ...]]:
    """Return kind and numbers of a frame; of ``DATA`` and of anything that is no frame, no numbers."""
    if len(frame) < _ONE.size:
        return -1, ()
    (kind,) = _ONE.unpack_from(frame)
    if kind == FrameKind.DATA:
        return kind, ()
    form = next((form for form in _NUMBERS if form.size == len(frame)), _ONE)
    return kind, form.unpack_from(frame)[1:]


# Where the socket is.


def default_socket_path() -> str:
    """Return where a server listens when nobody says otherwise.

    That is ``$DPIF_SOCKET``; else ``dpif.sock`` in the user's run-time directory (``$XDG_RUNTIME_DIR``, else
    ``/run/user/UID``); else ``dpif-UID/dpif.sock`` in the directory for temporary files.
    """
    named = os.environ.get(SOCKET_VARIABLE)
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    if os.path.isdir(runtime):
        return os.path.join(runtime, _SOCKET_NAME)
    return os.path.join(fallback_directory(), _SOCKET_NAME)


def fallback_directory() -> str:
    """Return the directory of the socket for a user without a run-time directory; it may not exist."""
    # `tempfile` would try by a file whether the directory can be written: a look must do without.
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", _private_name())


def _private_name() -> str:
    return f"dpif-{os.getuid()}"


def require_private(directory: str) -> None:
    """Raise `Unavailable` unless `directory` is ours and nobody else's; anyone may make one of its name."""
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Unavailable(f"{directory} is not a directory of this user alone; remove it", errno.EPERM)


@contextlib.contextmanager
def socket_address(path: str) -> Iterator[str]:
    """Lend what a socket at `path` is bound or connected by: on Linux that works for paths of any length.

    One that is too long for an address is reached through a descriptor of its directory, as ``ovs-vswitchd`` does it.
    """
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS or not hasattr(os, "O_PATH"):
        yield path
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory or os.curdir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


# The client's end.


class UnixTransport:
    """A `Transport` to the server at `path`, speaking a ``NETLINK_*`` protocol.

    For `patience` seconds a server is waited for that may be starting; `waiting` is told of one that hangs. Raises
    `Unavailable` when there is none, it does not answer, or it does not speak that.
    """

    def __init__(
        self,
        path: str | None = None,
        protocol: int = NETLINK_GENERIC,
        *,
        patience: float = 0.0,
        waiting: Waiting | None = None,
    ) -> None:
        self._path = default_socket_path() if path is None else path
        self._socket, self._port_id = _connect_when_there(self._path, patience, waiting)
        if protocol != NETLINK_GENERIC:
            self._speak(protocol)
        self._socket.settimeout(None)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._closed = False

    def _speak(self, protocol: int) -> None:
        try:
            code = _ask(self._path, self._socket, pack_frame(FrameKind.SPEAK, protocol))
            if code:
                raise Unavailable(f"the userspace datapath at {self._path} has no netlink protocol {protocol}", code)
        except BaseException:
            self._socket.close()
            raise

    @property
    def port_id(self) -> int:
        """The port id that the server gave to this end."""
        return self._port_id

    def send(self, datagram: bytes) -> None:
        """Hand a datagram to the server, which acts on it when it reads it."""
        try:
            self._socket.sendmsg([DATA_HEADER, datagram])
        except (BrokenPipeError, ConnectionResetError):
            raise self._gone() from None

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram; see `Transport.recv`. Raises `Unavailable` when the server has gone."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._wait(deadline)
            try:
                frame = self._socket.recv(MAX_FRAME, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                raise self._gone() from None
            if not frame:
                raise self._gone()
            kind, _ = unpack_frame(frame)
            if kind == FrameKind.DATA:
                return frame[_ONE.size :]
            if kind == FrameKind.OVERRUN:
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    def _wait(self, deadline: float | None) -> None:
        if self._closed:
            raise OSError(errno.EBADF, "the transport is closed")
        milliseconds = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not self._poll.poll(milliseconds):
            raise BlockingIOError(errno.EAGAIN, "no datagram came in time")

    def _gone(self) -> OSError:
        if self._closed:
            return OSError(errno.EBADF, "the transport is closed")
        return _gone(self._path)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def join_group(self, group: int) -> None:
        """Join a multicast group of the service; raise `NetlinkError`."""
        self._change_membership(FrameKind.JOIN, group, f"join multicast group {group}")

    def leave_group(self, group: int) -> None:
        """Leave a multicast group of the service; raise `NetlinkError`."""
        self._change_membership(FrameKind.LEAVE, group, f"leave multicast group {group}")

    def _change_membership(self, kind: FrameKind, group: int, operation: str) -> None:
        connection, _ = _connect(self._path)
        try:
            code = _ask(self._path, connection, pack_frame(kind, self._port_id, group))
        finally:
            connection.close()
        if code:
            raise netlink_error(code, operation)

    def close(self) -> None:
        """Leave the server; a `recv` that waits raises ``OSError`` with EBADF."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):  # the server may have gone before
            self._socket.shutdown(socket.SHUT_RDWR)  # which wakes it
        self._socket.close()


def _connect_when_there(path: str, patience: float, waiting: Waiting | None) -> tuple[socket.socket, int]:
    deadline = time.monotonic() + patience
    while True:
        try:
            return _connect(path, waiting)
        except Unavailable as error:
            if error.errno != errno.ENOENT or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def server_process(path: str) -> int:
    """Return the id of the process that serves at `path`; raise `Unavailable` when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with socket_address(path) as address:
            connection.connect(address)  # one that hangs, and says nothing, is found as well
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError as error:
        raise _unavailable(path, error) from None
    finally:
        connection.close()
    return int(_CREDENTIALS.unpack(credentials)[0])


def bounds_of_server(path: str, waiting: Waiting | None = None) -> dict[str, tuple[int | None, int]]:
    """Return how much the server at `path` has in use of each of its bounds, and these; nothing of an older one.

    A bound of what one packet may bring about has None in use.
    """
    connection, _ = _connect(path, waiting)
    try:
        connection.send(pack_frame(FrameKind.BOUNDS))
        answer = connection.recv(MAX_FRAME)
    except OSError as error:
        raise _unavailable(path, error) from None
    finally:
        connection.close()
    if unpack_frame(answer)[0] != FrameKind.BOUNDS:
        return {}
    lines = [line.split() for line in answer[_ONE.size :].decode().splitlines()]
    return {name: (None if used == "-" else int(used), int(bound)) for name, used, bound in lines}


def _connect(path: str, waiting: Waiting | None = None) -> tuple[socket.socket, int]:
    """Return a connection to the server at `path` and the port id that it gives."""
    if not hasattr(socket, "AF_UNIX"):
        raise Unavailable("this system has no Unix sockets; make a datapath in the same process instead")
    directory = os.path.dirname(path)
    if os.path.basename(directory) == _private_name() and directory == fallback_directory():
        require_private(directory)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(_ANSWER_TIMEOUT)
        with socket_address(path) as address:
            connection.connect(address)
        kind, numbers = unpack_frame(_first_frame(connection, path, waiting))
    except OSError as error:
        connection.close()
        raise _unavailable(path, error) from None
    except BaseException:
        connection.close()
        raise
    if kind == FrameKind.DONE and len(numbers) == 1:
        connection.close()
        reason = os.strerror(numbers[0])
        raise Unavailable(f"the userspace datapath at {path} takes no more clients: {reason}", numbers[0])
    if kind != FrameKind.HELLO or len(numbers) != 2 or numbers[0] != PROTOCOL_VERSION:
        connection.close()
        raise Unavailable(f"what listens at {path} is not a userspace datapath of this version", errno.EPROTO)
    return connection, numbers[1]


def _first_frame(connection: socket.socket, path: str, waiting: Waiting | None) -> bytes:
    """Return what the server says first; tell who is `waiting` for it when that takes its time."""
    if waiting is not None:
        connection.settimeout(_SOON)
        try:
            return connection.recv(MAX_FRAME)
        except TimeoutError:
            waiting(path)
        finally:
            connection.settimeout(_ANSWER_TIMEOUT)
    return connection.recv(MAX_FRAME)


def _ask(path: str, connection: socket.socket, frame: bytes) -> int:
    """Send a frame that is answered by ``DONE``; return the errno in that, or 0."""
    try:
        connection.send(frame)
        kind, numbers = unpack_frame(connection.recv(MAX_FRAME))
    except OSError as error:
        raise _unavailable(path, error) from None
    if kind != FrameKind.DONE or len(numbers) != 1:
        raise _gone(path)
    return numbers[0]


def _gone(path: str) -> Unavailable:
    return Unavailable(f"the userspace datapath at {path} has gone away", errno.ECONNRESET)


def _unavailable(path: str, error: OSError) -> Unavailable:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        return Unavailable(f"no userspace datapath is served at {path}; start one with: dpif serve")
    if isinstance(error, (TimeoutError, BlockingIOError)):
        hint = "its server hangs: end it, as 'dpif serve --stop' does, or name another socket by --socket or"
        return Unavailable(
            f"the userspace datapath at {path} does not answer; {hint} {SOCKET_VARIABLE}", errno.ETIMEDOUT
        )
    return Unavailable(
        f"cannot reach the userspace datapath at {path}: {error.strerror or error}", error.errno or errno.EIO
    )
