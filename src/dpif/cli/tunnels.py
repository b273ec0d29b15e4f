"""How Open vSwitch names the ports of tunnels, and what it shows of them.

A datapath has one port for all tunnels of a type and UDP port; addresses and keys come from the flows. Its device
is named after both, ``vxlan_sys_4790``, and ``ovs-dpctl`` tells type and UDP port by that name
(netdev-vport.c), since the device is an ordinary one for the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dpif.client.ports import Port


class TunnelType(NamedTuple):
    """A type of tunnel: what its device's name starts with, and its usual UDP port, 0 for none."""

    prefix: str
    udp_port: int


TUNNELS = {
    "geneve": TunnelType("genev_sys", 6081),
    "gre": TunnelType("gre_sys", 0),
    "vxlan": TunnelType("vxlan_sys", 4789),
    "erspan": TunnelType("erspan_sys", 0),
    "ip6gre": TunnelType("ip6gre_sys", 0),
    "ip6erspan": TunnelType("ip6erspan_sys", 0),
    "lisp": TunnelType("lisp_sys", 4341),
    "stt": TunnelType("stt_sys", 7471),
    "gtpu": TunnelType("gtpu_sys", 2152),
    "bareudp": TunnelType("bareudp_sys", 6635),
}


def device_name(type: str, udp_port: int) -> str:
    """Return the name of the device of a type of tunnel."""
    return f"{TUNNELS[type].prefix}_{udp_port}" if udp_port else TUNNELS[type].prefix


def type_of(port: Port) -> str:
    """Return the type of a port as users know it: tunnels are told by their name."""
    if port.type == "system":
        for name, tunnel in TUNNELS.items():
            if port.name.startswith(tunnel.prefix):
                return name
    return port.type


def configuration(port: Port) -> Mapping[str, str]:
    """Return the settings of a port that are shown, in alphabetical order."""
    type_ = type_of(port)
    if type_ not in TUNNELS:
        return {}
    shown: dict[str, str] = {}
    udp_port = _udp_port(port, TUNNELS[type_])
    if udp_port != TUNNELS[type_].udp_port:
        shown["dst_port"] = str(udp_port)
    if type_ in ("erspan", "ip6erspan"):
        shown["erspan_ver"] = "0"
    if port.options and port.options.get("gbp"):
        shown["exts"] = "gbp"
    return shown | {"packet_type": "ptap"}


def _udp_port(port: Port, tunnel: TunnelType) -> int:
    if port.options and "dst_port" in port.options:
        return int(port.options["dst_port"])
    suffix = port.name.removeprefix(f"{tunnel.prefix}_")
    return int(suffix) if suffix.isascii() and suffix.isdigit() else tunnel.udp_port
