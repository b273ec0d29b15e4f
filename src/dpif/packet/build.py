"""Making packets, one call per layer, with lengths and checksums filled in.

::

    ethernet(a, b, udp("10.0.0.1", "10.0.0.2", 1234, 53, b"query"))
    ethernet(a, b, vlan(10, mpls(16, tcp("fc00::1", "fc00::2", 1234, 80, flags=SYN))))

Addresses are given as text or as values; IPv4 or IPv6 is chosen by them. Each function returns a `Layer`: bytes
that know their EtherType, so that the layer around them can say what it carries. Values that do not fit raise
`EncodeError` or `ParseError`. For reading there is `headers`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from dpif._typing import TypeAlias
from dpif.errors import EncodeError, ParseError, brief
from dpif.packet.addresses import Mac
from dpif.packet.constants import (
    ARPOP_REPLY,
    ARPOP_REQUEST,
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_UC,
    ICMP_ECHO,
    ICMP_ECHOREPLY,
    ICMPV6_ECHO_REPLY,
    ICMPV6_ECHO_REQUEST,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    MPLS_ETHERTYPES,
    ND_NEIGHBOR_ADVERT,
    ND_NEIGHBOR_SOLICIT,
    ND_OPT_SOURCE_LL_ADDR,
    ND_OPT_TARGET_LL_ADDR,
)
from dpif.packet.edit import complete_checksum
from dpif.packet.headers import Arp, Ethernet, Icmp, Ipv4, Ipv6, Mpls, Tcp, Udp, Vlan
from dpif.packet.layout import locate

__all__ = [
    "Layer",
    "arp_reply",
    "arp_request",
    "echo",
    "ethernet",
    "fragment_header",
    "icmpv6",
    "ip",
    "mpls",
    "neighbour_advert",
    "neighbour_solicit",
    "options_header",
    "solicited_node",
    "tcp",
    "udp",
    "vlan",
]

IpAddress: TypeAlias = str | IPv4Address | IPv6Address
"""An IP address as text or value."""
MacAddress: TypeAlias = str | bytes
"""An Ethernet address as text, `Mac` or 6 bytes."""


class Layer(bytes):
    """The bytes of a layer and all within it; ``ethertype`` is what a header before it calls it."""

    ethertype: int

    def __new__(cls, ethertype: int, content: bytes) -> Layer:
        """Mark `content` as a layer of `ethertype`."""
        layer = super().__new__(cls, content)
        layer.ethertype = ethertype
        return layer


def _ethertype(payload: bytes, given: int | None) -> int:
    if given is not None:
        return given
    if isinstance(payload, Layer):
        return payload.ethertype
    raise EncodeError("the payload is plain bytes: say its ethertype")


# --- Link layer -----------------------------------------------------------------------------------------------


def ethernet(src: MacAddress, dst: MacAddress, payload: bytes, ethertype: int | None = None) -> bytes:
    """Return an Ethernet frame, without padding or FCS."""
    return Ethernet(Mac(src), Mac(dst), _ethertype(payload, ethertype)).pack() + payload


def vlan(
    vid: int, payload: bytes, *, pcp: int = 0, dei: int = 0, tpid: int = ETH_P_8021Q, ethertype: int | None = None
) -> Layer:
    """Return a VLAN tag (IEEE 802.1Q, or 802.1ad with `tpid` 0x88a8) before `payload`."""
    if not (0 <= vid <= 0xFFF and 0 <= pcp <= 7 and 0 <= dei <= 1):
        raise EncodeError(f"VLAN id {brief(vid)}, priority {brief(pcp)} or DEI {brief(dei)} is out of range")
    return Layer(tpid, Vlan(pcp << 13 | dei << 12 | vid, _ethertype(payload, ethertype)).pack() + payload)


def mpls(label: int, payload: bytes, *, tc: int = 0, ttl: int = 64, ethertype: int = ETH_P_MPLS_UC) -> Layer:
    """Return an MPLS label before `payload`: the bottom of the stack unless the payload is MPLS itself."""
    if not (0 <= label <= 0xFFFFF and 0 <= tc <= 7 and 0 <= ttl <= 255):
        raise EncodeError(f"MPLS label {brief(label)}, traffic class {brief(tc)} or TTL {brief(ttl)} is out of range")
    bottom = not (isinstance(payload, Layer) and payload.ethertype in MPLS_ETHERTYPES)
    return Layer(ethertype, Mpls(label, tc, bottom, ttl).pack() + payload)


# --- ARP ------------------------------------------------------------------------------------------------------


def arp_request(sender_mac: MacAddress, sender: IpAddress, target: IpAddress) -> Layer:
    """Return an ARP request: who has `target`? Send it to `BROADCAST`."""
    return _arp(ARPOP_REQUEST, sender_mac, sender, bytes(6), target)


def arp_reply(sender_mac: MacAddress, sender: IpAddress, target_mac: MacAddress, target: IpAddress) -> Layer:
    """Return an ARP reply: `sender` is at `sender_mac`."""
    return _arp(ARPOP_REPLY, sender_mac, sender, target_mac, target)


def _arp(operation: int, sha: MacAddress, spa: IpAddress, tha: MacAddress, tpa: IpAddress) -> Layer:
    sender, target = _address(spa), _address(tpa)
    if not (isinstance(sender, IPv4Address) and isinstance(target, IPv4Address)):
        raise EncodeError("ARP is for IPv4 addresses")
    return Layer(ETH_P_ARP, Arp(operation, Mac(sha), sender, Mac(tha), target).pack())


# --- IP -------------------------------------------------------------------------------------------------------


def _address(address: IpAddress) -> IPv4Address | IPv6Address:
    try:
        return ip_address(address)
    except ValueError:
        raise ParseError(f"{brief(address)} is not an IP address") from None


def ip(
    src: IpAddress,
    dst: IpAddress,
    protocol: int,
    payload: bytes = b"",
    *,
    tos: int = 0,
    ttl: int = 64,
    ident: int = 0,
    fragment: int = 0,
    options: bytes = b"",
    label: int = 0,
) -> Layer:
    """Return an IP packet with a payload of any protocol, taken as it is.

    `tos` and `ttl` are IPv6's traffic class and hop limit too. `ident`, `fragment` (flags and offset) and
    `options` (a multiple of 4 bytes) are of IPv4, `label` of IPv6; IPv6 extension headers go before the payload
    (`options_header`, `fragment_header`).
    """
    source, destination = _address(src), _address(dst)
    if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
        if len(options) % 4 or len(options) > 40:
            raise EncodeError(f"IPv4 options of {len(options)} bytes: at most 40, a multiple of 4")
        length = 20 + len(options) + len(payload)
        head = Ipv4(source, destination, protocol, length, tos, ttl, ident, fragment, options)
        return Layer(ETH_P_IP, head.pack() + payload)
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        if not (0 <= tos <= 255 and 0 <= label <= 0xFFFFF):
            raise EncodeError(f"IPv6 traffic class {brief(tos)} or flow label {brief(label)} is out of range")
        head6 = Ipv6(source, destination, protocol, len(payload), tos, ttl, label)
        return Layer(ETH_P_IPV6, head6.pack() + payload)
    raise EncodeError(f"{source} and {destination} are of different IP versions")


def options_header(next_header: int, payload: bytes, options: bytes = b"\x01\x04\x00\x00\x00\x00") -> bytes:
    """Return an IPv6 hop-by-hop or destination options header (one PadN unless told) before `payload`."""
    if (len(options) + 2) % 8:
        raise EncodeError(f"an IPv6 options header of {len(options) + 2} bytes is no multiple of 8")
    return _octets("options header", (1, next_header), (1, (len(options) + 2) // 8 - 1)) + options + payload


def fragment_header(
    next_header: int, payload: bytes, *, offset: int = 0, more: bool = False, ident: int = 0
) -> bytes:
    """Return an IPv6 fragment header (next header 44) before `payload`; `offset` in units of 8 bytes."""
    return _octets("fragment header", (1, next_header), (1, 0), (2, offset << 3 | more), (4, ident)) + payload


def _octets(what: str, *fields: tuple[int, int]) -> bytes:
    """Return fields, each of so many bytes, one after the other."""
    try:
        return b"".join([value.to_bytes(size) for size, value in fields])
    except OverflowError:
        raise EncodeError(f"a field of the {what} is out of range: {brief([one for _, one in fields])}") from None


# --- Transport ------------------------------------------------------------------------------------------------


def _transport(
    src: IpAddress, dst: IpAddress, protocol: int, segment: bytes, *, tos: int, ttl: int, label: int = 0
) -> Layer:
    """Return an IP packet with `segment`, whose checksum is filled in."""
    packet = ip(src, dst, protocol, segment, tos=tos, ttl=ttl, label=label)
    filled = bytearray(packet)
    complete_checksum(filled, locate(filled, packet.ethertype))
    return Layer(packet.ethertype, bytes(filled))


def udp(
    src: IpAddress, dst: IpAddress, src_port: int, dst_port: int, payload: bytes = b"", *, tos: int = 0, ttl: int = 64
) -> Layer:
    """Return a UDP packet over IPv4 or IPv6."""
    segment = Udp(src_port, dst_port, 8 + len(payload)).pack() + payload
    return _transport(src, dst, IPPROTO_UDP, segment, tos=tos, ttl=ttl)


def tcp(
    src: IpAddress,
    dst: IpAddress,
    src_port: int,
    dst_port: int,
    payload: bytes = b"",
    *,
    flags: int = 0,
    seq: int = 0,
    ack: int = 0,
    window: int = 0xFFFF,
    options: bytes = b"",
    tos: int = 0,
    ttl: int = 64,
) -> Layer:
    """Return a TCP packet over IPv4 or IPv6; `options` a multiple of 4 bytes."""
    if len(options) % 4 or len(options) > 40:
        raise EncodeError(f"TCP options of {len(options)} bytes: at most 40, a multiple of 4")
    if not 0 <= flags <= 0xFFF:
        raise EncodeError(f"TCP flags {flags:#x} do not fit 12 bits")
    head = Tcp(src_port, dst_port, seq, ack, flags, window, options=options)
    return _transport(src, dst, IPPROTO_TCP, head.pack() + payload, tos=tos, ttl=ttl)


def echo(
    src: IpAddress,
    dst: IpAddress,
    *,
    reply: bool = False,
    ident: int = 1,
    seq: int = 1,
    payload: bytes = b"",
    tos: int = 0,
    ttl: int = 64,
) -> Layer:
    """Return an ICMP or ICMPv6 echo request or reply, as ping sends."""
    if _address(src).version == 4:
        protocol, kind = IPPROTO_ICMP, ICMP_ECHOREPLY if reply else ICMP_ECHO
    else:
        protocol, kind = IPPROTO_ICMPV6, ICMPV6_ECHO_REPLY if reply else ICMPV6_ECHO_REQUEST
    segment = Icmp(kind, 0, rest=ident << 16 | seq).pack() + payload
    return _transport(src, dst, protocol, segment, tos=tos, ttl=ttl)


def icmpv6(src: IpAddress, dst: IpAddress, kind: int, code: int, body: bytes) -> Layer:
    """Return an ICMPv6 message; `body` is what follows the checksum, 4 bytes or more."""
    head = _octets("ICMPv6 header", (1, kind), (1, code), (2, 0))
    return _transport(src, dst, IPPROTO_ICMPV6, head + body, tos=0, ttl=64)


# --- Neighbour discovery (RFC 4861) ---------------------------------------------------------------------------


def _ipv6_address(address: IpAddress) -> IPv6Address:
    value = _address(address)
    if not isinstance(value, IPv6Address):
        raise EncodeError(f"neighbour discovery is for IPv6 addresses, not {value}")
    return value


def solicited_node(target: IpAddress) -> tuple[Mac, IPv6Address]:
    """Return the multicast addresses, Ethernet and IPv6, at which a host listens for solicitations of `target`."""
    low = _ipv6_address(target).packed[-3:]
    group = IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + low)
    return Mac(b"\x33\x33" + group.packed[-4:]), group


def neighbour_solicit(src_mac: MacAddress, src: IpAddress, target: IpAddress) -> Layer:
    """Return a neighbour solicitation: who has `target`? Send it to the MAC of `solicited_node`."""
    option = bytes((ND_OPT_SOURCE_LL_ADDR, 1)) + Mac(src_mac)
    segment = Icmp(ND_NEIGHBOR_SOLICIT, 0).pack() + _ipv6_address(target).packed + option
    return _transport(src, solicited_node(target)[1], IPPROTO_ICMPV6, segment, tos=0, ttl=255)


def neighbour_advert(
    target_mac: MacAddress,
    target: IpAddress,
    dst: IpAddress,
    *,
    router: bool = False,
    solicited: bool = True,
    override: bool = True,
) -> Layer:
    """Return a neighbour advertisement: `target` is at `target_mac`."""
    flags = router << 31 | solicited << 30 | override << 29
    option = bytes((ND_OPT_TARGET_LL_ADDR, 1)) + Mac(target_mac)
    segment = Icmp(ND_NEIGHBOR_ADVERT, 0, rest=flags).pack() + _ipv6_address(target).packed + option
    return _transport(target, dst, IPPROTO_ICMPV6, segment, tos=0, ttl=255)
