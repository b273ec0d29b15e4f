"""Explicit congestion notification across a tunnel (RFC 6040), as Linux does it (include/net/inet_ecn.h).

What the network underneath says to the packet that carries is to be said to the one that was carried.
"""

from __future__ import annotations

from dpif.errors import DecodeError
from dpif.packet import edit
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6
from dpif.packet.layout import Layout, locate

__all__ = ["outer_tos", "take_over"]

_ECN = 3
_NOT_ECT, _ECT_1, _ECT_0, _CE = range(4)


def outer_tos(tos: int, packet: bytes) -> int:
    """Return the TOS of the header to go around Ethernet packet `packet`: the given one, with the packet's ECN."""
    inner = _tos(packet, locate(packet)) & _ECN
    return tos & ~_ECN | (_ECT_0 if inner == _CE else inner)


def take_over(tos: int, packet: bytes) -> bytes:
    """Return `packet`, which came in a header with this TOS, marked as that is; `DecodeError` for one to be dropped.

    To be dropped is one that met congestion and cannot say so.
    """
    outer = tos & _ECN
    if outer in (_NOT_ECT, _ECT_0):
        return packet
    layout = locate(packet)
    inner = _tos(packet, layout) & _ECN
    if inner == _NOT_ECT:
        if outer == _CE:
            raise DecodeError("congestion was experienced by a packet that cannot tell", offset=0)
        return packet
    if outer == _CE or inner == _ECT_0:
        return _marked(packet, layout, outer)
    return packet


def _marked(packet: bytes, layout: Layout, ecn: int) -> bytes:
    changed = bytearray(packet)
    if layout.ethertype == ETH_P_IP:
        edit.set_ipv4(changed, layout, tos=(ecn, _ECN))
    else:
        edit.set_ipv6(changed, layout, traffic_class=(ecn, _ECN))
    return bytes(changed)


def _tos(packet: bytes, layout: Layout) -> int:
    """Return TOS or traffic class; 0 of what is not IP."""
    l3 = layout.l3
    if layout.ethertype == ETH_P_IP and len(packet) >= l3 + 20:
        return packet[l3 + 1]
    if layout.ethertype == ETH_P_IPV6 and len(packet) >= l3 + 40:
        return (packet[l3] << 4 | packet[l3 + 1] >> 4) & 0xFF
    return 0
