"""Where the headers of a packet begin.

`locate` walks a packet once and gives the offsets that `edit` works at. It reads the way Linux does
(``key_extract()`` in net/openvswitch/flow.c and ``ipv6_find_hdr()``): at most two VLAN tags, LLC/SNAP with a zero
OUI counts as its EtherType, MPLS hides what follows, and a header that does not fit or makes no sense ends the
walk; no packet is an error. Values of fields are not its business: `headers` and the flow key read those.
"""

from __future__ import annotations

from dpif._typing import NamedTuple
from dpif.packet.checksum import Buffer
from dpif.packet.constants import (
    ETH_P_802_2,
    ETH_P_802_3_MIN,
    ETH_P_IP,
    ETH_P_IPV6,
    IP_MF,
    IP_OFFSET,
    IPPROTO_AH,
    IPPROTO_FRAGMENT,
    IPPROTO_NONE,
    IPPROTO_ROUTING,
    IPV6_EXTENSIONS,
    VLAN_ETHERTYPES,
)

__all__ = ["Fragment", "Layout", "locate"]

_ETHERNET_SIZE = 14
_SNAP = b"\xaa\xaa"
_SNAP_SIZE = 8
_MAX_VLANS = 2


class Fragment:
    """What part of a fragmented IP packet a packet is."""

    NONE = 0
    FIRST = 1
    LATER = 2


class Layout(NamedTuple):
    """The outline of one packet; offsets count bytes from its start.

    ``ethertype`` is the network header's, behind VLAN tags and SNAP (`ETH_P_802_2` when there is none), ``l3``
    the network header's offset (the kernel's ``mac_len``), ``protocol`` the IP protocol or last IPv6 next header,
    ``l4`` the transport header's offset, and ``end`` the offset where the IP packet ends by its own length, which
    may be before the padding of a short frame, and is the packet's length where there is no sensible IP length.

    ``l4`` is 0 when there is no transport header: not IP, a later fragment, or a broken header. ``fragment`` is
    one of `Fragment`. ``routed`` says that an IPv6 routing header has segments left, so that the transport
    checksum is over another destination than the IPv6 header's.
    """

    ethertype: int
    l3: int
    protocol: int
    l4: int
    end: int
    fragment: int = Fragment.NONE
    routed: bool = False


def locate(packet: Buffer, ethertype: int | None = None) -> Layout:
    """Return the outline of an Ethernet packet, or of one that begins with the network header of `ethertype`."""
    if ethertype is None:
        ethertype, l3 = _network(packet)
    else:
        l3 = 0
    if ethertype == ETH_P_IP:
        return _ipv4(packet, l3)
    if ethertype == ETH_P_IPV6:
        return _ipv6(packet, l3)
    return Layout(ethertype, l3, 0, 0, len(packet))


def _network(packet: Buffer) -> tuple[int, int]:
    """Return the EtherType of the network header and its offset."""
    size = len(packet)
    if size < _ETHERNET_SIZE:
        return ETH_P_802_2, size
    offset = 12
    ethertype = packet[12] << 8 | packet[13]
    for _ in range(_MAX_VLANS):
        if ethertype not in VLAN_ETHERTYPES or size < offset + 6:
            break
        offset += 4
        ethertype = packet[offset] << 8 | packet[offset + 1]
    offset += 2
    if ethertype >= ETH_P_802_3_MIN:
        return ethertype, offset
    if size < offset + _SNAP_SIZE or packet[offset : offset + 2] != _SNAP or any(packet[offset + 3 : offset + 6]):
        return ETH_P_802_2, offset
    inner = packet[offset + 6] << 8 | packet[offset + 7]
    return (inner if inner >= ETH_P_802_3_MIN else ETH_P_802_2), offset + _SNAP_SIZE


def _ipv4(packet: Buffer, l3: int) -> Layout:
    size = len(packet)
    header = (packet[l3] & 0x0F) * 4 if l3 < size else 0
    if header < 20 or size < l3 + header:
        return Layout(ETH_P_IP, l3, 0, 0, size)
    end = _end(l3 + (packet[l3 + 2] << 8 | packet[l3 + 3]), l3 + header, size)
    flags = packet[l3 + 6] << 8 | packet[l3 + 7]
    protocol = packet[l3 + 9]
    if flags & IP_OFFSET:
        return Layout(ETH_P_IP, l3, protocol, 0, end, Fragment.LATER)
    fragment = Fragment.FIRST if flags & IP_MF else Fragment.NONE
    return Layout(ETH_P_IP, l3, protocol, l3 + header, end, fragment)


def _end(end: int, least: int, size: int) -> int:
    """Return `end` where the packet's lengths agree with it, else the packet's size.

    A length of zero is that of a packet too large for the field.
    """
    return end if least <= end <= size else size


def _ipv6(packet: Buffer, l3: int) -> Layout:
    size = len(packet)
    offset = l3 + 40
    if size < offset:
        return Layout(ETH_P_IPV6, l3, IPPROTO_NONE, 0, size)
    end = _end(offset + (packet[l3 + 4] << 8 | packet[l3 + 5]), offset + 1, size)
    following = packet[l3 + 6]
    fragment, routed = Fragment.NONE, False
    while following in IPV6_EXTENSIONS:
        if size < offset + 4:
            return Layout(ETH_P_IPV6, l3, IPPROTO_NONE, 0, end, fragment, routed)
        length = (packet[offset + 1] + 1) * 8
        if following == IPPROTO_FRAGMENT:
            if packet[offset + 2] or packet[offset + 3] & 0xF8:
                return Layout(ETH_P_IPV6, l3, IPPROTO_FRAGMENT, 0, end, Fragment.LATER, routed)
            fragment, length = Fragment.FIRST, 8
        elif following == IPPROTO_AH:
            length = (packet[offset + 1] + 2) * 4
        elif following == IPPROTO_ROUTING and packet[offset + 3]:
            routed = True
        following = packet[offset]
        offset += length
        if offset > size:
            return Layout(ETH_P_IPV6, l3, IPPROTO_NONE, 0, end, fragment, routed)
    return Layout(ETH_P_IPV6, l3, following, offset, end, fragment, routed)
