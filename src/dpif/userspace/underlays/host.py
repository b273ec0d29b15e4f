"""The host's own network as an underlay (`HostUnderlay`): tunnels over UDP sockets, and over raw ones for GRE.

UDP needs no privilege; GRE needs CAP_NET_RAW. What sockets hide a tunnel does not know: whether a packet that came
in had a UDP checksum. What they decide a tunnel cannot choose: the source port is the socket's own.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from errno import EAFNOSUPPORT, EPERM
from ipaddress import ip_address

from dpif._typing import Any, Final
from dpif.packet.constants import IPPROTO_UDP
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.underlay import Datagram, Place, Receiver

# linux/in.h, linux/in6.h, linux/udp.h, asm-generic/socket.h
_SO_NO_CHECK: Final = 11
_IP_TOS, _IP_TTL = 1, 2
_IP_PKTINFO: Final = 8
_IP_MTU_DISCOVER: Final = 10
_IP_RECVTTL: Final = 12
_IP_RECVTOS: Final = 13
_IPV6_MTU_DISCOVER: Final = 23
_IPV6_RECVPKTINFO, _IPV6_PKTINFO = 49, 50
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52
_IPV6_RECVTCLASS, _IPV6_TCLASS = 66, 67
_SOL_UDP: Final = 17
_UDP_NO_CHECK6_TX, _UDP_NO_CHECK6_RX = 101, 102
_PMTUDISC_DONT, _PMTUDISC_DO = 0, 2

_IN_PKTINFO: Final = struct.Struct("=i4s4s")
_IN6_PKTINFO: Final = struct.Struct("=16si")
_INT: Final = struct.Struct("=i")
_READ_SIZE: Final = 0x10000
_CONTROL_SIZE: Final = 256
_RECEIVE_BUFFER: Final = 4 << 20

Ancillary = list[tuple[int, int, bytes]]


class HostUnderlay:
    """The network of the host, seen from the network namespace of the thread that opens an endpoint.

    ``addresses`` are those of the host that tunnels are to use; without any they use all.
    """

    def __init__(self, *addresses: str) -> None:
        self._addresses = [ip_address(text) for text in addresses]

    def open(self, place: Place, receiver: Receiver) -> HostEndpoint:
        """Return the endpoint for a place: a socket for each address."""
        all_: tuple[type[_Ipv4 | _Ipv6], ...] = (_Ipv4, _Ipv6)
        families = [family for family in all_ if place.version in (0, family.VERSION)]
        sockets: list[_Ipv4 | _Ipv6] = []
        try:
            for family in families:
                own = [str(address) for address in self._addresses if address.version == family.VERSION]
                for address in own if self._addresses else [family.ANY]:
                    with _tolerating_a_missing(family, bool(self._addresses)):
                        sockets.append(family(place.protocol, address, place.port))
            if not sockets:
                raise refusal(EAFNOSUPPORT, "the underlay has no address of this kind")
        except BaseException:
            for each in sockets:
                each.close()
            raise
        return HostEndpoint(sockets, place.port, receiver)


@contextlib.contextmanager
def _tolerating_a_missing(family: type[_Ipv4 | _Ipv6], is_asked_for: bool) -> Iterator[None]:
    """Pass over that a host has no IPv6, unless one of its addresses was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno != EAFNOSUPPORT or is_asked_for or family is _Ipv4:
            raise


class HostEndpoint:
    """An `Endpoint` of sockets."""

    def __init__(self, sockets: Sequence[_Ipv4 | _Ipv6], port: int, receiver: Receiver) -> None:
        self._sockets = sockets
        self._port = port
        self._receiver = receiver

    def _socket_for(self, datagram: Datagram) -> _Ipv4 | _Ipv6 | None:
        """Return the socket that a datagram leaves through: that of its source address, or else of its family."""
        own = [each for each in self._sockets if len(datagram.dst) == len(each.any)]
        bound = [each for each in own if datagram.src in (b"", each.address) or each.address == each.any]
        return bound[0] if bound else None

    def route(self, datagram: Datagram) -> Datagram | None:
        """Ask the host which address it would use."""
        chosen = self._socket_for(datagram)
        source = None if chosen is None else chosen.source_for(datagram)
        return None if source is None else datagram._replace(src=source, src_port=self._port)

    def send(self, datagram: Datagram) -> bool:
        """Send a datagram."""
        chosen = self._socket_for(datagram)
        if chosen is None:
            return False
        try:
            chosen.send(datagram)
        except OSError:
            return False
        return True

    def filenos(self) -> Sequence[int]:
        """Return those of the sockets."""
        return [each.fileno() for each in self._sockets]

    def poll(self, budget: int) -> int:
        """Receive up to `budget` datagrams."""
        count = 0
        for each in self._sockets:
            for datagram in each.receive(budget - count):
                self._receiver(datagram)
                count += 1
        return count

    def close(self) -> None:
        """Close the sockets."""
        for each in self._sockets:
            each.close()


class _Socket:
    """What sockets of both families have in common; a subclass knows its ancillary data."""

    FAMILY: int
    VERSION: int
    ANY: str

    def __init__(self, protocol: int, address: str, port: int) -> None:
        self._is_udp = protocol == IPPROTO_UDP
        self._socket = _open_socket(self.FAMILY, protocol)
        self.port = port
        self.address = socket.inet_pton(self.FAMILY, address)
        self.any = socket.inet_pton(self.FAMILY, self.ANY)
        self._settings: dict[tuple[int, int], int] = {}
        try:
            self._prepare()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self._socket.bind((address, port))
        except BaseException:
            self._socket.close()
            raise

    def _prepare(self) -> None:
        raise NotImplementedError

    def _ask(self, level: int, option: int, value: int) -> None:
        """Set an option unless it is set so."""
        if self._settings.get((level, option)) != value:
            self._socket.setsockopt(level, option, value)
            self._settings[level, option] = value

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def source_for(self, datagram: Datagram) -> bytes | None:
        """Return the address that `datagram` would leave with; None without a route, or where it cannot be known."""
        if datagram.src or self.address != self.any:
            return datagram.src or self.address
        try:
            with socket.socket(self.FAMILY, socket.SOCK_DGRAM) as probe:
                probe.connect((socket.inet_ntop(self.FAMILY, datagram.dst), datagram.dst_port or 1))
                return socket.inet_pton(self.FAMILY, probe.getsockname()[0])
        except OSError:  # no way there, or no descriptor to ask with
            return None

    def receive(self, budget: int) -> Iterable[Datagram]:
        """Return up to `budget` datagrams that are there."""
        for _ in range(budget):
            try:
                payload, ancillary, _, address = self._socket.recvmsg(_READ_SIZE, _CONTROL_SIZE)
            except OSError:  # nothing more
                return
            yield self._datagram(payload, ancillary, address)

    def _datagram(self, payload: bytes, ancillary: Ancillary, address: tuple[Any, ...]) -> Datagram:
        raise NotImplementedError

    def _send(self, datagram: Datagram, ancillary: Ancillary) -> None:
        to = socket.inet_ntop(self.FAMILY, datagram.dst), datagram.dst_port if self._is_udp else 0
        self._socket.sendmsg([datagram.payload], ancillary, 0, to)


def _open_socket(family: int, protocol: int) -> socket.socket:
    kind = socket.SOCK_DGRAM if protocol == IPPROTO_UDP else socket.SOCK_RAW
    try:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    except PermissionError:
        raise refusal(EPERM, "whoever runs this datapath needs CAP_NET_RAW for tunnels without UDP") from None


class _Ipv4(_Socket):
    """IPv4, whose raw sockets give the IP header as well."""

    FAMILY = socket.AF_INET
    VERSION = 4
    ANY = "0.0.0.0"

    def _prepare(self) -> None:
        for option in (_IP_PKTINFO, _IP_RECVTTL, _IP_RECVTOS):
            self._ask(socket.IPPROTO_IP, option, 1)

    def send(self, datagram: Datagram) -> None:
        """Send a datagram."""
        if self._is_udp:
            self._ask(socket.SOL_SOCKET, _SO_NO_CHECK, not datagram.csum)
        self._ask(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO if datagram.df else _PMTUDISC_DONT)
        ancillary = [(socket.IPPROTO_IP, _IP_TOS, _INT.pack(datagram.tos))]
        if datagram.ttl:
            ancillary.append((socket.IPPROTO_IP, _IP_TTL, _INT.pack(datagram.ttl)))
        if datagram.src:
            ancillary.append((socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(0, datagram.src, bytes(4))))
        self._send(datagram, ancillary)

    def _datagram(self, payload: bytes, ancillary: Ancillary, address: tuple[Any, ...]) -> Datagram:
        told = {kind: data for level, kind, data in ancillary if level == socket.IPPROTO_IP}
        if not self._is_udp:
            payload = payload[4 * (payload[0] & 0x0F) :]
        return Datagram(
            payload,
            socket.inet_pton(self.FAMILY, address[0]),
            _IN_PKTINFO.unpack(told[_IP_PKTINFO])[2],
            told[_IP_TOS][0],
            _INT.unpack(told[_IP_TTL])[0],
            address[1] if self._is_udp else 0,
            self.port,
        )


class _Ipv6(_Socket):
    """IPv6, without the addresses of IPv4 that it can play."""

    FAMILY = socket.AF_INET6
    VERSION = 6
    ANY = "::"

    def _prepare(self) -> None:
        for option in (_IPV6_RECVPKTINFO, _IPV6_RECVHOPLIMIT, _IPV6_RECVTCLASS):
            self._ask(socket.IPPROTO_IPV6, option, 1)
        if self._is_udp:
            self._ask(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._ask(_SOL_UDP, _UDP_NO_CHECK6_RX, 1)

    def send(self, datagram: Datagram) -> None:
        """Send a datagram."""
        if self._is_udp:
            self._ask(_SOL_UDP, _UDP_NO_CHECK6_TX, not datagram.csum)
        self._ask(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DO if datagram.df else _PMTUDISC_DONT)
        ancillary = [(socket.IPPROTO_IPV6, _IPV6_TCLASS, _INT.pack(datagram.tos))]
        if datagram.ttl:
            ancillary.append((socket.IPPROTO_IPV6, _IPV6_HOPLIMIT, _INT.pack(datagram.ttl)))
        if datagram.src:
            ancillary.append((socket.IPPROTO_IPV6, _IPV6_PKTINFO, _IN6_PKTINFO.pack(datagram.src, 0)))
        self._send(datagram, ancillary)

    def _datagram(self, payload: bytes, ancillary: Ancillary, address: tuple[Any, ...]) -> Datagram:
        told = {kind: data for level, kind, data in ancillary if level == socket.IPPROTO_IPV6}
        return Datagram(
            payload,
            socket.inet_pton(self.FAMILY, address[0].partition("%")[0]),
            _IN6_PKTINFO.unpack(told[_IPV6_PKTINFO])[0],
            _INT.unpack(told[_IPV6_TCLASS])[0],
            _INT.unpack(told[_IPV6_HOPLIMIT])[0],
            address[1] if self._is_udp else 0,
            self.port,
        )
