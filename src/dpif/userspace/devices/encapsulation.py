"""How each type of tunnel puts a packet into a `Datagram` and takes it out again: tunnel keys to headers and back.

A tunnel key is in its flat form here (`dpif.odp.kernel.swkey`). What a key says and what comes of it is as in Linux
(drivers/net/vxlan, drivers/net/geneve.c, net/ipv4/ip_gre.c, their devices taking all from the packet).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from errno import EBUSY, EEXIST

from dpif._typing import Final, NamedTuple, TypeAlias
from dpif.odp.constants import VportType
from dpif.odp.kernel.swkey import (
    AF_INET,
    AF_INET6,
    TUNNEL_CRIT_OPT,
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    TUNNEL_GENEVE_OPT,
    TUNNEL_KEY,
    TUNNEL_OAM,
    TUNNEL_VXLAN_OPT,
    build,
    get,
)
from dpif.packet.congestion import outer_tos, take_over
from dpif.packet.constants import IPPROTO_GRE, IPPROTO_UDP
from dpif.packet.encapsulation import Geneve, Gre, Vxlan
from dpif.userspace.engine.underlay import Datagram

_POLICY: Final = struct.Struct("=I")
_VNI: Final = 0xFFFFFF
_GRE_KEY: Final = 0xFFFFFFFF
_FLOW_BYTES: Final = 38
"""Of a packet: where Ethernet, IPv4 and the ports lie."""
_FIRST_FLOW_PORT: Final = 32768
_FLOW_PORTS: Final = 28232
"""The UDP source ports that tell flows apart are those from 32768 to 60999, as Linux has it."""

Fields: TypeAlias = dict[str, int]
"""Values of fields of the flat key."""


class Encapsulation(NamedTuple):
    """One type of tunnel.

    ``wrap`` returns the packet with the tunnel's header, by a tunnel key; ``unwrap`` the packet behind a header,
    and the fields of the tunnel key that the header gives, ``tun.flags`` among them; it raises `DecodeError`.
    ``port_from_key`` says that a key may name another UDP port than the device's. ``taken`` is the errno for a
    second device of the type, which for UDP is one with the same port. ``version`` is that of IP, 0 for both.
    """

    protocol: int
    wrap: Callable[[bytes, int], bytes]
    unwrap: Callable[[bytes], tuple[bytes, Fields]]
    taken: int
    port_from_key: bool = False
    version: int = 0

    def datagram(self, packet: bytes, key: int, port: int) -> Datagram:
        """Return the datagram that carries `packet` by a tunnel key, to UDP port `port` unless the key names one."""
        flags = get(key, "tun.flags")
        is_ipv6 = get(key, "tun_proto") == AF_INET6
        family, size = ("tun.ipv6", 16) if is_ipv6 else ("tun.ipv4", 4)
        src, dst = get(key, f"{family}.src"), get(key, f"{family}.dst")
        is_udp = self.protocol == IPPROTO_UDP
        return Datagram(
            self.wrap(packet, key),
            src.to_bytes(size) if src else b"",
            dst.to_bytes(size),
            outer_tos(get(key, "tun.tos"), packet),
            get(key, "tun.ttl"),
            _flow_port(packet) if is_udp else 0,
            (self.port_from_key and get(key, "tun.tp_dst")) or port,
            bool(flags & TUNNEL_DONT_FRAGMENT),
            bool(flags & TUNNEL_CSUM) and is_udp,
        )

    def key(self, datagram: Datagram) -> tuple[bytes, int]:
        """Return the packet in a datagram, and the tunnel key that it came with; `DecodeError` for a bad one."""
        packet, fields = self.unwrap(datagram.payload)
        packet = take_over(datagram.tos, packet)
        fields |= outer_fields(datagram)
        if datagram.csum:
            fields["tun.flags"] |= TUNNEL_CSUM
        return packet, build(fields)


def outer_fields(datagram: Datagram) -> Fields:
    """Return the fields of a tunnel key that IP and UDP headers have."""
    is_ipv6 = len(datagram.dst) == 16
    family = "tun.ipv6" if is_ipv6 else "tun.ipv4"
    return {
        "tun_proto": AF_INET6 if is_ipv6 else AF_INET,
        f"{family}.src": int.from_bytes(datagram.src),
        f"{family}.dst": int.from_bytes(datagram.dst),
        "tun.tos": datagram.tos,
        "tun.ttl": datagram.ttl,
        "tun.tp_src": datagram.src_port,
        "tun.tp_dst": datagram.dst_port,
    }


def _flow_port(packet: bytes) -> int:
    """Return a UDP source port by which the network underneath tells the flows in a tunnel apart."""
    return _FIRST_FLOW_PORT + zlib.crc32(packet[:_FLOW_BYTES]) % _FLOW_PORTS


# VXLAN. Its options are a u32 in host order, the group policy.


def _wrap_vxlan(packet: bytes, key: int) -> bytes:
    return Vxlan(get(key, "tun.id") & _VNI).pack(packet)


def _wrap_vxlan_with_policy(packet: bytes, key: int) -> bytes:
    options = get(key, "tun_opts") if get(key, "tun.flags") & TUNNEL_VXLAN_OPT else 0
    (policy,) = _POLICY.unpack(options.to_bytes(_POLICY.size))
    return Vxlan(get(key, "tun.id") & _VNI, policy).pack(packet)


def _unwrap_vxlan(payload: bytes) -> tuple[bytes, Fields]:
    header, packet = Vxlan.read(payload)
    return packet, {"tun.id": header.vni, "tun.flags": TUNNEL_KEY}


def _unwrap_vxlan_with_policy(payload: bytes) -> tuple[bytes, Fields]:
    header, packet = Vxlan.read(payload, may_have_policy=True)
    fields = {"tun.id": header.vni, "tun.flags": TUNNEL_KEY}
    if header.policy is not None:
        fields["tun.flags"] |= TUNNEL_VXLAN_OPT
        fields["tun_opts"] = int.from_bytes(_POLICY.pack(header.policy))
        fields["tun_opts_len"] = _POLICY.size
    return packet, fields


# Geneve.


def _wrap_geneve(packet: bytes, key: int) -> bytes:
    flags = get(key, "tun.flags")
    length = get(key, "tun_opts_len") if flags & TUNNEL_GENEVE_OPT else 0
    options = get(key, "tun_opts").to_bytes(length) if length else b""
    is_oam, is_critical = bool(flags & TUNNEL_OAM), bool(flags & TUNNEL_CRIT_OPT)
    return Geneve(get(key, "tun.id") & _VNI, is_oam, is_critical, options).pack(packet)


def _unwrap_geneve(payload: bytes) -> tuple[bytes, Fields]:
    header, packet = Geneve.read(payload)
    flags = TUNNEL_KEY | (TUNNEL_OAM if header.oam else 0) | (TUNNEL_CRIT_OPT if header.critical else 0)
    fields = {"tun.id": header.vni, "tun.flags": flags}
    if header.options:
        fields["tun.flags"] |= TUNNEL_GENEVE_OPT
        fields["tun_opts"] = int.from_bytes(header.options)
        fields["tun_opts_len"] = len(header.options)
    return packet, fields


# GRE, whose checksum is its own.


def _wrap_gre(packet: bytes, key: int) -> bytes:
    flags = get(key, "tun.flags")
    gre_key = get(key, "tun.id") & _GRE_KEY if flags & TUNNEL_KEY else None
    return Gre(gre_key, bool(flags & TUNNEL_CSUM)).pack(packet)


def _unwrap_gre(payload: bytes) -> tuple[bytes, Fields]:
    header, packet = Gre.read(payload)
    flags = (TUNNEL_CSUM if header.csum else 0) | (0 if header.key is None else TUNNEL_KEY)
    return packet, {"tun.id": header.key or 0, "tun.flags": flags}


VXLAN_GBP: Final = Encapsulation(IPPROTO_UDP, _wrap_vxlan_with_policy, _unwrap_vxlan_with_policy, EEXIST, True)
"""VXLAN with the extension for a group based policy."""
ENCAPSULATIONS: Final[Mapping[int, Encapsulation]] = {
    VportType.VXLAN: Encapsulation(IPPROTO_UDP, _wrap_vxlan, _unwrap_vxlan, EEXIST, True),
    VportType.GENEVE: Encapsulation(IPPROTO_UDP, _wrap_geneve, _unwrap_geneve, EBUSY),
    VportType.GRE: Encapsulation(IPPROTO_GRE, _wrap_gre, _unwrap_gre, EEXIST, version=4),
    VportType.IP6GRE: Encapsulation(IPPROTO_GRE, _wrap_gre, _unwrap_gre, EEXIST, version=6),
}
"""By type of port."""
