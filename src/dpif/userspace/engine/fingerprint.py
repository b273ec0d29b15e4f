"""Which bytes of a packet decide its flow key: its fingerprint.

Two packets from one port with one fingerprint have one key, so what was found for the first holds for the second,
and nobody need read its headers. Left out are the fields that differ from packet to packet and that no key has:
lengths, identification, checksums, sequence numbers, the payload.

There are fingerprints of the usual frames alone: IPv4 without options, IPv6 without extension headers and
neighbour discovery, ARP, each with a VLAN tag or without. Where the length of a packet matters to its key, a packet
that is too short has none. `columns.py` takes the fingerprints of many packets at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpif._typing import Final
from dpif.odp.kernel.protocols import ND_TYPES
from dpif.packet.constants import IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP

IPV4: Final = b"\x08\0\x45"
"""EtherType, version and length of an IPv4 header without options."""
_ARP: Final = b"\x08\x06"
_IPV6: Final = b"\x86\xdd"
_TAGS: Final = (b"\x81\0", b"\x88\xa8")

IPV4_PARTS: Final = ((0, 16), (20, 4), (26, 12))
"""Places and sizes: Ethernet to TOS; fragment, TTL, protocol; addresses, ports."""
IPV4_END: Final = 34
_IPV6_END: Final = 54
_ARP_END: Final = 42
_LEAST_TRANSPORT: Final = 8
"""Bytes of the shortest transport header, which the others are taken to have too."""
TCP_OFFSET: Final = 12
"""Where in a TCP header its length stands, and its flags behind that."""
TCP_SIZE: Final = 20
_SCTP_SIZE: Final = 12


def fingerprint(packet: bytes) -> bytes | None:
    """Return the fingerprint of a packet that starts with an Ethernet header, None when it has none."""
    if packet[12:15] != IPV4:
        return _of_others(packet)
    if len(packet) < IPV4_END + _LEAST_TRANSPORT:
        return None
    protocol = packet[23]
    headers = packet[:16] + packet[20:24] + packet[26:38]  # IPV4_PARTS
    return headers if protocol == IPPROTO_UDP else _with_transport(packet, headers, protocol, IPV4_END)


def _with_transport(packet: bytes, headers: bytes, protocol: int, at: int) -> bytes | None:
    """Return `headers` and what else of the header at `at` counts, None when it does not fit."""
    size = len(packet) - at
    if protocol == IPPROTO_TCP:
        if size < TCP_SIZE or size < packet[at + TCP_OFFSET] >> 4 << 2:
            return None
        return headers + packet[at + TCP_OFFSET : at + TCP_OFFSET + 2]
    return None if protocol == IPPROTO_SCTP and size < _SCTP_SIZE else headers


def _of_others(packet: bytes) -> bytes | None:
    kind = packet[12:14]
    if kind in _TAGS and packet[16:18] not in _TAGS:  # one tag
        inner = fingerprint(packet[:12] + packet[16:])
        return None if inner is None else inner[:12] + packet[12:16] + inner[12:]
    read = _READERS.get(kind)
    return None if read is None else read(packet)


def _of_arp(packet: bytes) -> bytes | None:
    return packet[:_ARP_END] if len(packet) >= _ARP_END else None


def _of_ipv6(packet: bytes) -> bytes | None:
    if len(packet) < _IPV6_END + _LEAST_TRANSPORT:
        return None
    protocol = packet[20]
    if protocol not in _IPV6_PROTOCOLS or (protocol == IPPROTO_ICMPV6 and packet[_IPV6_END] in ND_TYPES):
        return None
    # Addresses, EtherType, class and label; protocol, hop limit, addresses, ports.
    headers = packet[:18] + packet[20:58]
    return headers if protocol == IPPROTO_UDP else _with_transport(packet, headers, protocol, _IPV6_END)


_IPV6_PROTOCOLS: Final = frozenset({IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6})
_READERS: Final[Mapping[bytes, Callable[[bytes], bytes | None]]] = {_ARP: _of_arp, _IPV6: _of_ipv6}
