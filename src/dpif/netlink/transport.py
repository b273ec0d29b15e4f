"""The seam between the two ends: a transport moves datagrams (`Transport`).

The kernel's socket, a queue to a datapath in this process and a Unix socket to one in another process are
transports; nothing above this file knows which one it has. Whoever needs several, as a connection does for
dumps side by side, is given a `Dial` that makes them.
"""

from __future__ import annotations

from dpif._typing import Protocol
from dpif.netlink.constants import NETLINK_GENERIC

__all__ = ["Dial", "Transport"]


class Transport(Protocol):
    """One end of a conversation in netlink datagrams. Used by one thread at a time, except for `close`."""

    @property
    def port_id(self) -> int:
        """The netlink port id ("pid" on the wire) of this end, unique among those that talk to the same peer."""
        ...

    def send(self, datagram: bytes) -> None:
        """Hand one datagram to the peer."""
        ...

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram, waiting up to `timeout` seconds (None: for ever; 0: not at all).

        Raises `BlockingIOError` when none came in time, and ``OSError`` with ENOBUFS when messages were lost
        since the last call; the messages that were not lost follow.
        """
        ...

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``recv(0)`` would return or report a loss."""
        ...

    def join_group(self, group: int) -> None:
        """Become a member of a multicast group, by number."""
        ...

    def leave_group(self, group: int) -> None:
        """Cease to be a member of a multicast group."""
        ...

    def close(self) -> None:
        """Give up this end; a second call does nothing."""
        ...


class Dial(Protocol):
    """Makes a new transport to one and the same peer."""

    def __call__(self, protocol: int = NETLINK_GENERIC) -> Transport:
        """Make one for a netlink protocol (``NETLINK_*``); raise `Unavailable` when the peer has it not."""
        ...
