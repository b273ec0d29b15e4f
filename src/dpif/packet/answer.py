"""Answers to packets, as a host or a router gives them: ARP replies, echo replies, ICMP errors, datagrams.

Each takes the Ethernet frame that is answered and returns a `Layer`, for `build.ethernet` to put on its way.
"""

from __future__ import annotations

from dpif.errors import DecodeError
from dpif.packet.addresses import Mac
from dpif.packet.build import IpAddress, Layer, MacAddress, arp_reply, echo, ip, udp
from dpif.packet.checksum import checksum
from dpif.packet.constants import ETH_P_IPV6, ICMP_ECHO, ICMP_ECHOREPLY, IPPROTO_ICMP, IPPROTO_UDP
from dpif.packet.headers import Arp, Icmp, Ipv4, Ipv6, Udp
from dpif.packet.layout import Fragment, Layout, locate

__all__ = ["arp", "echo_reply", "icmp_error", "udp_reply"]

_QUOTED = 548
"""Bytes of the packet that an error quotes, so that it has 576 at most (RFC 1812, section 4.3.2.3)."""


def arp(frame: bytes, mac: MacAddress) -> Layer:
    """Return the answer to an ARP request: the address is at `mac`; raise `DecodeError` for what is no ARP."""
    asked = Arp.read(frame, locate(frame).l3)
    return arp_reply(mac, asked.target, asked.sender_mac, asked.sender)


def udp_reply(frame: bytes, payload: bytes) -> Layer:
    """Return a datagram back to where that of `frame` came from, over IPv4 or IPv6.

    Raises `DecodeError` where `frame` has no IP and UDP headers.
    """
    at = _located(frame, IPPROTO_UDP, "UDP")
    asked = (Ipv6 if at.ethertype == ETH_P_IPV6 else Ipv4).read(frame, at.l3)
    ports = Udp.read(frame, at.l4)
    return udp(asked.dst, asked.src, ports.dst, ports.src, payload)


def echo_reply(frame: bytes) -> Layer:
    """Return the answer to a ping; raise `DecodeError` where `frame` has no IPv4 and ICMP headers."""
    at = _located(frame, IPPROTO_ICMP, "ICMP")
    asked, message = Ipv4.read(frame, at.l3), Icmp.read(frame, at.l4)
    payload = bytes(frame[at.l4 + 8 : at.end])
    return echo(asked.dst, asked.src, reply=True, ident=message.ident, seq=message.seq, payload=payload)


def icmp_error(src: IpAddress, frame: bytes, kind: int, code: int = 0, *, rest: int = 0) -> Layer | None:
    """Return an ICMP error from `src` to the sender of `frame`, which it quotes; `rest` is the second word.

    That word has the MTU where the error is that a packet is too large. None where no error may be sent: about
    another error, a later fragment, and what was for many (RFC 1122, section 3.2.2). Raises `DecodeError` without an
    IPv4 header.
    """
    at = locate(frame)
    about = Ipv4.read(frame, at.l3)
    if _is_error(frame, at) or at.fragment == Fragment.LATER or Mac(frame[:6]).is_multicast or about.dst.is_multicast:
        return None
    quoted = bytes(frame[at.l3 : min(at.end, at.l3 + _QUOTED)])
    check = checksum(Icmp(kind, code, 0, rest).pack() + quoted)
    return ip(src, about.src, IPPROTO_ICMP, Icmp(kind, code, check, rest).pack() + quoted)


def _located(frame: bytes, protocol: int, name: str) -> Layout:
    """Return where the headers of a frame are; raise `DecodeError` unless it has that of a protocol."""
    at = locate(frame)
    if at.protocol != protocol or not at.l4:
        raise DecodeError(f"the packet has no {name} header", offset=at.l3)
    return at


def _is_error(frame: bytes, at: Layout) -> bool:
    return at.protocol == IPPROTO_ICMP and at.l4 > 0 and frame[at.l4] not in (ICMP_ECHO, ICMP_ECHOREPLY)
