"""A Linux TAP device (`TapDevice`): a network device of the host whose other end is a file that we read and write."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from errno import EAGAIN, EEXIST, EINTR, ENODEV

from dpif._typing import Final
from dpif.userspace.engine.device import Device, name_in_bytes
from dpif.userspace.engine.namespace import Namespace, Options
from dpif.userspace.engine.refusal import refusal

_TUN: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x400454CA
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFREQ: Final = struct.Struct("16sH22x")
_READ_SIZE: Final = 0x10000
_NOT_NOW: Final = frozenset({EAGAIN, EINTR})


class TapDevice(Device):
    """A TAP device, made in the network namespace of the thread that makes it; it goes when it is released.

    ENODEV on a system without TAP devices, EPERM without the privilege, EEXIST where Linux has such a device.
    The host sees it go up and down like any device; while it is down, what goes out is dropped.
    """

    def __init__(self, namespace: Namespace, name: str) -> None:
        super().__init__(namespace, name)
        self._file = _open(name)

    def filenos(self) -> Sequence[int]:
        """Return the descriptor of the device's other end."""
        return (self._file,)

    def poll(self, budget: int) -> int:
        """Read up to `budget` packets that the host sends; a device that somebody deleted goes away."""
        packets: list[bytes] = []
        try:
            while len(packets) < budget:
                packets.append(os.read(self._file, _READ_SIZE))
            error = None
        except OSError as raised:
            error = raised
        self.polled(packets)
        if error is not None and error.errno not in _NOT_NOW:
            self.close()
        return len(packets)

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Give the packet to the host; False when its queue is full or the device is down."""
        try:
            os.write(self._file, packet)
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Close the file, and the device is gone."""
        os.close(self._file)


def _open(name: str) -> int:
    if name_in_bytes(name) in _linux_devices():  # which may be one that this call would take over
        raise refusal(EEXIST, f"Linux has a device {name} already")
    try:
        import fcntl

        file = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except (ImportError, FileNotFoundError):
        raise refusal(ENODEV, f"this system has no TAP devices ({_TUN})") from None
    try:
        fcntl.ioctl(file, _TUNSETIFF, _IFREQ.pack(name_in_bytes(name), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(file)
        raise
    return file


def _linux_devices() -> list[bytes]:
    return [os.fsencode(name) for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []


def make_tap_device(namespace: Namespace, name: str, options: Options) -> TapDevice:
    """Make the device of a port of type ``tap``."""
    return TapDevice(namespace, name)
