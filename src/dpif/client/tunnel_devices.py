"""The devices that tunnels are made of: make them, find them as they should be, remove them.

Such a device takes its tunnel metadata from the packet (*collect metadata*), and is made by rtnetlink
(dpif-netlink-rtnl.c). This file owns their kinds and attributes; it knows nothing of datapaths.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping
from enum import IntEnum

from dpif._typing import Final, NamedTuple
from dpif.client.tunnels import device_name, tunnel_of_device
from dpif.errors import AlreadyExists, NetlinkError, NoSuchObject
from dpif.netlink.policy import BE16, FLAG, U8, AttributeSet
from dpif.netlink.route import Link, Links

__all__ = ["KINDS", "LinkKind", "make_device", "remove_device"]


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


KINDS: Final[Mapping[str, LinkKind]] = {
    "vxlan": LinkKind("vxlan", _VXLAN),
    "geneve": LinkKind("geneve", _GENEVE),
    "gre": LinkKind("gretap", _GRE, mtu_late=True),
    "ip6gre": LinkKind("ip6gretap", _GRE, mtu_late=True),
    "erspan": LinkKind("erspan", _GRE),
    "ip6erspan": LinkKind("ip6erspan", _GRE),
}
"""By name of the tunnel's type. The other types are known by name only, and made only where the datapath can."""

_MTU: Final = 65000
_MTU_FALLBACK: Final = 1450


def make_device(type: str, options: Mapping[str, object]) -> bool:
    """Make sure that the device of a tunnel is there as it should be, and up; tell whether it was made now.

    One that is there already is shared when it has these options. One with others is made anew, unless it serves
    somebody: then `AlreadyExists`. EOPNOTSUPP where the kernel has no such devices.
    """
    name, kind = device_name(type, options), KINDS.get(type)
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
    tunnel = tunnel_of_device(name)
    kind = KINDS.get(tunnel.type) if tunnel else None
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
