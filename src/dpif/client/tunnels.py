"""Tunnels: which there are, how their ports are named, and the devices that they are made of.

A datapath has one port for all tunnels of a type and UDP port; addresses and keys come from flows. On Linux its
device is an ordinary one that takes its tunnel metadata from the packet (*collect metadata*), made by rtnetlink and
attached as a ``system`` port. Open vSwitch names it after type and UDP port (``vxlan_sys_4789``), and knows it again
by that name (netdev-vport.c, dpif-netlink-rtnl.c); so does this file, which makes ports interchangeable.

It owns the table and the devices; it knows nothing of datapaths.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from dpif.errors import AlreadyExists, EncodeError, NetlinkError, NoSuchObject
from dpif.netlink.policy import BE16, FLAG, U8, AttributeSet

if TYPE_CHECKING:
    from dpif.netlink.route import Link, Links

__all__ = [
    "TUNNELS",
    "Tunnel",
    "TunnelName",
    "check_options",
    "device_name",
    "make_device",
    "remove_device",
    "tunnel_of_device",
]


class VxlanLinkAttr(IntEnum):
    """``IFLA_VXLAN_*``."""

    LEARNING = 7
    PORT = 15
    UDP_ZERO_CSUM6_RX = 20
    GBP = 23
    COLLECT_METADATA = 25
    GPE = 27


class GeneveLinkAttr(IntEnum):
    """``IFLA_GENEVE_*``."""

    PORT = 5
    COLLECT_METADATA = 6
    UDP_ZERO_CSUM6_RX = 10


class GreLinkAttr(IntEnum):
    """``IFLA_GRE_*``, of all kinds of GRE and ERSPAN."""

    COLLECT_METADATA = 18


_VXLAN = AttributeSet(
    "VXLAN",
    {
        VxlanLinkAttr.LEARNING: U8,
        VxlanLinkAttr.COLLECT_METADATA: U8,
        VxlanLinkAttr.UDP_ZERO_CSUM6_RX: U8,
        VxlanLinkAttr.GBP: FLAG,
        VxlanLinkAttr.GPE: FLAG,
        VxlanLinkAttr.PORT: BE16,
    },
)
_GENEVE = AttributeSet(
    "GENEVE",
    {
        GeneveLinkAttr.COLLECT_METADATA: FLAG,
        GeneveLinkAttr.UDP_ZERO_CSUM6_RX: U8,
        GeneveLinkAttr.PORT: BE16,
    },
)
_GRE = AttributeSet("GRE", {GreLinkAttr.COLLECT_METADATA: FLAG})


class LinkKind(NamedTuple):
    """How the kernel makes a tunnel's device: its kind and attributes; ``mtu_late`` if creation ignores the MTU."""

    name: str
    attributes: AttributeSet
    mtu_late: bool = False


class Tunnel(NamedTuple):
    """A type of tunnel: what its device's name starts with, its usual UDP port (0 for none), its link kind."""

    prefix: str
    udp_port: int
    kind: LinkKind | None = None
    options: frozenset[str] = frozenset()


_UDP = frozenset({"dst_port"})
TUNNELS: Final[Mapping[str, Tunnel]] = {
    "vxlan": Tunnel("vxlan_sys", 4789, LinkKind("vxlan", _VXLAN), _UDP | {"gbp", "gpe"}),
    "geneve": Tunnel("genev_sys", 6081, LinkKind("geneve", _GENEVE), _UDP),
    "gre": Tunnel("gre_sys", 0, LinkKind("gretap", _GRE, mtu_late=True)),
    "ip6gre": Tunnel("ip6gre_sys", 0, LinkKind("ip6gretap", _GRE, mtu_late=True)),
    "erspan": Tunnel("erspan_sys", 0, LinkKind("erspan", _GRE)),
    "ip6erspan": Tunnel("ip6erspan_sys", 0, LinkKind("ip6erspan", _GRE)),
    "lisp": Tunnel("lisp_sys", 4341, None, _UDP),
    "stt": Tunnel("stt_sys", 7471, None, _UDP),
    "gtpu": Tunnel("gtpu_sys", 2152, None, _UDP),
    "bareudp": Tunnel("udp_sys", 6635, None, _UDP),
}
"""By name of the type. Those without a link kind are known by name, and made only where the datapath can."""

_MTU: Final = 65000
_MTU_FALLBACK: Final = 1450


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
            if digits.isascii() and digits.isdigit():
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
            raise EncodeError(f"dst_port is a UDP port, not {udp_port!r}")
    return whole


def make_device(type: str, options: Mapping[str, object]) -> bool:
    """Make sure that the device of a tunnel is there as it should be, and up; tell whether it was made now.

    One that is there already is shared when it has these options. One with others is made anew, unless it serves
    somebody: then `AlreadyExists`. EOPNOTSUPP where the kernel has no such devices.
    """
    from dpif.netlink.route import Links  # the names of tunnels are needed more often than their devices

    name, kind = device_name(type, options), TUNNELS[type].kind
    if kind is None:
        raise NetlinkError(errno.EOPNOTSUPP, f"making the device {name}", f"no link kind for {type} tunnels")
    wanted = _wanted(kind.attributes, options)
    with Links() as links:
        try:
            links.create(name, kind.name, kind.attributes.encode(wanted), _MTU)
        except AlreadyExists as error:
            if _is_shareable(links, name, kind, wanted, error):
                links.set_up(name)
                return False
            links.delete(name)
            links.create(name, kind.name, kind.attributes.encode(wanted), _MTU)
        _verify(links, name, kind, wanted)
        if kind.mtu_late:
            _set_mtu(links, name)
    return True


def remove_device(name: str, ifindex: int | None) -> None:
    """Delete a tunnel's device, if one of this name, kind and ifindex (None: any) is here; else do nothing."""
    from dpif.netlink.route import Links

    tunnel = tunnel_of_device(name)
    kind = TUNNELS[tunnel.type].kind if tunnel else None
    if kind is None:
        return
    with Links() as links, contextlib.suppress(NoSuchObject):
        link = links.get(name)
        if link.kind == kind.name and ifindex in (None, link.ifindex):
            links.delete(name)


def _wanted(attributes: AttributeSet, options: Mapping[str, object]) -> dict[int, object]:
    if attributes is _VXLAN:
        return {
            VxlanLinkAttr.LEARNING: 0,
            VxlanLinkAttr.COLLECT_METADATA: 1,
            VxlanLinkAttr.UDP_ZERO_CSUM6_RX: 1,
            VxlanLinkAttr.GBP: bool(options.get("gbp")),
            VxlanLinkAttr.GPE: bool(options.get("gpe")),
            VxlanLinkAttr.PORT: options["dst_port"],
        }
    if attributes is _GENEVE:
        return {
            GeneveLinkAttr.COLLECT_METADATA: True,
            GeneveLinkAttr.UDP_ZERO_CSUM6_RX: 1,
            GeneveLinkAttr.PORT: options["dst_port"],
        }
    return {GreLinkAttr.COLLECT_METADATA: True}


def _is_shareable(
    links: Links, name: str, kind: LinkKind, wanted: Mapping[int, object], refusal: AlreadyExists
) -> bool:
    """Tell whether the device that is in the way is as wanted; raise when it may not be replaced either."""
    try:
        link = links.get(name)
    except NoSuchObject:  # not the name is taken but the tunnel's place: another device has it
        raise AlreadyExists(errno.EEXIST, refusal.operation, "another device serves this tunnel") from None
    if _is_as_wanted(link, kind, wanted):
        return True
    if link.master:
        raise AlreadyExists(errno.EEXIST, refusal.operation, "it is in use, with other options")
    return False


def _is_as_wanted(link: Link, kind: LinkKind, wanted: Mapping[int, object]) -> bool:
    if link.kind != kind.name:
        return False
    told = kind.attributes.decode(link.data).values
    for number, value in wanted.items():
        absent = False if isinstance(value, bool) else value  # what a kernel does not tell is taken on trust
        if told.get(number, absent) != value:
            return False
    return True


def _verify(links: Links, name: str, kind: LinkKind, wanted: Mapping[int, object]) -> None:
    """Delete a new device and raise when it is not as wanted: older kernels ignore what they do not know."""
    if not _is_as_wanted(links.get(name), kind, wanted):
        links.delete(name)
        raise NetlinkError(errno.EOPNOTSUPP, f"making the {kind.name} device {name}", "the kernel ignored an option")


def _set_mtu(links: Links, name: str) -> None:
    for mtu in (_MTU, _MTU_FALLBACK):
        with contextlib.suppress(NetlinkError):  # a tunnel with a small MTU is better than none
            links.set_up(name, mtu)
            return
