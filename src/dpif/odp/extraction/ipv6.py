"""The bits of an IPv6 header, its extension headers and neighbour discovery in the flat key.

The model is parse_ipv6hdr and parse_icmpv6 (net/openvswitch/flow.c) and ipv6_find_hdr (net/ipv6/exthdrs_core.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from dpif.odp.constants import FragType, Ipv6ExtHdr
from dpif.odp.extraction.transport import TRANSPORT6_BITS
from dpif.odp.kernel.protocols import ND_TYPES
from dpif.odp.kernel.rules import Features
from dpif.odp.kernel.swkey import CT_ORIG6, FIELDS, get
from dpif.packet.constants import (
    IPPROTO_AH,
    IPPROTO_DSTOPTS,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_ICMPV6,
    IPPROTO_NONE,
    IPPROTO_ROUTING,
    IPV6_EXTENSIONS,
    ND_OPT_SOURCE_LL_ADDR,
    ND_OPT_TARGET_LL_ADDR,
)

_U16 = Struct("!H")
_IPV6 = Struct("!IxxBB32s")
_ND_SIZE = 24

_IP_PROTO = FIELDS["ip.proto"].shift
_IP_TOS = FIELDS["ip.tos"].shift
_IP_TTL = FIELDS["ip.ttl"].shift
_IP_FRAG = FIELDS["ip.frag"].shift
_DST = FIELDS["ipv6.addr.dst"].shift  # the source is just above it
_LABEL = FIELDS["ipv6.label"].shift
_EXTHDRS = FIELDS["ipv6.exthdrs"].shift
_ND_TARGET = FIELDS["ipv6.nd.target"].shift
_ND_SLL = FIELDS["ipv6.nd.sll"].shift
_ND_TLL = FIELDS["ipv6.nd.tll"].shift


def is_nd(flat: int) -> bool:
    """Tell whether a flat IPv6 key is neighbour discovery with code 0 (sw_flow_key_is_nd)."""
    return get(flat, "ip.proto") == IPPROTO_ICMPV6 and not get(flat, "tp.dst") and get(flat, "tp.src") in ND_TYPES


def ipv6_bits(packet: bytes, at: int, metadata: int, features: Features) -> int:
    """A cut header leaves all fields zero; extension headers that do not fit leave no protocol (59)."""
    if len(packet) < at + 40:
        return 0
    first, next_header, hop_limit, addresses = _IPV6.unpack_from(packet, at)
    proto, frag, transport_at = _find_transport(packet, at + 40, next_header, features)
    bits: int = (
        int.from_bytes(addresses, "big") << _DST
        | (first & 0xFFFFF) << _LABEL
        | _extension_headers(packet, at + 40, next_header, features) << _EXTHDRS
        | proto << _IP_PROTO
        | (first >> 20 & 0xFF) << _IP_TOS
        | hop_limit << _IP_TTL
        | frag << _IP_FRAG
    )
    if not transport_at:
        return bits | metadata & CT_ORIG6
    transport = TRANSPORT6_BITS.get(proto)
    if transport:
        bits |= transport(packet, transport_at)
    if is_nd(bits):
        return bits | _neighbour_discovery(packet, transport_at)
    return bits | metadata & CT_ORIG6


def _find_transport(packet: bytes, at: int, header: int, features: Features) -> tuple[int, int, int]:
    """Walk over extension headers; return protocol, fragment type, and where the transport header starts.

    That place is 0 when there is none: a later fragment, or headers that do not fit (ipv6_find_hdr).
    """
    frag = FragType.NONE
    while header in IPV6_EXTENSIONS:
        if len(packet) < at + (4 if header == IPPROTO_ROUTING else 2):
            return IPPROTO_NONE, frag, 0
        following, length = packet[at], packet[at + 1]
        if header == IPPROTO_FRAGMENT:
            frag = FragType.FIRST
            if len(packet) < at + 4:
                return IPPROTO_NONE, frag, 0
            if _U16.unpack_from(packet, at + 2)[0] & ~7:
                # With more extension headers behind it, the kernel does not take a later fragment for one.
                later = following not in IPV6_EXTENSIONS
                return (IPPROTO_FRAGMENT, FragType.LATER, 0) if later else (IPPROTO_NONE, frag, 0)
            size = 8
        elif header == IPPROTO_AH:
            size = 4 * length + 8
        else:
            size = 8 * length + 8
        if features.exthdrs_must_fit and len(packet) < at + size:
            return IPPROTO_NONE, frag, 0
        header = following
        at += size
    return header, frag, at


_ORDER = (
    (IPPROTO_HOPOPTS, Ipv6ExtHdr.HOP),
    (IPPROTO_ROUTING, Ipv6ExtHdr.ROUTER),
    (IPPROTO_FRAGMENT, Ipv6ExtHdr.FRAG),
    (IPPROTO_AH, Ipv6ExtHdr.AUTH),
)
_EXTENSION_FLAGS: Mapping[int, int] = {header: int(flag) for header, flag in _ORDER}
_HOP, _ROUTER, _FRAG, _AUTH = (int(flag) for _, flag in _ORDER)
_DEST = int(Ipv6ExtHdr.DEST)
_UNREP = int(Ipv6ExtHdr.UNREP)
_UNSEQ = int(Ipv6ExtHdr.UNSEQ)
_MAY_PRECEDE: Mapping[int, int] = {
    IPPROTO_HOPOPTS: 0,
    IPPROTO_ROUTING: _HOP | _DEST | _UNREP,
    IPPROTO_FRAGMENT: _HOP | _DEST | _ROUTER | _UNREP,
    IPPROTO_AH: _HOP | _DEST | _ROUTER | _AUTH | _UNREP,  # _AUTH in place of _FRAG is the kernel's mistake
}
"""The flags that may stand when a header comes, for it to be in sequence (RFC 8200 section 4.1)."""
_AH_MAY_FOLLOW = _HOP | _DEST | _ROUTER | _FRAG | _UNREP


def _extension_headers(packet: bytes, at: int, header: int, features: Features) -> int:
    """Return the ``Ipv6ExtHdr`` flags (get_ipv6_ext_hdrs); ESP is never reached.

    Every header counts as an option header here, whose length is in units of 8 bytes.
    """
    flags = 0
    destinations = 0
    while header in IPV6_EXTENSIONS:
        if header == IPPROTO_DSTOPTS:
            flags = _destination_options(flags, destinations)
            destinations += 1
        else:
            flags = _extension_header(flags, header, destinations, features)
        if len(packet) < at + 2:
            return flags
        header, length = packet[at], packet[at + 1]
        at += 8 * length + 8
    return flags | Ipv6ExtHdr.NONEXT if header == IPPROTO_NONE else flags


def _extension_header(flags: int, header: int, destinations: int, features: Features) -> int:
    own = _EXTENSION_FLAGS[header]
    if flags & own:
        flags |= _UNREP
    may_precede = _AH_MAY_FOLLOW if header == IPPROTO_AH and features.ah_follows_fragment else _MAY_PRECEDE[header]
    if flags & ~may_precede or destinations >= 2:
        flags |= _UNSEQ
        if header == IPPROTO_HOPOPTS:  # counted only where it belongs, in the first place
            return flags
    return flags | own


def _destination_options(flags: int, destinations: int) -> int:
    """One may come after hop-by-hop options, another before the transport header."""
    if destinations == 0:
        return flags | _DEST | (_UNSEQ if flags & ~(_HOP | _UNREP) else 0)
    if destinations == 1:
        return flags | (_UNSEQ if flags & (_UNSEQ | Ipv6ExtHdr.NONEXT) else 0)
    return flags | _UNREP


def _neighbour_discovery(packet: bytes, at: int) -> int:
    """Return target and link-layer addresses; a link-layer address given twice spoils all three."""
    if len(packet) < at + _ND_SIZE:
        return 0
    found = {ND_OPT_SOURCE_LL_ADDR: 0, ND_OPT_TARGET_LL_ADDR: 0}
    target = int.from_bytes(packet[at + 8 : at + _ND_SIZE], "big")
    at += _ND_SIZE
    while len(packet) >= at + 8:
        option, size = packet[at], 8 * packet[at + 1]
        if not size or len(packet) < at + size:
            break
        if option in found and size == 8:
            if found[option]:
                return 0
            found[option] = int.from_bytes(packet[at + 2 : at + 8], "big")
        at += size
    return target << _ND_TARGET | found[ND_OPT_SOURCE_LL_ADDR] << _ND_SLL | found[ND_OPT_TARGET_LL_ADDR] << _ND_TLL
