"""The hash of a packet's addresses and ports: what ``skb_get_hash`` is to the kernel.

Both directions of a connection have the same hash, as in the kernel (``__flow_hash_consistentify``); the number
itself is this datapath's own, nobody may rely on it. A hash comes with packets up and down as
`PacketAttr.HASH`: the number and two bits that say where it came from.
"""

from __future__ import annotations

from zlib import crc32

from dpif.odp.kernel.protocols import IP_ETHERTYPES
from dpif.odp.kernel.swkey import get
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6
from dpif.userspace.engine.frame import Frame

OVS_PACKET_HASH_SW_BIT = 1 << 32
"""The hash was computed by software (net/openvswitch/datapath.h)."""
OVS_PACKET_HASH_L4_BIT = 1 << 33
"""The hash is over transport ports too."""

_ADDRESSES = {ETH_P_IP: ("ipv4.addr.src", "ipv4.addr.dst", 4), ETH_P_IPV6: ("ipv6.addr.src", "ipv6.addr.dst", 16)}


def packet_hash(frame: Frame) -> int:
    """Return the packet's hash as `PacketAttr.HASH` has it, computing it when none came with the packet."""
    if not frame.hash:
        frame.hash = _compute(frame.key)
    return frame.hash


def _compute(key: int) -> int:
    eth_type = get(key, "eth.type")
    src, dst, size = _ADDRESSES.get(eth_type, ("eth.src", "eth.dst", 6))
    ports = (get(key, "tp.src"), get(key, "tp.dst")) if eth_type in IP_ETHERTYPES else (0, 0)
    ends = sorted([(get(key, src), ports[0]), (get(key, dst), ports[1])])
    data = b"".join([address.to_bytes(size) + port.to_bytes(2) for address, port in ends])
    number = crc32(data, get(key, "ip.proto")) or 1
    return number | OVS_PACKET_HASH_SW_BIT | (OVS_PACKET_HASH_L4_BIT if any(ports) else 0)


def rehash(number: int, basis: int) -> int:
    """Return the value that the action ``hash`` gives to ``dp_hash``: never 0, which means "none"."""
    return crc32(number.to_bytes(4), basis) or 1
