"""Writing down what passes through a transport, as a capture of netlink datagrams.

`TracedTransport` wraps any transport and tells a hook of every datagram; `Trace` is a hook that writes pcapng
(draft-ietf-opsawg-pcapng) of link type 253, ``LINKTYPE_NETLINK``, which Wireshark and tcpdump read: each
datagram behind the 16-byte header that a capture on an ``nlmon`` device has. A transport that is not wrapped
pays nothing. This file does not look into datagrams.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable

from dpif._typing import BinaryIO, Final, Literal, TypeAlias
from dpif.netlink.constants import NETLINK_GENERIC
from dpif.netlink.transport import Transport

__all__ = ["Direction", "Hook", "Trace", "TracedTransport"]

Direction: TypeAlias = Literal["sent", "received"]
Hook: TypeAlias = Callable[[Direction, bytes], None]

LINKTYPE_NETLINK: Final = 253
_ARPHRD_NETLINK: Final = 824
_LINK_HEADER = struct.Struct("!HH10xH")
_PACKET_TYPES: Final[dict[Direction, int]] = {"sent": 7, "received": 6}  # PACKET_KERNEL, PACKET_USER as in nlmon
_EPB_FLAGS: Final[dict[Direction, int]] = {"sent": 2, "received": 1}  # outbound, inbound

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_ENHANCED_PACKET: Final = 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_OPT_IF_TSRESOL: Final = 9
_OPT_EPB_FLAGS: Final = 2


class Trace:
    """A hook that writes datagrams of one netlink protocol to `file`; safe to use from several threads.

    `clock` returns nanoseconds since 1970. The file is the caller's to flush and close.
    """

    def __init__(
        self, file: BinaryIO, protocol: int = NETLINK_GENERIC, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._file = file
        self._protocol = protocol
        self._clock = clock
        self._lock = threading.Lock()
        section = struct.pack("=IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        resolution = struct.pack("=HHB3xI", _OPT_IF_TSRESOL, 1, 9, 0)  # 10^-9 seconds; end of options
        interface = struct.pack("=HHI", LINKTYPE_NETLINK, 0, 0) + resolution
        file.write(_block(_SECTION_HEADER, section) + _block(_INTERFACE_DESCRIPTION, interface))

    def __call__(self, direction: Direction, datagram: bytes) -> None:
        """Write one datagram, with the time of now."""
        packet = _LINK_HEADER.pack(_PACKET_TYPES[direction], _ARPHRD_NETLINK, self._protocol) + datagram
        now = self._clock()
        header = struct.pack("=IIIII", 0, now >> 32, now & 0xFFFFFFFF, len(packet), len(packet))
        options = struct.pack("=HHII", _OPT_EPB_FLAGS, 4, _EPB_FLAGS[direction], 0)
        with self._lock:
            self._file.write(_block(_ENHANCED_PACKET, header + _padded(packet) + options))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(type_: int, body: bytes) -> bytes:
    """Return a pcapng block; `body` is a multiple of four bytes long."""
    length = len(body) + 12
    return struct.pack("=II", type_, length) + body + struct.pack("=I", length)


class TracedTransport:
    """A transport that tells `hook` of every datagram that passes through `inner`."""

    def __init__(self, inner: Transport, hook: Hook) -> None:
        self._inner = inner
        self._hook = hook

    @property
    def port_id(self) -> int:
        """The inner transport's."""
        return self._inner.port_id

    def send(self, datagram: bytes) -> None:
        """Tell the hook, then send: a datagram that kills is in the trace."""
        self._hook("sent", datagram)
        self._inner.send(datagram)

    def recv(self, timeout: float | None = None) -> bytes:
        """Receive, then tell the hook."""
        datagram = self._inner.recv(timeout)
        self._hook("received", datagram)
        return datagram

    def fileno(self) -> int:
        """Return the inner transport's descriptor."""
        return self._inner.fileno()

    def join_group(self, group: int) -> None:
        """Join by the inner transport."""
        self._inner.join_group(group)

    def leave_group(self, group: int) -> None:
        """Leave by the inner transport."""
        self._inner.leave_group(group)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
