"""The socket that a server listens on, and the lock that makes it the only one there (`Place`)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from dpif._typing import Final
from dpif.errors import Unavailable
from dpif.netlink.unix import FrameKind, fallback_directory, pack_frame, require_private, socket_address

_SOCKET_MODE: Final = 0o600
_BACKLOG: Final = 128
_LISTENING: Final = (0, errno.EAGAIN, errno.EPROTOTYPE)
"""What connecting gives where somebody listens: EAGAIN when its line is full, EPROTOTYPE when it is not ours."""
_FULL: Final = (errno.EMFILE, errno.ENFILE)


class Place:
    """A path that is listened at; raises `Unavailable` when a server has it, or it cannot be used.

    The file ``PATH.lock`` is locked for as long as this lives, so that of two servers which start at once one is
    refused, and a socket at the path whose lock is free was left behind. That one is replaced.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._spare: int | None = None
        try:
            self._open(path)
        except Unavailable:
            raise
        except OSError as error:  # no descriptor, no memory
            raise _unavailable(path, error) from None

    def _open(self, path: str) -> None:
        with contextlib.ExitStack() as opened:
            if os.path.dirname(path) == fallback_directory():
                os.makedirs(fallback_directory(), mode=0o700, exist_ok=True)
                require_private(fallback_directory())
            self._lock = _lock(path)
            opened.callback(self._unlock)
            self._keep_a_spare()
            opened.callback(self._give_the_spare)
            _remove_what_was_left(path)
            self._listener = opened.enter_context(_listen(path))
            self._inode = os.stat(path).st_ino
            opened.pop_all()

    def _keep_a_spare(self) -> None:
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_the_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def fileno(self) -> int:
        """Return the descriptor, readable when somebody connects."""
        return self._listener.fileno()

    def accept(self) -> socket.socket | None:
        """Return who connects; None when it has gone again, or there is no descriptor for it: then it is told so."""
        try:
            return self._listener.accept()[0]
        except OSError as error:
            if error.errno in _FULL:
                self._turn_away(error.errno)
            return None

    def _turn_away(self, code: int) -> None:
        """Take the next in line by a descriptor kept back for that; left in line it would ask again and again."""
        self._give_the_spare()
        with contextlib.suppress(OSError):
            refuse(self._listener.accept()[0], code)
        with contextlib.suppress(OSError):  # where the whole system has none, another may have taken it
            self._keep_a_spare()

    def close(self) -> None:
        """Listen no more, and remove the socket and the lock; a second time does nothing."""
        if self._listener.fileno() < 0:
            return
        self._listener.close()
        self._give_the_spare()
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        self._unlock()

    def _unlock(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(_lock_path(self.path))  # while it is held: see `_lock`
        os.close(self._lock)


def refuse(connection: socket.socket, code: int) -> None:
    """Tell a client, instead of hello, for which errno it is not served."""
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(pack_frame(FrameKind.DONE, code))


def _lock_path(path: str) -> str:
    return f"{path}.lock"


def _lock(path: str) -> int:
    """Return the descriptor of the lock beside `path`, which is locked and is still the file of that name."""
    import fcntl  # which not every system has, as little as it has these sockets

    while True:
        try:
            file = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _SOCKET_MODE)
        except OSError as error:
            raise _unavailable(path, error) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), os.stat(_lock_path(path))):
                return file
        except BlockingIOError:
            os.close(file)
            raise _taken(path) from None
        except FileNotFoundError:
            pass  # whoever had it removed it meanwhile
        except OSError as error:
            os.close(file)
            raise _unavailable(path, error) from None
        os.close(file)


def _remove_what_was_left(path: str) -> None:
    """Remove a socket that a server left behind; raise `Unavailable` when something listens there, or it is none."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise Unavailable(f"cannot serve at {path}: there is a file that is no socket", errno.EEXIST)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unavailable(path, error) from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe, socket_address(path) as address:
        probe.setblocking(False)
        code = probe.connect_ex(address)
    if code in _LISTENING:
        raise _taken(path)
    try:
        if code != errno.ECONNREFUSED:
            raise OSError(code, os.strerror(code))
        os.unlink(path)
    except OSError as error:
        raise _unavailable(path, error) from None


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.fchmod(listener.fileno(), _SOCKET_MODE)  # the file gets the mode of the socket that is bound to it
        with socket_address(path) as address:
            listener.bind(address)
        os.chmod(path, _SOCKET_MODE)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _unavailable(path, error) from None
    return listener


def _taken(path: str) -> Unavailable:
    return Unavailable(f"cannot serve at {path}: a server listens there already", errno.EADDRINUSE)


def _unavailable(path: str, error: OSError) -> Unavailable:
    return Unavailable(f"cannot serve at {path}: {error.strerror or error}", error.errno or errno.EIO)
