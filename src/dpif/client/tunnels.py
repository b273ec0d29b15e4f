"""Tunnels: which there are, and how their ports are named.

A datapath has one port for all tunnels of a type and UDP port; addresses and keys come from flows. On Linux its
device is an ordinary one (`dpif.client.tunnel_devices`), attached as a ``system`` port. Open vSwitch names it after
type and UDP port (``vxlan_sys_4789``), and knows it again by that name (netdev-vport.c); so does this file, which
makes ports interchangeable.

The kernel also has ports that are tunnels themselves, under any name, and whose devices it makes and removes: the
vports of its modules vport-vxlan, vport-geneve and vport-gre (`VPORTS`). Open vSwitch uses them no more.

It owns the tables; it knows neither devices nor datapaths.
"""

from collections.abc import Mapping

from dpif._typing import Final, NamedTuple
from dpif.errors import EncodeError, brief

__all__ = [
    "TUNNELS",
    "VPORTS",
    "Tunnel",
    "TunnelName",
    "check_options",
    "device_name",
    "tunnel_of_device",
]


class Tunnel(NamedTuple):
    """A type of tunnel: what its device's name starts with, its usual UDP port (0 for none)."""

    prefix: str
    udp_port: int
    options: frozenset[str] = frozenset()


_UDP = frozenset({"dst_port"})
TUNNELS: Final[Mapping[str, Tunnel]] = {
    "vxlan": Tunnel("vxlan_sys", 4789, _UDP | {"gbp", "gpe"}),
    "geneve": Tunnel("genev_sys", 6081, _UDP),
    "gre": Tunnel("gre_sys", 0),
    "ip6gre": Tunnel("ip6gre_sys", 0),
    "erspan": Tunnel("erspan_sys", 0),
    "ip6erspan": Tunnel("ip6erspan_sys", 0),
    "lisp": Tunnel("lisp_sys", 4341, _UDP),
    "stt": Tunnel("stt_sys", 7471, _UDP),
    "gtpu": Tunnel("gtpu_sys", 2152, _UDP),
    "bareudp": Tunnel("udp_sys", 6635, _UDP),
}
"""By name of the type."""
VPORTS: Final[Mapping[str, str]] = {f"vport-{type_}": type_ for type_ in ("vxlan", "geneve", "gre")}
"""The types of vports that are tunnels themselves, and their tunnels' types."""


_DIGITS_OF_A_PORT: Final = 5


class TunnelName(NamedTuple):
    """What the name of a device tells: the type of the tunnel, and its UDP port or None."""

    type: str
    udp_port: int | None


def device_name(type: str, options: Mapping[str, object] | None = None) -> str:
    """Return the name of the device of a type of tunnel with these options."""
    tunnel = TUNNELS[type]
    return f"{tunnel.prefix}_{(options or {}).get('dst_port', tunnel.udp_port)}" if tunnel.udp_port else tunnel.prefix


def tunnel_of_device(name: str) -> TunnelName | None:
    """Return which tunnel a device of this name serves, None for a name that Open vSwitch gives to none."""
    for type_, tunnel in TUNNELS.items():
        if not tunnel.udp_port:
            if name == tunnel.prefix:
                return TunnelName(type_, None)
        elif name.startswith(f"{tunnel.prefix}_"):
            digits = name.removeprefix(f"{tunnel.prefix}_")
            if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_OF_A_PORT:
                return TunnelName(type_, int(digits))
    return None


def check_options(type: str, options: Mapping[str, object] | None) -> dict[str, object]:
    """Return the options of a tunnel with the usual UDP port filled in; raise `EncodeError`."""
    tunnel = TUNNELS[type]
    whole = dict(options or {})
    unknown = whole.keys() - tunnel.options
    if unknown:
        known = ", ".join(sorted(tunnel.options)) or "none"
        raise EncodeError(f"unknown option {min(unknown)!r} of a {type} port; there are: {known}")
    if tunnel.udp_port:
        udp_port = whole.setdefault("dst_port", tunnel.udp_port)
        if not isinstance(udp_port, int) or not 0 < udp_port < 0x10000:
            raise EncodeError(f"dst_port is a UDP port, not {brief(udp_port)}")
    return whole
