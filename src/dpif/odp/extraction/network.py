"""The bits of network headers in the flat key, what stands behind them included.

Each function takes the packet, where the header starts, and the packet's flat metadata (for the addresses of a
conntrack tuple, which share their bits with some headers) and the datapath's features, and returns the bits of
all but the link layer. A bad header leaves its fields zero; NSH alone is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

from dpif.odp.constants import FragType
from dpif.odp.extraction.ipv6 import ipv6_bits
from dpif.odp.extraction.transport import TRANSPORT4_BITS
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.kernel.swkey import CT_ORIG4, FIELDS, MPLS_LABEL_DEPTH, NSH_MD_TYPE1
from dpif.packet.constants import (
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_MC,
    ETH_P_MPLS_UC,
    ETH_P_NSH,
    ETH_P_RARP,
    IP_MF,
    IP_OFFSET,
)

_IPV4 = Struct("!BBxxxxHBBxx8s")
_ARP = Struct("!6sH6s4s6s4s")
_NSH = Struct("!HBB4s")

_ARP_ETHERNET_IPV4 = b"\0\1\x08\0\6\4"
_MPLS_BOTTOM = 0x100
_NSH_BASE_SIZE = 8
_NSH_MD_TYPE1_SIZE = 24
_NSH_MD_TYPE2 = 2

_IP_PROTO = FIELDS["ip.proto"].shift
_IP_TOS = FIELDS["ip.tos"].shift
_IP_TTL = FIELDS["ip.ttl"].shift
_IP_FRAG = FIELDS["ip.frag"].shift
_IPV4_SRC = FIELDS["ipv4.addr.src"].shift
_IPV4_DST = FIELDS["ipv4.addr.dst"].shift  # the source is just above it
_ARP_SHA = FIELDS["ipv4.arp.sha"].shift
_ARP_THA = FIELDS["ipv4.arp.tha"].shift
_MPLS_COUNT = FIELDS["mpls.num_labels_mask"].shift
_MPLS_LSE = FIELDS["mpls.lse"].shift
_NSH_FLAGS = FIELDS["nsh.flags"].shift
_NSH_TTL = FIELDS["nsh.ttl"].shift
_NSH_MDTYPE = FIELDS["nsh.mdtype"].shift
_NSH_NP = FIELDS["nsh.np"].shift
_NSH_PATH_HDR = FIELDS["nsh.path_hdr"].shift
_NSH_CONTEXT = FIELDS["nsh.context"].shift


def _ipv4(packet: bytes, at: int, metadata: int, features: Features) -> int:
    """A bad header leaves all fields zero."""
    if len(packet) < at + 20:
        return 0
    first, tos, fragment, ttl, proto, addresses = _IPV4.unpack_from(packet, at)
    size = (first & 0xF) * 4
    if size < 20 or len(packet) < at + size:
        return 0
    bits: int = (
        metadata & CT_ORIG4
        | int.from_bytes(addresses, "big") << _IPV4_DST
        | proto << _IP_PROTO
        | tos << _IP_TOS
        | ttl << _IP_TTL
    )
    if fragment & IP_OFFSET:
        return bits | FragType.LATER << _IP_FRAG
    if fragment & IP_MF:
        bits |= FragType.FIRST << _IP_FRAG
    transport = TRANSPORT4_BITS.get(proto)
    return bits | transport(packet, at + size) if transport else bits


def _arp(packet: bytes, at: int, metadata: int, features: Features) -> int:
    """ARP and RARP for IPv4 on Ethernet; any other, or a cut one, leaves all fields zero."""
    if len(packet) < at + _ARP.size:
        return 0
    kind, operation, sha, sip, tha, tip = _ARP.unpack_from(packet, at)
    if kind != _ARP_ETHERNET_IPV4:
        return 0
    return (
        (operation if operation <= 0xFF else 0) << _IP_PROTO
        | int.from_bytes(sip, "big") << _IPV4_SRC
        | int.from_bytes(tip, "big") << _IPV4_DST
        | int.from_bytes(sha, "big") << _ARP_SHA
        | int.from_bytes(tha, "big") << _ARP_THA
    )


def _mpls(packet: bytes, at: int, metadata: int, features: Features) -> int:
    """Label stack entries up to the bottom of the stack; when it is cut before that, none counts."""
    stack = bytearray()
    while len(packet) >= at + 4 * (len(stack) // 4 + 1):
        entry = packet[at + len(stack) : at + len(stack) + 4]
        stack += entry
        if int.from_bytes(entry, "big") & _MPLS_BOTTOM:
            count = min(len(stack) // 4, MPLS_LABEL_DEPTH)
            return _mpls_bits(stack) | (1 << count) - 1 << _MPLS_COUNT
    return _mpls_bits(stack)


def _mpls_bits(stack: bytearray) -> int:
    size = 4 * MPLS_LABEL_DEPTH
    return int.from_bytes(stack[:size].ljust(size, b"\0"), "big") << _MPLS_LSE


def _nsh(packet: bytes, at: int, metadata: int, features: Features) -> int:
    """The one network header that must be right."""
    if len(packet) < at + _NSH_BASE_SIZE:
        raise RuleBroken("nsh-header", "the packet ends before its NSH header does")
    first, mdtype, np, path_hdr = _NSH.unpack_from(packet, at)
    size = (first & 0x3F) * 4
    if first >> 14:
        raise RuleBroken("nsh-header", f"the NSH header has version {first >> 14}, not 0")
    if len(packet) < at + size:
        raise RuleBroken("nsh-header", f"the NSH header says {size} bytes, more than the packet has")
    if mdtype == NSH_MD_TYPE1 and size != _NSH_MD_TYPE1_SIZE:
        raise RuleBroken(
            "nsh-header", f"an NSH header with metadata of type 1 has {_NSH_MD_TYPE1_SIZE} bytes, not {size}"
        )
    if mdtype not in (NSH_MD_TYPE1, _NSH_MD_TYPE2):
        raise RuleBroken("nsh-header", f"NSH metadata of type {mdtype} is not known; types 1 and 2 are")
    context = packet[at + _NSH_BASE_SIZE : at + size] if mdtype == NSH_MD_TYPE1 else b""
    bits: int = (
        (first >> 12 & 3) << _NSH_FLAGS
        | (first >> 6 & 0x3F) << _NSH_TTL
        | mdtype << _NSH_MDTYPE
        | np << _NSH_NP
        | int.from_bytes(path_hdr, "big") << _NSH_PATH_HDR
        | int.from_bytes(context, "big") << _NSH_CONTEXT
    )
    return bits


NETWORK_BITS: Mapping[int, Callable[[bytes, int, int, Features], int]] = {
    ETH_P_IP: _ipv4,
    ETH_P_IPV6: ipv6_bits,
    ETH_P_ARP: _arp,
    ETH_P_RARP: _arp,
    ETH_P_MPLS_UC: _mpls,
    ETH_P_MPLS_MC: _mpls,
    ETH_P_NSH: _nsh,
}
