"""The transport to the kernel: an ``AF_NETLINK`` socket.

What the kernel sends to a datagram is in the socket's queue when `send` returns; it drops messages when the
queue is full and then reports ENOBUFS once. Sources: netlink(7), ``net/netlink/af_netlink.c``.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import contextlib
import errno
import functools
import time

from dpif._typing import TYPE_CHECKING, Final
from dpif.errors import DecodeError, Unavailable, netlink_error
from dpif.netlink import constants as c
from dpif.netlink.exchange import BATCH_BYTES

if TYPE_CHECKING:
    import select

__all__ = ["KernelSocket"]

READ_SIZE: Final = 0x11000
"""Bytes of a read: 64 KiB, as long as an attribute gets, and room for what stands before it.

The kernel fills up to 32 KiB with the rows of a dump once it has seen a read as long as that.
"""
RECEIVE_BUFFER: Final = 4 << 20
"""Bytes of the receive queue that are asked for."""
SEND_BUFFER: Final = 2 * BATCH_BYTES
"""Bytes that may be sent at a time, which are asked for: a system may allow fewer."""


class KernelSocket:
    """A netlink socket to the kernel, in the network namespace of the thread that makes it.

    `protocol` is a ``NETLINK_*`` protocol. Raises `Unavailable` where the system has no netlink.
    """

    def __init__(self, protocol: int = c.NETLINK_GENERIC) -> None:
        self._socket = _open(protocol)
        try:
            self._configure()
        except BaseException:
            self._socket.close()
            raise
        self._port_id: int = self._socket.getsockname()[0]

    def _configure(self) -> None:
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, c.SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # without CAP_NET_ADMIN as much as net.core.rmem_max allows
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        for option in (c.NETLINK_EXT_ACK, c.NETLINK_CAP_ACK):
            with contextlib.suppress(OSError):  # comforts that kernels before 4.12 lack
                self._socket.setsockopt(c.SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._socket.connect((0, 0))

    @property
    def port_id(self) -> int:
        """The port id that the kernel gave to this socket."""
        return self._port_id

    def send(self, datagram: bytes) -> None:
        """Send; the kernel has acted on the datagram when this returns."""
        self._socket.send(datagram)

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram of the kernel; see `Transport.recv`.

        Raises `DecodeError` for a datagram that is longer than any should be. Datagrams from other processes,
        which anyone may send to any port id, are passed over.
        """
        deadline: float | None = None  # the clock is asked only if one has to wait: rows of a dump are there already
        while True:
            try:
                data, _, flags, (sender, _) = self._socket.recvmsg(READ_SIZE)
            except BlockingIOError:
                if timeout == 0:
                    raise
                if timeout is not None and deadline is None:
                    deadline = time.monotonic() + timeout
                self._wait(deadline)
                continue
            if sender != 0:
                continue
            if flags & socket.MSG_TRUNC:
                raise DecodeError(f"a datagram longer than {READ_SIZE} bytes was cut short", offset=READ_SIZE)
            return data

    @functools.cached_property
    def _poll(self) -> select.poll:
        """Made when one has to wait, which who only asks the kernel never does: its answers are there at once."""
        import select

        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return poll

    def _wait(self, deadline: float | None) -> None:
        milliseconds = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not self._poll.poll(milliseconds):
            raise BlockingIOError(errno.EAGAIN, "no datagram came in time")

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def join_group(self, group: int) -> None:
        """Join a multicast group of the kernel; raise `NetlinkError`."""
        self._set_membership(c.NETLINK_ADD_MEMBERSHIP, group, f"join multicast group {group}")

    def leave_group(self, group: int) -> None:
        """Leave a multicast group of the kernel; raise `NetlinkError`."""
        self._set_membership(c.NETLINK_DROP_MEMBERSHIP, group, f"leave multicast group {group}")

    def _set_membership(self, option: int, group: int, operation: str) -> None:
        try:
            self._socket.setsockopt(c.SOL_NETLINK, option, group)
        except OSError as error:
            raise netlink_error(error.errno or errno.EINVAL, operation) from error

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open(protocol: int) -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise Unavailable("this system has no netlink, which Linux alone has; use a userspace datapath")
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise Unavailable(f"this kernel has no netlink protocol {protocol}") from error
        raise
