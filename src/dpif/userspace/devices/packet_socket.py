"""A Linux device reached through a raw socket (`PacketSocket`, packet(7)): what comes in and goes out of its wire.

The kernel delivers packets to such a socket in the state in which they travel inside of it: VLAN tags beside the
packet, checksums left to be completed, TCP segments not yet cut. All of this is undone here, so that the
datapath sees packets as they are on a wire.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from errno import EINVAL, ENODEV

from dpif._typing import Final, NamedTuple
from dpif.errors import DecodeError
from dpif.packet.constants import ETH_P_8021Q
from dpif.packet.edit import complete_checksum_at, push_vlan
from dpif.packet.segment import segment
from dpif.userspace.engine.device import Device, name_in_bytes
from dpif.userspace.engine.namespace import Namespace, Options
from dpif.userspace.engine.refusal import refusal

# linux/if_packet.h, linux/if_ether.h, linux/if_arp.h, asm-generic/socket.h
_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_AUXDATA: Final = 8
_PACKET_VNET_HDR: Final = 15
_PACKET_IGNORE_OUTGOING: Final = 23
_PACKET_MR_PROMISC: Final = 1
_PACKET_OUTGOING: Final = 4
_TP_STATUS_VLAN_VALID: Final = 1 << 4
_TP_STATUS_VLAN_TPID_VALID: Final = 1 << 6
_ETH_P_ALL: Final = 0x0003
_ARPHRD_ETHER: Final = 1
_SO_RCVBUFFORCE: Final = 33
_SIOCGIFMTU: Final = 0x8921
# linux/virtio_net.h
_VIRTIO_NET_HDR_F_NEEDS_CSUM: Final = 1
_VIRTIO_NET_HDR_GSO_NONE: Final = 0
_VIRTIO_NET_HDR_GSO_ECN: Final = 0x80
_SEGMENTED: Final = frozenset({1, 4, 5})  # VIRTIO_NET_HDR_GSO_TCPV4, _TCPV6, _UDP_L4
# linux/rtnetlink.h
_NETLINK_ROUTE: Final = 0
_RTMGRP_LINK: Final = 1

_VNET_HEADER: Final = struct.Struct("=BBHHHH")
_PLAIN: Final = bytes(_VNET_HEADER.size)
_AUXDATA: Final = struct.Struct("=IIIHHHH")
_MTU_REQUEST: Final = struct.Struct("=16si20x")  # struct ifreq
_MEMBERSHIP: Final = struct.Struct("=iHH8s")
_READ_SIZE: Final = 0x11000
_CONTROL_SIZE: Final = socket.CMSG_SPACE(_AUXDATA.size) if hasattr(socket, "CMSG_SPACE") else 0
_RECEIVE_BUFFER: Final = 4 << 20


class PacketSocket(Device):
    """The Linux device `name`, in the network namespace of the thread that makes this.

    ENODEV when there is none, EINVAL when it is not Ethernet, EPERM without the privilege. The device stays
    Linux's: the host's own stack goes on receiving from it. When the device is deleted this one goes too.
    """

    def __init__(self, namespace: Namespace, name: str) -> None:
        super().__init__(namespace, name)
        self._index = _index_of(name)
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(_open_socket(name, self._index))
            self._links = opened.enter_context(_open_link_watch())
            opened.pop_all()

    def filenos(self) -> Sequence[int]:
        """Return the socket's descriptor, and one that is readable when any device of Linux changes."""
        return self._socket.fileno(), self._links.fileno()

    def poll(self, budget: int) -> int:
        """Receive up to `budget` packets."""
        if _drain(self._links) and not self._exists():
            self.close()
            return 0
        packets: list[bytes] = []
        count = 0
        with contextlib.suppress(OSError):  # nothing more, or the device is down, which is told once
            while count < budget:
                packets += _on_the_wire(_Received(*self._socket.recvmsg(_READ_SIZE, _CONTROL_SIZE)))
                count += 1
        self.polled(packets)
        return count

    def _exists(self) -> bool:
        try:
            socket.if_indextoname(self._index)
        except OSError:
            return False
        return True

    @property
    def mtu(self) -> int | None:
        """Linux's for the device; None when it is gone."""
        import fcntl  # which not every system has, as little as it has these sockets

        request = _MTU_REQUEST.pack(name_in_bytes(self.name), 0)
        try:
            _, mtu = _MTU_REQUEST.unpack(fcntl.ioctl(self._socket, _SIOCGIFMTU, request))
        except OSError:
            return None
        return int(mtu)

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Send the packet out of the device; False when it is down, too small for the packet, or congested."""
        try:
            self._socket.send(_PLAIN + packet)
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Close the sockets; the device stays."""
        self._socket.close()
        self._links.close()


def _index_of(name: str) -> int:
    try:
        return socket.if_nametoindex(os.fsdecode(name_in_bytes(name)))
    except (OSError, AttributeError):
        raise refusal(ENODEV, f"there is no device {name}") from None


def _open_socket(name: str, index: int) -> socket.socket:
    if not hasattr(socket, "AF_PACKET"):
        raise refusal(ENODEV, "this system has no packet sockets, which Linux alone has")
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        raw.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        raw.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        with contextlib.suppress(OSError):  # since Linux 4.20; without it we pass over them ourselves
            raw.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        with contextlib.suppress(PermissionError):  # may have CAP_NET_RAW without CAP_NET_ADMIN
            raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        promiscuous = _MEMBERSHIP.pack(index, _PACKET_MR_PROMISC, 0, b"")
        raw.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, promiscuous)
        try:
            raw.bind((name, _ETH_P_ALL))
        except UnicodeEncodeError:
            raise refusal(EINVAL, f"the name {name!r} is not UTF-8; give the device another name") from None
        if raw.getsockname()[3] != _ARPHRD_ETHER:
            raise refusal(EINVAL, f"{name} is not an Ethernet device")
    except BaseException:
        raw.close()
        raise
    return raw


def _open_link_watch() -> socket.socket:
    watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_ROUTE)
    watch.bind((0, _RTMGRP_LINK))
    return watch


def _drain(watch: socket.socket) -> bool:
    """Take everything from the socket; tell whether there was anything. Lost messages count as something."""
    found = False
    while True:
        try:
            watch.recv(_READ_SIZE)
        except BlockingIOError:
            return found
        except OSError:
            pass  # ENOBUFS: some were lost
        found = True


class _Received(NamedTuple):
    """What ``recvmsg`` returns: a virtio header and the packet, what came beside it, flags, and its origin."""

    data: bytes
    beside: list[tuple[int, int, bytes]]
    flags: int
    address: tuple[str, int, int, int, bytes]


def _on_the_wire(received: _Received) -> Iterable[bytes]:
    """Return the packets that `received` is on a wire; none for what cannot be one, or was sent from here."""
    if received.address[2] == _PACKET_OUTGOING or len(received.data) < _VNET_HEADER.size:
        return []
    flags, gso_type, _, gso_size, csum_start, csum_offset = _VNET_HEADER.unpack_from(received.data)
    packet = bytearray(received.data[_VNET_HEADER.size :])
    gso_type &= ~_VIRTIO_NET_HDR_GSO_ECN
    if gso_type == _VIRTIO_NET_HDR_GSO_NONE:
        if flags & _VIRTIO_NET_HDR_F_NEEDS_CSUM:
            complete_checksum_at(packet, csum_start, csum_offset)
        packets = [packet]
    elif gso_type in _SEGMENTED:
        try:
            packets = list(segment(bytes(packet), gso_size))
        except DecodeError:
            return []
    else:
        return []
    tag = _vlan_tag(received.beside)
    if tag is not None:
        for packet in packets:
            push_vlan(packet, *tag)
    return [bytes(packet) for packet in packets]


def _vlan_tag(beside: list[tuple[int, int, bytes]]) -> tuple[int, int] | None:
    """Return TCI and TPID of the tag that came beside the packet, if any (``struct tpacket_auxdata``)."""
    for level, kind, data in beside:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = _AUXDATA.unpack_from(data)
            if status & _TP_STATUS_VLAN_VALID:
                return tci, tpid if status & _TP_STATUS_VLAN_TPID_VALID else ETH_P_8021Q
    return None


def attach_linux_device(namespace: Namespace, name: str, options: Options) -> PacketSocket:
    """Reach a Linux device for a port of type NETDEV."""
    return PacketSocket(namespace, name)
