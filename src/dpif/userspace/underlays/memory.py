"""An underlay in memory (`MemoryUnderlay`): whole IP packets, of which a program in this process is the network."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from errno import EADDRINUSE
from ipaddress import ip_address

from dpif._typing import Final
from dpif.errors import DecodeError
from dpif.packet import build
from dpif.packet.checksum import checksum, pseudo_header_sum
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, IP_DF, IPPROTO_UDP
from dpif.packet.headers import Udp
from dpif.packet.layout import Fragment, Layout, locate
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.underlay import Datagram, Place, Receiver

QUEUE_LENGTH: Final = 1000
"""Packets that wait for `MemoryUnderlay.recv` before more are dropped."""
DEFAULT_TTL: Final = 64
_UDP: Final = struct.Struct("!HHHH")
_UDP_CHECKSUM: Final = 6


class MemoryUnderlay:
    """The network underneath as a program sees it: `send` and `recv` are its side, in IP packets without Ethernet.

    ``addresses`` are those of the datapaths' machine; a packet to another one is not for it, and one of each family
    is enough. What the tunnels send waits in a queue for `recv`; when ``on_packet`` is set it is called with each
    packet instead. So two systems are joined::

        west, east = MemoryUnderlay("192.0.2.1"), MemoryUnderlay("192.0.2.2")
        west.on_packet, east.on_packet = east.send, west.send
    """

    def __init__(self, *addresses: str) -> None:
        self.on_packet: Callable[[bytes], None] | None = None
        self._addresses = [ip_address(text).packed for text in addresses]
        self._receivers: dict[Place, Receiver] = {}
        self._queue: deque[bytes] = deque()

    def open(self, place: Place, receiver: Receiver) -> MemoryEndpoint:
        """Return the endpoint for a place; EADDRINUSE when there is one."""
        if place in self._receivers:
            raise refusal(EADDRINUSE, f"IP protocol {place.protocol}, port {place.port} is taken")
        self._receivers[place] = receiver
        return MemoryEndpoint(self, place)

    def leave(self, place: Place) -> None:
        """Take the endpoint of a place away."""
        del self._receivers[place]

    def source_for(self, datagram: Datagram) -> bytes | None:
        """Return the address that a datagram leaves with; None when it has none here, or asks for a stranger's."""
        if datagram.src:
            return datagram.src if datagram.src in self._addresses else None
        return next((address for address in self._addresses if len(address) == len(datagram.dst)), None)

    def transmit(self, packet: bytes) -> bool:
        """Let an IP packet go; False when there is no room for it."""
        if self.on_packet is not None:
            self.on_packet(packet)
        elif len(self._queue) < QUEUE_LENGTH:
            self._queue.append(packet)
        else:
            return False
        return True

    def recv(self) -> bytes | None:
        """Return the next IP packet that a tunnel sent, None when there is none."""
        return self._queue.popleft() if self._queue else None

    def send(self, packet: bytes) -> None:
        """Let an IP packet arrive; one that no tunnel waits for, or that is a fragment or broken, is dropped."""
        try:
            place, datagram = _read(packet)
        except DecodeError:
            return
        receiver = self._receivers.get(place) or self._receivers.get(place._replace(version=0))
        if receiver is not None and datagram.dst in self._addresses:
            receiver(datagram)


class MemoryEndpoint:
    """An `Endpoint` in memory."""

    def __init__(self, underlay: MemoryUnderlay, place: Place) -> None:
        self._underlay = underlay
        self._place = place

    def route(self, datagram: Datagram) -> Datagram | None:
        """Fill in the source address."""
        source = self._underlay.source_for(datagram)
        return None if source is None else datagram._replace(src=source)

    def send(self, datagram: Datagram) -> bool:
        """Put the headers before the payload."""
        routed = self.route(datagram)
        return routed is not None and self._underlay.transmit(_pack(routed, self._place.protocol))

    def filenos(self) -> Sequence[int]:
        """There is nothing to wait for."""
        return ()

    def poll(self, budget: int) -> int:
        """There is nothing to poll."""
        return 0

    def close(self) -> None:
        """Leave the underlay."""
        self._underlay.leave(self._place)


def _pack(datagram: Datagram, protocol: int) -> bytes:
    src, dst, payload = datagram.src, datagram.dst, datagram.payload
    if protocol == IPPROTO_UDP:
        length = _UDP.size + len(payload)
        segment = _UDP.pack(datagram.src_port, datagram.dst_port, length, 0) + payload
        if datagram.csum:
            sum_ = checksum(segment, pseudo_header_sum(src, dst, protocol, length)) or 0xFFFF
            segment = segment[:_UDP_CHECKSUM] + sum_.to_bytes(2) + payload
        payload = segment
    ttl, fragment = datagram.ttl or DEFAULT_TTL, IP_DF if datagram.df else 0
    ends = ip_address(src), ip_address(dst)
    return bytes(build.ip(*ends, protocol, payload, tos=datagram.tos, ttl=ttl, fragment=fragment))


def _read(packet: bytes) -> tuple[Place, Datagram]:
    """Return the place that an IP packet is for, and what it brings there; raise `DecodeError`."""
    version = 6 if packet and packet[0] >> 4 == 6 else 4
    layout = locate(packet, ETH_P_IPV6 if version == 6 else ETH_P_IP)
    if not layout.l4 or layout.fragment != Fragment.NONE:
        raise DecodeError("no IP packet, or a fragment of one", offset=0)
    datagram = _outer(packet, layout)
    if layout.protocol != IPPROTO_UDP:
        return Place(layout.protocol, 0, version), datagram
    head = Udp.read(packet, layout.l4)
    if head.checksum and checksum(
        datagram.payload, pseudo_header_sum(datagram.src, datagram.dst, IPPROTO_UDP, len(datagram.payload))
    ):
        raise DecodeError("the UDP checksum is wrong", offset=layout.l4)
    return Place(IPPROTO_UDP, head.dst, version), datagram._replace(
        payload=datagram.payload[_UDP.size :],
        src_port=head.src,
        dst_port=head.dst,
        csum=bool(head.checksum),
    )


def _outer(packet: bytes, layout: Layout) -> Datagram:
    payload = packet[layout.l4 : layout.end]
    if layout.ethertype == ETH_P_IP:
        return Datagram(payload, packet[12:16], packet[16:20], packet[1], packet[8])
    return Datagram(payload, packet[8:24], packet[24:40], (packet[0] << 4 | packet[1] >> 4) & 0xFF, packet[7])
