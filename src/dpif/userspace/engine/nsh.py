"""The actions ``push_nsh`` and ``pop_nsh`` made into steps (net/nsh/nsh.c).

A network service header goes before everything that the packet has, its Ethernet header included, and what is
behind it begins the packet when it is taken off. Nothing else in a packet changes.

There is no ``set(nsh(…))``: no kernel ever carried one out, and Linux has taken it away (it is refused there as it
is here, by the rules in `dpif.odp.kernel.check_set`).
"""

from __future__ import annotations

import struct
from errno import EAFNOSUPPORT, EINVAL, ENOMEM

from dpif._typing import Final
from dpif.odp.actions import PushNsh
from dpif.odp.kernel.swkey import MAC_PROTO_ETHERNET, MAC_PROTO_NONE, get, put
from dpif.odp.model.nsh import NEXT_PROTOCOLS, NshBase, NshContext
from dpif.packet.constants import ETH_P_NSH, ETH_P_TEB
from dpif.userspace.engine.frame import Frame
from dpif.userspace.engine.processor import ActionError, Step

_BASE: Final = struct.Struct("!HBBI")
_NP: Final = 3
"""Where the next protocol stands in a header."""
_LENGTH_BITS: Final = 0x3F
"""Of the second byte: the header's length in words."""
_ETHERTYPES: Final = {np: ethertype for ethertype, np in NEXT_PROTOCOLS.items()}


def make_push_nsh(action: PushNsh) -> Step:
    """Make the step that pushes a header; its next protocol is that of the packet, whatever the action says."""
    header = _header(action)

    def push_nsh(frame: Frame) -> None:
        ethertype = ETH_P_TEB if frame.is_ethernet else get(frame.key, "eth.type")
        if ethertype not in NEXT_PROTOCOLS:
            raise ActionError(EAFNOSUPPORT)
        packet = frame.writable()
        packet[:0] = header
        packet[_NP] = NEXT_PROTOCOLS[ethertype]
        _begin_with(frame, ETH_P_NSH)

    return push_nsh


def _header(action: PushNsh) -> bytes:
    """Return the bytes of the header; metadata that is no whole number of words loses its end, as in the kernel."""
    base = action.nsh.base or NshBase()
    metadata = action.nsh.md2 if action.nsh.md2 is not None else (action.nsh.md1 or NshContext()).to_bytes()
    words = (_BASE.size + len(metadata)) // 4
    first = (base.flags << 12 | base.ttl << 6 | words) & 0xFFFF
    path = base.spi << 8 | base.si
    return (_BASE.pack(first, base.mdtype, base.np, path) + metadata)[: 4 * (words & _LENGTH_BITS)]


def pop_nsh(frame: Frame) -> None:
    """Take off the header that the packet begins with."""
    if len(frame) < _BASE.size:
        raise ActionError(ENOMEM)
    packet = frame.writable()
    length = 4 * (packet[1] & _LENGTH_BITS)
    if length < _BASE.size:
        raise ActionError(EINVAL)
    ethertype = _ETHERTYPES.get(packet[_NP])
    if len(packet) < length:
        raise ActionError(ENOMEM)
    if ethertype is None:
        raise ActionError(EAFNOSUPPORT)
    del packet[:length]
    _begin_with(frame, ethertype)


def _begin_with(frame: Frame, ethertype: int) -> None:
    """Take note that the packet begins with another header, that of `ethertype`."""
    frame.is_ethernet = ethertype == ETH_P_TEB
    mac_proto = MAC_PROTO_ETHERNET if frame.is_ethernet else MAC_PROTO_NONE
    frame.key = put(put(frame.key, "mac_proto", mac_proto), "eth.type", ethertype)
    frame.stale = True
    frame.moved()
